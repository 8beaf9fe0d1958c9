package trail_test

import (
	"bytes"
	"strings"
	"testing"

	"github.com/killick-ledger/killick/anchor/log"
	"github.com/killick-ledger/killick/anchor/trail"
)

// known are trails that hold, and what their links say.
type known struct {
	policy *log.Policy
	trails []*log.Trail
	values map[string]map[string]bool // by key
}

func knownTrails(f *testing.F) *known {
	f.Helper()
	v := read(f)
	k := &known{values: map[string]map[string]bool{}}
	var err error
	if k.policy, err = log.ParsePolicy(v.Policy); err != nil {
		f.Fatal(err)
	}
	for _, c := range v.Trails {
		if c.Verdict != "checked" {
			continue
		}
		made, err := log.ParseTrail([]byte(c.File))
		if err != nil {
			f.Fatal(err)
		}
		k.trails = append(k.trails, made)
		for _, l := range made.Links {
			key := string(l.Write.Record.Key)
			if k.values[key] == nil {
				k.values[key] = map[string]bool{}
			}
			k.values[key][string(l.Write.Value)] = true
		}
	}
	return k
}

// only has the links with one of the prefixes, and of the note the lines of n members.
func only(of *log.Trail, n int, prefixes ...string) *log.Trail {
	c := &log.Trail{}
	note := of.Head().Note
	note.Lines = note.Lines[:n]
	for _, l := range of.Links {
		for _, prefix := range prefixes {
			if strings.HasPrefix(string(l.Write.Record.Key), prefix) {
				next := *l
				next.Note = note
				c.Links = append(c.Links, &next)
			}
		}
	}
	return c
}

// What reads as a trail is written the same again, comes to a verdict, and holds only with
// values that the members signed. The seeds are small, so that most changes of a byte leave a
// trail: from one link and one member, over a cancelled job, to what breaks off.
func FuzzParseTrail(f *testing.F) {
	k := knownTrails(f)
	small := k.trails[len(k.trails)-1]
	f.Add([]byte("killick prooftrail v1\n\nclaim trail\n\nmembers 1\n\n"))
	for _, made := range []*log.Trail{
		only(small, 1, "settlement/"), only(small, 1, "settlement/", "job/"), only(small, 1, "settlement/", "round/"), only(small, 2, "settlement/", "job/", "round/"), small,
	} {
		data, err := made.Marshal()
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
		for at := range data {
			if data[at] == '\n' && at%7 == 0 {
				f.Add(data[:at+1])
			}
		}
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		made, err := log.ParseTrail(data)
		if err != nil {
			return
		}
		again, err := made.Marshal()
		if err != nil || !bytes.Equal(again, data) {
			t.Errorf("reads as another: %v", err)
		}
		k.judge(t, made)
	})
}

// judge has a trail come to a verdict.
func (k *known) judge(t *testing.T, made *log.Trail) {
	t.Helper()
	if log.Worst(append(made.Verify(k.policy), trail.Check(made, k.policy)...)) == log.Failed {
		return
	}
	for _, l := range made.Links {
		if key := string(l.Write.Record.Key); !k.values[key][string(l.Write.Value)] {
			t.Errorf("a trail holds in which %s is %x", key, l.Write.Value)
		}
	}
}

// Whatever a link's value is, what the links have to do with each other comes to a verdict.
// Its proof is not looked at: another value would end there.
func FuzzLink(f *testing.F) {
	k := knownTrails(f)
	seen := map[string]bool{}
	for i, made := range k.trails {
		for j, l := range made.Links {
			kind, _, _ := strings.Cut(string(l.Write.Record.Key), "/")
			if !seen[kind] {
				seen[kind] = true
				f.Add(uint8(i), uint16(j), l.Write.Value)
			}
		}
	}
	for j := range k.trails[0].Links {
		f.Add(uint8(0), uint16(j), []byte("{}")) // JSON that says nothing
	}
	f.Fuzz(func(t *testing.T, i uint8, j uint16, value []byte) {
		of := k.trails[int(i)%len(k.trails)]
		c := *of
		c.Links = append([]*log.Bundle{}, of.Links...)
		at := int(j) % len(c.Links)
		l, w := *c.Links[at], *c.Links[at].Write
		w.Value = value
		l.Write, c.Links[at] = &w, &l
		got := log.Worst(trail.Check(&c, k.policy))
		if same := bytes.Equal(value, of.Links[at].Write.Value); same && got == log.Failed {
			t.Errorf("with the values that it has it is %v", got)
		}
	})
}
