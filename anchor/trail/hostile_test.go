package trail_test

import (
	"math/rand/v2"
	"testing"

	"github.com/killick-ledger/killick/anchor/log"
	"github.com/killick-ledger/killick/anchor/trail"
)

// Values that are no values of the ledger's end in a line of the report, not in a panic:
// links are compared whether or not their proofs hold.
func TestHostileValues(t *testing.T) {
	s, _, job := paid(t)
	made := s.sealed(s.Owners[0], job, uint64(s.Earned(s.Owners[0]))+9)
	r := rand.New(rand.NewPCG(1, 2))
	for i, l := range made.Links { // none is empty in state
		c := *made
		c.Links = append([]*log.Bundle{}, made.Links...)
		empty, w := *l, *l.Write
		w.Value, empty.Write = nil, &w
		c.Links[i] = &empty
		trail.Check(&c, s.policy)
	}
	nothing := altered(made, "draw/", func(l *log.Bundle) { l.Write.Value = []byte("{}") })
	if got := log.Worst(trail.Check(nothing, s.policy)); got != log.Failed {
		t.Errorf("with a draw that says nothing it is %v", got)
	}
	for range 1000 {
		c := *made
		c.Links = append([]*log.Bundle{}, made.Links...)
		i := r.IntN(len(c.Links))
		l := *c.Links[i]
		w := *l.Write
		w.Value = append([]byte(nil), w.Value...)
		for range 1 + r.IntN(3) {
			switch at := r.IntN(len(w.Value) + 1); {
			case at == len(w.Value):
				w.Value = append(w.Value, byte(r.Uint32()))
			case r.IntN(4) == 0:
				w.Value = w.Value[:at]
			default:
				w.Value[at] = [...]byte{0, 1, 0x7f, 0xff, byte(r.Uint32())}[r.IntN(5)]
			}
		}
		l.Write = &w
		c.Links[i] = &l
		trail.Check(&c, s.policy)
	}
}
