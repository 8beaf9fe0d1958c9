package status

import (
	"github.com/killick-ledger/killick/chaincode/credential"
	"github.com/killick-ledger/killick/gateway/vc"
)

// maxFew is up to how many entries are noted one by one.
const maxFew = 256

// marks are the entries of one list that are set: one by one while they are few, and
// otherwise as the list has them. The issuer chooses the numbers of its lists, and so could
// make every gateway hold a list for each credential. The zero value has none.
type marks struct {
	few  map[uint32]struct{}
	many *vc.Bits // nil while they are few
}

// has says whether an entry is set. Errors: fault.InvalidValue for one beyond the list.
func (m *marks) has(index uint32) (bool, error) {
	if m.many != nil {
		return m.many.Has(int(index))
	}
	_, ok := m.few[index]
	return ok, nil
}

// put sets an entry, or clears it. Errors: as for has.
func (m *marks) put(index uint32, set bool) error {
	if m.many != nil {
		return m.many.Put(int(index), set)
	}
	if !set {
		delete(m.few, index)
		return nil
	}
	if m.few == nil {
		m.few = map[uint32]struct{}{}
	}
	if m.few[index] = struct{}{}; len(m.few) <= maxFew {
		return nil
	}
	many, err := m.bits()
	if err == nil {
		m.few, m.many = nil, many
	}
	return err
}

// bits returns a copy as the list has it.
func (m *marks) bits() (*vc.Bits, error) {
	if m.many != nil {
		return m.many.Clone(), nil
	}
	out, err := vc.NewBits(credential.ListEntries)
	if err != nil {
		return nil, err
	}
	for index := range m.few {
		if err := out.Set(int(index)); err != nil {
			return nil, err
		}
	}
	return out, nil
}
