package submit_test

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"github.com/killick-ledger/killick/chaincode/canon"
	"github.com/killick-ledger/killick/chaincode/fault"
	"github.com/killick-ledger/killick/chaincode/ops"
	"github.com/killick-ledger/killick/chaincode/ops/opstest"
	"github.com/killick-ledger/killick/gateway/submit"
	"github.com/killick-ledger/killick/gateway/submit/submittest"
)

// private is a record of a private content, and the content.
func private(p *submittest.Person, text string, size int) (jws, ref string, content []byte) {
	content = opstest.Content(size, p.DID+"#a")
	commitment := canon.Sum([]byte(text))
	jws, ref = p.Operation(&ops.RecordSubmit{
		Schema: "note", Commitment: canon.Hex(commitment[:]), Size: uint64(size), Location: "urn:" + text, Private: opstest.Digest(content),
	}, "")
	return jws, ref, content
}

func (h *harness) give(jws string, content []byte) submit.Receipt {
	h.t.Helper()
	ticket := h.s.SubmitWith(jws, content)
	if err := ticket.Err(); err != nil {
		h.t.Fatal(err)
	}
	return h.wait(ticket)
}

// What comes with a content is taken with it alone; what was done is told without.
// (PV-2)
func TestContentAtTheDoor(t *testing.T) {
	h := start(t)
	jws, _, content := private(h.alice, "a", 100)
	plain, _ := h.alice.Record("plain")
	for name, tc := range map[string]struct {
		jws     string
		content []byte
		code    fault.Code
	}{
		"none":              {jws, nil, fault.ContentMissing},
		"another":           {jws, opstest.Content(100, h.alice.DID+"#b"), fault.ContentMissing},
		"empty":             {jws, []byte{}, fault.ContentMissing},
		"one for a plain":   {plain, content, fault.InvalidValue},
		"one that is large": {jws, make([]byte, 70000), fault.ContentMissing},
	} {
		ticket := h.s.Submit(tc.jws)[0]
		if tc.content != nil {
			ticket = h.s.SubmitWith(tc.jws, tc.content)
		}
		if err := ticket.Err(); fault.Of(err) != tc.code {
			t.Errorf("%s: %v, want %v", name, err, tc.code)
		}
	}
	if r := h.give(jws, content); r.State != submit.Done || r.Repeated {
		t.Fatalf("%+v", r)
	}
	if r := h.want(jws, submit.Done, fault.OK); !r.Repeated {
		t.Errorf("the same without its content: %+v", r)
	}
	if r := h.give(jws, content); !r.Repeated {
		t.Errorf("the same with its content: %+v", r)
	}
}

// Operations with contents travel in batches of their own, of at most a megabyte of
// contents. (PV-2)
func TestContentsTravelApart(t *testing.T) {
	h := start(t)
	var tickets []*submit.Ticket
	for i := range 60 {
		plain, _ := h.alice.Record(fmt.Sprint("plain ", i))
		jws, _, content := private(h.bob, fmt.Sprint(i), 40000)
		tickets = append(tickets, h.s.Submit(plain)[0], h.s.SubmitWith(jws, content))
	}
	var receipts []submit.Receipt
	for _, ticket := range tickets {
		if err := ticket.Err(); err != nil {
			t.Fatal(err)
		}
		r := h.wait(ticket)
		if r.State != submit.Done {
			t.Errorf("%+v", r)
		}
		receipts = append(receipts, r)
	}
	h.check(receipts)
	for _, b := range h.ledger.Chain() {
		for _, tx := range b.Transactions {
			if len(tx.Args) < 2 || string(tx.Args[0]) != "ops:Batch" {
				continue
			}
			items, err := ops.DecodeFrame(tx.Args[1])
			if err != nil {
				t.Fatal(err)
			}
			with := 0
			for _, item := range items {
				if bytes.Contains(item.Payload, []byte(`"private"`)) {
					with++
				}
			}
			if with != 0 && (with != len(items) || with > 20) {
				t.Errorf("a batch of %d operations has %d with a content of 54 kB", len(items), with)
			}
		}
	}
}

// A content stays in memory as long as its operation is not final, so whatever
// becomes of a transaction the operation is done once. (PV-2)
func TestContentsUnderFaults(t *testing.T) {
	t.Parallel()
	for _, f := range []submittest.Fault{
		submittest.Unendorsed, submittest.Refused, submittest.Conflict, submittest.UnknownStored, submittest.UnknownLost, submittest.SilentLost, submittest.Late,
		submittest.Twice, submittest.Dropped,
	} {
		t.Run(fmt.Sprint(f), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				h := start(t)
				h.ledger.Inject(f)
				jws, _, content := private(h.alice, "a", 100)
				r := h.give(jws, content)
				h.ledger.Release()
				h.check([]submit.Receipt{r})
				if r.State != submit.Done {
					t.Errorf("%+v", r)
				}
			})
		})
	}
}

// A gateway is killed while it hands over: its journal, as it is then, has nothing of
// the content. What was stored is told as done; what was not is refused, which stands
// for nothing, and done once the content comes again. (PV-2)
func TestKilledWithAContent(t *testing.T) {
	for _, stored := range []bool{false, true} {
		t.Run(fmt.Sprintf("stored=%v", stored), func(t *testing.T) {
			lost := time.Hour // the process that is killed never sends again
			h := start(t, func(c *submit.Config) { c.Lost = lost })
			dir := t.TempDir()
			if !stored {
				h.ledger.Inject(submittest.SilentLost)
			}
			killed := make(chan error, 1)
			h.ledger.SetHook(func(is bool) {
				if is == stored {
					select {
					case killed <- copyJournal(h.path, dir):
					default:
					}
				}
			})
			jws, ref, content := private(h.alice, "a", 5000)
			h.s.SubmitWith(jws, content)
			if err := <-killed; err != nil {
				t.Fatal(err)
			}
			h.ledger.SetHook(nil)
			if err := h.s.Close(); err != nil {
				t.Fatal(err)
			}
			for _, path := range []string{h.path, filepath.Join(dir, "journal.db")} {
				var data []byte
				for _, suffix := range []string{"", "-wal"} {
					part, err := os.ReadFile(path + suffix)
					if err != nil && !os.IsNotExist(err) {
						t.Fatal(err)
					}
					data = append(data, part...)
				}
				if bytes.Contains(data, content[400:440]) || bytes.Contains(data, content[len(content)-80:len(content)-40]) {
					t.Errorf("%s has the content", path)
				}
				if path != h.path && !bytes.Contains(data, []byte(opstest.Digest(content))) {
					t.Errorf("%s has not the operation: the search would find nothing", path)
				}
			}
			lost = 150 * time.Millisecond
			next := *h
			next.path = filepath.Join(dir, "journal.db")
			next.open()
			ticket := next.s.Submit(jws)[0]
			if err := ticket.Err(); err != nil {
				t.Fatal(err)
			}
			want, code := submit.Refused, fault.ContentMissing
			if stored {
				want, code = submit.Done, fault.OK
			}
			if r := next.wait(ticket); r.State != want || r.Code != code || r.Reference != ref {
				t.Fatalf("%+v, want %s %s", r, want, code)
			}
			r := next.give(jws, content)
			if r.State != submit.Done || r.Repeated != stored {
				t.Errorf("with the content: %+v", r)
			}
			next.check([]submit.Receipt{r})
			if found, err := next.s.Lookup(r.ID); err != nil || found.State != submit.Done {
				t.Errorf("looked up: %+v, %v", found, err)
			}
		})
	}
}

// A gateway ends after it has taken an operation and before it sends it: the next one
// refuses it, or does it when the content comes before it gets to that. (PV-2)
func TestRestartedWithoutContents(t *testing.T) {
	t.Parallel()
	for _, again := range []bool{false, true} {
		t.Run(fmt.Sprintf("content=%v", again), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				h := start(t)
				h.ledger.SetDown(true)
				jws, _, content := private(h.alice, "a", 100)
				follows, _ := h.alice.Record("after it in the lane")
				if err := h.s.SubmitWith(jws, content).Err(); err != nil {
					t.Fatal(err)
				}
				behind := h.s.Submit(follows)[0]
				if err := behind.Err(); err != nil {
					t.Fatal(err)
				}
				if err := h.s.Close(); err != nil {
					t.Fatal(err)
				}
				h.open()
				if again {
					if err := h.s.SubmitWith(jws, content).Err(); err != nil {
						t.Fatal(err)
					}
				}
				h.ledger.SetDown(false)
				h.want(follows, submit.Done, fault.OK)
				op, err := ops.ParseCompact(jws)
				if err != nil {
					t.Fatal(err)
				}
				r, err := h.s.Lookup(op.ID())
				switch {
				case err != nil:
					t.Fatal(err)
				case r.State == submit.Refused && r.Code == fault.ContentMissing && !again:
				case r.State == submit.Done && again:
				default:
					t.Errorf("%+v", r)
				}
				if r := h.give(jws, content); r.State != submit.Done {
					t.Errorf("with the content: %+v", r)
				}
				if s := h.s.Status(); s.Pending != 0 || s.Bytes != 0 {
					t.Errorf("%+v", s)
				}
			})
		})
	}
}
