package submit_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/killick-ledger/killick/chaincode/fault"
	"github.com/killick-ledger/killick/chaincode/ops"
	"github.com/killick-ledger/killick/gateway/submit"
	"github.com/killick-ledger/killick/gateway/submit/submittest"
)

func short(h *harness, seconds uint64, name string) string {
	request := h.alice.Request(&ops.RecordSubmit{Schema: "note", Commitment: fmt.Sprintf("%064x", len(name))}, "")
	request.Expires = uint64(time.Now().Unix()) + seconds
	item, _, err := ops.SignRequest(request, h.alice)
	if err != nil {
		h.t.Fatal(err)
	}
	return item.Compact()
}
func expire(h *harness, jws string) {
	for fault.Of(ops.Precheck(jws, submittest.Network, uint64(time.Now().Unix()))) != fault.Expired {
		<-time.After(50 * time.Millisecond)
	}
}

func TestHostileExpiredElsewhere(t *testing.T) {
	h := start(t)
	jws := short(h, 2, "x")
	h.ledger.SetDown(true)
	ticket := h.submit(jws)[0]
	if _, err := h.ledger.Invoke("ops:Apply", []byte(jws)); err != nil {
		t.Fatal(err)
	}
	expire(h, jws)
	h.ledger.SetDown(false)
	r := h.wait(ticket)
	l, err := h.s.Lookup(r.ID)
	t.Logf("receipt %+v\nlookup %+v %v", r, l, err)
	if r.State != submit.Done {
		t.Error("told refused, is done")
	}
}

func TestHostileExpiredFresh(t *testing.T) {
	h := start(t)
	jws := short(h, 2, "xy")
	if _, err := h.ledger.Invoke("ops:Apply", []byte(jws)); err != nil {
		t.Fatal(err)
	}
	expire(h, jws)
	ticket := h.s.Submit(jws)[0]
	t.Log(ticket.Err())
	if ticket.Err() != nil {
		t.Error("told expired, is done")
	}
}

func TestHostileVoidForEver(t *testing.T) {
	h := start(t)
	before := h.s.Status().Batches
	for range 200000 {
		h.ledger.Inject(submittest.Conflict)
	}
	text, _ := h.alice.Record("void")
	h.submit(text)
	<-time.After(2 * time.Second)
	t.Logf("%+v; %d batches in 2 s for one operation", h.s.Status(), h.s.Status().Batches-before)
}

func TestHostileOneActorFillsQueue(t *testing.T) {
	h := start(t, func(c *submit.Config) { c.Queue = 100 })
	h.ledger.SetDown(true)
	var jws []string
	for i := range 100 {
		text, _ := h.alice.Record(fmt.Sprint("much", i))
		jws = append(jws, text)
	}
	h.s.Submit(jws...)
	text, _ := h.bob.Record("one")
	if err := h.s.Submit(text)[0].Err(); err != nil {
		t.Error(err)
	}
}
