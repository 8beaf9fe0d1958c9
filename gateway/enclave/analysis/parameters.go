package analysis

import (
	"slices"

	"github.com/killick-ledger/killick/chaincode/canon"
	"github.com/killick-ledger/killick/chaincode/fault"
	"github.com/killick-ledger/killick/chaincode/record"
)

// expect refuses parameters of other names. Errors: fault.UnknownField.
func expect(p canon.Object, names ...string) error {
	for _, m := range p {
		if !slices.Contains(names, m.Name) {
			return fault.New(fault.UnknownField, "parameters: %.40q is none of %v", m.Name, names)
		}
	}
	return nil
}

// whole reads an integer between least and most; absent is what counts without it, 0 for
// one that is required. Errors: fault.MissingField, fault.WrongType, fault.NumberRange.
func whole(p canon.Object, name string, least, most, absent int) (int, error) {
	v, ok := p.Find(name)
	if !ok && absent > 0 {
		return absent, nil
	}
	if !ok {
		return 0, fault.New(fault.MissingField, "parameters: %s is required", name)
	}
	f, ok := v.(float64)
	if !ok {
		return 0, fault.New(fault.WrongType, "parameters: %s is a number", name)
	}
	if f < float64(least) || f > float64(most) || f != float64(int(f)) {
		return 0, fault.New(fault.NumberRange, "parameters: %s is a whole number from %d to %d", name, least, most)
	}
	return int(f), nil
}

// field reads the path of a member, as scopes of grants have it. Errors:
// fault.WrongType, fault.InvalidValue.
func field(v any) (string, error) {
	path, ok := v.(string)
	if !ok {
		return "", fault.New(fault.WrongType, "parameters: a field is a text")
	}
	if err := record.CheckPath(path); err != nil || path == record.Whole {
		return "", fault.New(fault.InvalidValue, "parameters: field %.40q is no path of a member, such as /pulse", path)
	}
	return path, nil
}
