package main

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/killick-ledger/killick/anchor/log"
	"github.com/killick-ledger/killick/anchor/send"
	"github.com/killick-ledger/killick/chaincode/canon"
	"github.com/killick-ledger/killick/chaincode/did"
	"github.com/killick-ledger/killick/chaincode/ops"
	"github.com/killick-ledger/killick/chaincode/ops/opstest"
	"github.com/killick-ledger/killick/chaincode/reward"
)

// A transaction that gets nowhere uses up no size: when the orderers are back there is a
// checkpoint, also of a ledger on which nothing else has happened, and of an anchor whose
// signature was written down and whose process ended then.
func TestLostSignaturesAreMadeAgain(t *testing.T) {
	t.Parallel()
	for name, restart := range map[string]bool{"orderers were away": false, "all were killed": true} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.failing = "checkpoint:Cosign"
			w.tickFor(20 * time.Second)
			blocks := len(w.blocks)
			w.tickFor(10 * time.Second)
			for _, m := range w.members {
				if size, _, _, err := m.signed.last(); size != uint64(blocks) || err != nil || len(w.blocks) != blocks {
					t.Fatalf("%s signed size %d last, with %d blocks, %v", m.keys.msp, size, len(w.blocks), err)
				}
				if restart {
					m.stop()
					m.start()
				}
			}
			w.failing = ""
			w.until("anchored", 2*time.Minute, func() bool { return w.anchored(1) })
			w.noForks("Org1MSP")
		})
	}
}

// The own peer's answer to each transaction of an anchor is lost for a while, done and not
// done (those of handing over: TestHandOverAnswersAreLost).
func TestAnswersOfTheLedgerAreLost(t *testing.T) {
	t.Parallel()
	for _, function := range []string{"checkpoint:Cosign", "checkpoint:Accept", "checkpoint:Receipt"} {
		for _, done := range []bool{false, true} {
			if function == "checkpoint:Cosign" && !done {
				continue // TestLostSignaturesAreMadeAgain
			}
			t.Run(fmt.Sprintf("%s, done %v", function, done), func(t *testing.T) {
				w := newWorld(t)
				asked := 0
				w.border = func(_, at string) {
					if at == "before "+function {
						asked++
					}
				}
				w.failing, w.done = function, done
				w.tickFor(30 * time.Second)
				if (asked > 0) != done {
					t.Fatalf("asked %d times", asked)
				}
				w.failing = ""
				w.until("anchored", 2*time.Minute, func() bool { return w.anchored(1) && asked > 0 })
				w.tickFor(20 * time.Second)
				w.quiet()
				w.noForks("Org1MSP")
			})
		}
	}
}

// What cannot be written down is not signed, and that is an alarm as long as it is so;
// when the disk is well again there are checkpoints at once.
func TestStoresFail(t *testing.T) {
	t.Parallel()
	// replaceFile and Log.Append write a file of this name first.
	stores := map[string]struct{ file, want string }{
		"what was signed": {"signed.json.new", "write down what is signed"},
		"the log":         {"log/head.new", "append to log"},
	}
	for name, s := range stores {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.checkpoints(1)
			w.tickFor(5 * time.Second)
			for _, m := range w.members {
				if err := os.MkdirAll(m.path(s.file), 0o755); err != nil {
					t.Fatal(err)
				}
			}
			head := w.head().Number
			w.cutRecord()
			blocks := len(w.blocks)
			w.tickFor(30 * time.Second)
			if w.head().Number != head || len(w.blocks) != blocks {
				t.Errorf("head %d after %d, %d blocks after %d: something was signed", w.head().Number, head, len(w.blocks), blocks)
			}
			for _, m := range w.members {
				if a := strings.Join(m.alarms.list(), "\n"); !strings.Contains(a, s.want) {
					t.Errorf("%s: alarms %q", m.keys.msp, a)
				}
				if err := os.Remove(m.path(s.file)); err != nil {
					t.Fatal(err)
				}
			}
			w.checkpoints(2)
			w.tickFor(5 * time.Second)
			w.quiet()
			w.noForks("Org1MSP")
		})
	}
}

// What was written down although the disk said no has not left: neither the process that
// does not know of it nor the one that finds it is stopped by it, and neither signs
// anything beside it.
func TestSignedAlthoughItFailed(t *testing.T) {
	path := t.TempDir() + "/signed.json"
	at := func(size, time uint64, root byte) log.Checkpoint {
		return log.Checkpoint{Size: size, Time: time, Root: [32]byte{root}}
	}
	write := func(s *signed, c log.Checkpoint, ok bool) {
		t.Helper()
		if err := s.checkpoint(c, 1000); (err == nil) != ok {
			t.Errorf("size %d at %d: %v", c.Size, c.Time, err)
		}
	}
	read := func() *signed {
		s, err := openSigned(path)
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	s := read()
	write(s, at(5, 100, 1), true)
	// The file is replaced and the folder's sync fails: as if somebody else had written.
	write(read(), at(7, 110, 1), true)
	next := read()
	write(next, at(7, 110, 1), true)
	write(next, at(7, 111, 2), false)
	write(next, at(7, 111, 1), true)
	write(next, at(6, 120, 1), false)
	write(next, at(8, 120, 1), true)
	write(s, at(5, 120, 2), false)
	write(s, at(6, 120, 1), true)
	write(read(), at(6, 121, 2), false)
	write(read(), at(7, 121, 1), true)
}

// The same of what belongs to payouts: each is paid, once.
func TestAnswersAboutPayoutsAreLost(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	partner, alice := opstest.NewUser("partner"), opstest.NewUser("alice")
	chain := w.chains[0]
	w.do(partner, &ops.DIDCreate{Document: partner.Doc})
	w.do(alice, &ops.DIDCreate{Document: alice.Doc, Links: []did.Link{alice.Link(chain.id)}, Payout: alice.Account(chain.id).String()})
	id := canon.Sum([]byte("fund"))
	if err := w.execute("Org1MSP", "reward:Fund", reward.Fund{ID: canon.Hex(id[:]), Asset: "usd", To: partner.DID, Amount: 5000}); err != nil {
		t.Fatal(err)
	}
	paid := int64(0)
	for _, function := range []string{"reward:Cut", "reward:Sign", "reward:Reserve"} {
		from := chain.block(send.Final).epoch
		w.do(partner, opstest.Pay("usd", alice, 100))
		paid += 100
		w.failing = function
		for _, w.done = range []bool{false, true} {
			w.tickFor(10 * time.Second)
		}
		w.failing = ""
		w.until("the next epoch active after "+function, 2*time.Minute, func() bool { return chain.block(send.Final).epoch > from })
	}
	w.tickFor(20 * time.Second)
	w.quiet()
	w.members[1].claims(alice.Account(chain.id), paid)
}
