package campaign_test

import (
	"fmt"
	"os"
	"testing"

	"github.com/killick-ledger/killick/anchor/send"
	"github.com/killick-ledger/killick/anchor/sqlite/sqlitetest"
)

// What a contract takes once is safe whatever becomes of the journal: it is deleted, an
// older copy comes back, or its end was never written.
func TestJournalDamaged(t *testing.T) {
	t.Parallel()
	damage := map[string]func(p *play) error{
		"deleted": func(p *play) error {
			for _, suffix := range []string{"", "-wal", "-shm"} {
				_ = os.Remove(p.path + suffix)
			}
			return nil
		},
		"rolled back": func(p *play) error { return copyJournal(p.path+".old", p.path) },
	}
	for _, part := range []float64{0.1, 0.4, 0.7, 0.99} {
		damage[fmt.Sprintf("truncated to %v", part)] = func(p *play) error { return truncated(p, part) }
	}
	for name, g := range map[string]ground{"evm": newEVM(t, 1), "tron": newTron(t, true)} {
		for what, do := range damage {
			for at, mined := range []bool{false, true} {
				t.Run(fmt.Sprintf("%s %s, in a block %v", name, what, mined), func(t *testing.T) {
					p := newPlay(t, g)
					in := checkpoint(g, 1)
					p.plan(in)
					p.close()
					if err := copyJournal(p.path, p.path+".old"); err != nil {
						t.Fatal(err)
					}
					p.open()
					p.step()
					// As the disk is while the process works: closing would write all of it.
					if err := copyJournal(p.path, p.path+".live"); err != nil {
						t.Fatal(err)
					}
					p.close()
					for range at {
						g.block(true)
					}
					if err := do(p); err != nil {
						t.Fatal(err)
					}
					g.ledger().lost = true
					p.open()
					p.plan(in)
					p.sound()
					if st := p.status(in); !st.Phase.Done() || g.head().Size != sizeOf(in) {
						t.Errorf("%s, AnchorLog has size %d, want %d", st.Phase, g.head().Size, sizeOf(in))
					}
					g.ledger().turn(g.landed())
				})
			}
		}
	}
}

// TestJournalFails has each commit of a payment's life fail, one as not done and the second
// one after it as done although it failed. Another process goes on each time, and the
// transaction that would have been signed is the only one.
func TestJournalFails(t *testing.T) {
	for name, g := range map[string]ground{"evm": newEVM(t, 1), "tron": newTron(t, true)} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			plays := 0
			pay := func(at int) (commits int) {
				p := newPlay(t, g)
				plays++
				in := payment(g, plays)
				p.commits = func() sqlitetest.Fault {
					switch commits++; commits {
					case at:
						return sqlitetest.NotDone
					case at + 2:
						return sqlitetest.Done
					}
					return sqlitetest.None
				}
				p.plan(in)
				for rounds := 0; !p.status(in).Phase.Done() && rounds < 20; rounds++ {
					p.round()
				}
				p.sound()
				if st := p.status(in); st.Phase != send.PhaseFinal || len(st.Tries) != 1 {
					t.Errorf("commits %d and %d of %d fail: %s, %s", at, at+2, commits, st.Phase, tries(st))
				}
				p.close()
				g.ledger().turn(g.landed())
				return commits
			}
			all := pay(-2)
			if all < 6 {
				t.Fatalf("%d commits: too few", all)
			}
			for at := -1; at <= all; at++ {
				pay(at)
			}
		})
	}
}

// truncated brings the files of the running process back, without the end of the log.
func truncated(p *play, part float64) error {
	if err := copyJournal(p.path+".live", p.path); err != nil {
		return err
	}
	info, err := os.Stat(p.path + "-wal")
	if err != nil {
		return err
	}
	_ = os.Remove(p.path + "-shm")
	return os.Truncate(p.path+"-wal", int64(part*float64(info.Size())))
}

func sizeOf(in send.Intent) (size uint64) {
	_, _ = fmt.Sscanf(in.ID, "anchor/%d/", &size)
	return size
}
