package trail_test

import (
	"strings"
	"testing"

	"github.com/killick-ledger/killick/anchor/log"
)

// A trail from a payout down to the grants holds, and says what it rests on. (TR-1)
func TestPayoutTrail(t *testing.T) {
	s, made, _ := paid(t)
	if status, failed := s.judge(made); status != log.Passed {
		t.Fatalf("%v", failed)
	}
	data, err := made.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%d bytes, %d links", len(data), len(made.Links))
	if !strings.Contains(string(data), "claim trail\nhead payout\n") {
		t.Errorf("%.300s", data)
	}
}

// Whatever is changed, left out, or taken from elsewhere is refused, by the line that it
// belongs to. (TR-2)
func TestForgedTrails(t *testing.T) {
	s, _, job := paid(t)
	other := s.done("another", yes, yes, yes, yes, yes, yes, yes, yes)
	again := s.sealed(s.Owners[0], job, uint64(s.Earned(s.Owners[0]))+9) // under a checkpoint that has both jobs
	foreign := s.make(other, "", nil, log.Evidence{SetVersion: 1, Note: again.Head().Note.Marshal()})
	if status, failed := s.judge(again); status != log.Passed {
		t.Fatalf("%v", failed)
	}
	prefixes := []string{"epoch/", "settlement/", "job/", "round/", "grant/", "record/", "evidence/", "draw/", "committee/", "role/licences", "ballot/", "reveal/", "post/", "did/"}
	for _, prefix := range prefixes {
		t.Run("without "+prefix, func(t *testing.T) {
			s.t = t
			s.refused(without(again, prefix), "form: ", "there is no", "commitment", "follow from", "credit")
		})
		t.Run("flipped "+prefix, func(t *testing.T) {
			s.t = t
			s.refused(altered(again, prefix, func(l *log.Bundle) { l.Write.Path = flipped(l.Write.Path) }), "link "+prefix, "write")
		})
		t.Run("flipped transaction of "+prefix, func(t *testing.T) {
			s.t = t
			s.refused(altered(again, prefix, func(l *log.Bundle) { l.Tx.EnvelopeHash[0] ^= 1 }), "link "+prefix, "transaction")
		})
		t.Run("flipped block of "+prefix, func(t *testing.T) {
			s.t = t
			s.refused(altered(again, prefix, func(l *log.Bundle) { l.Block.DataHash[0] ^= 1 }), "link "+prefix, "block")
		})
		t.Run("flipped value of "+prefix, func(t *testing.T) {
			s.t = t
			s.refused(altered(again, prefix, func(l *log.Bundle) {
				w := *l.Write
				w.Value = append([]byte(nil), w.Value...)
				w.Value[len(w.Value)-1] ^= 1
				l.Write = &w
			}), "form: ", "link "+prefix)
		})
	}
	for prefix, line := range map[string]string{
		"settlement/": "job", "job/": "job", "round/": "round", "evidence/": "evidence", "draw/": "draw", "committee/": "committee", "ballot/": "ballots",
		"reveal/": "ballots",
	} {
		t.Run("of another job: "+prefix, func(t *testing.T) {
			s.t = t
			s.refused(swapped(again, foreign, prefix), line, "form: ", "stray", "there is no", "round", "verdict")
		})
	}
	s.t = t
	c := *again
	c.Candidates = c.Candidates[20:]
	s.refused(&c, "committee: the candidates")
	c = *again
	c.Disclosure = []byte(strings.Replace(string(c.Disclosure), `"index":0`, `"index":1`, 1))
	s.refused(&c, "identity")
	c = *again
	c.Links = append([]*log.Bundle{}, again.Links...)
	for _, l := range foreign.Links {
		if strings.HasPrefix(string(l.Write.Record.Key), "evidence/") {
			c.Links = append(c.Links, l)
		}
	}
	c.Sort()
	s.refused(&c, "stray links: evidence/"+other.String())
}

// refused wants the trail refused by one of the lines.
func (s *story) refused(made *log.Trail, lines ...string) {
	s.t.Helper()
	status, failed := s.judge(made)
	if status != log.Failed {
		s.t.Errorf("it is %v", status)
		return
	}
	for _, f := range failed {
		for _, line := range lines {
			if strings.Contains(f, line) {
				return
			}
		}
	}
	s.t.Errorf("refused by %v, want one of %q", failed, lines)
}

func without(of *log.Trail, prefix string) *log.Trail {
	c := *of
	c.Links = nil
	gone := false
	for _, l := range of.Links {
		if gone || !strings.HasPrefix(string(l.Write.Record.Key), prefix) {
			c.Links = append(c.Links, l)
			continue
		}
		gone = true
	}
	return &c
}

func altered(of *log.Trail, prefix string, edit func(*log.Bundle)) *log.Trail {
	c := *of
	c.Links = nil
	done := false
	for _, l := range of.Links {
		if !done && strings.HasPrefix(string(l.Write.Record.Key), prefix) {
			next := *l
			w := *l.Write
			next.Write = &w
			edit(&next)
			l, done = &next, true
		}
		c.Links = append(c.Links, l)
	}
	return &c
}

func flipped(path []log.Hash) []log.Hash {
	next := append([]log.Hash(nil), path...)
	if len(next) == 0 {
		return []log.Hash{{1}}
	}
	next[0][0] ^= 1
	return next
}

// swapped has another trail's link of the kind in the place of its own.
func swapped(of, from *log.Trail, prefix string) *log.Trail {
	c := without(of, prefix)
	for _, l := range from.Links {
		if strings.HasPrefix(string(l.Write.Record.Key), prefix) {
			c.Links = append(c.Links, l)
			break
		}
	}
	c.Sort()
	return c
}
