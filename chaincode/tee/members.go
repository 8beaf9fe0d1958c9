package tee

import (
	"encoding/hex"

	"github.com/killick-ledger/killick/chaincode/canon"
)

// members reads the JSON objects that Intel signs. Members that are not known are
// passed over: Intel adds some within a version, and its signature covers them. What
// is missing or has another form is remembered, and what is read after it does not
// count.
type members struct {
	object canon.Object
	failed *string // name of the first member that is missing or of another form
}

// readMembersOf reads one JSON object; no name may occur twice, nothing may follow.
func readMembersOf(in Part, data []byte) (members, error) {
	object, err := canon.ParseObject(data)
	if err != nil {
		return members{}, refuse(in, Form, "not JSON that can be read: %.120s", err)
	}
	return members{object, new(string)}, nil
}

func (m members) fail(name string) {
	if *m.failed == "" {
		*m.failed = name
	}
}

// err refuses the whole when a member of it was missing or of another form.
func (m members) err(in Part) error {
	if *m.failed != "" {
		return refuse(in, Form, "member %.40q is missing or has another form", *m.failed)
	}
	return nil
}

func (m members) text(name string) string {
	v, _ := m.object.Find(name)
	text, ok := v.(string)
	if !ok {
		m.fail(name)
	}
	return text
}

// number reads an integer from 0 to most, which is below 2^53: a double keeps it
// exactly.
func (m members) number(name string, most uint64) uint64 {
	v, _ := m.object.Find(name)
	f, ok := v.(float64)
	if !ok || f < 0 || f > float64(most) || f != float64(uint64(f)) {
		m.fail(name)
		return 0
	}
	return uint64(f)
}

// hex reads hexadecimal digits, upper or lower case, of exactly this length.
func (m members) hex(name string, into []byte) {
	text := m.text(name)
	if len(text) != 2*len(into) {
		m.fail(name)
		return
	}
	if _, err := hex.Decode(into, []byte(text)); err != nil {
		m.fail(name)
	}
}

func (m members) date(name string) uint64 {
	seconds, ok := parseDate(m.text(name))
	if !ok {
		m.fail(name)
	}
	return seconds
}

func (m members) child(name string) members {
	v, _ := m.object.Find(name)
	object, ok := v.(canon.Object)
	if !ok {
		m.fail(name)
	}
	return members{object, m.failed}
}

// children reads a list of objects; a list that is not there is empty where it is
// optional.
func (m members) children(name string, optional bool) []members {
	v, found := m.object.Find(name)
	list, ok := v.([]any)
	if !ok && (found || !optional) {
		m.fail(name)
	}
	out := make([]members, len(list))
	for i, e := range list {
		object, ok := e.(canon.Object)
		if !ok {
			m.fail(name)
		}
		out[i] = members{object, m.failed}
	}
	return out
}

// verdict reads what a level says. A status that is not known here counts when the
// level is reached, not before.
func (m members) verdict() verdict {
	v := verdict{date: m.date("tcbDate")}
	v.status, _ = StatusOf(m.text("tcbStatus"))
	list, found := m.object.Find("advisoryIDs")
	all, ok := list.([]any)
	if found && !ok {
		m.fail("advisoryIDs")
	}
	for _, e := range all {
		id, ok := e.(string)
		if !ok {
			m.fail("advisoryIDs")
		}
		v.advisories = append(v.advisories, id)
	}
	return v
}
