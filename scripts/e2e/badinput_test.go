//go:build e2e

package e2e_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/killick-ledger/killick/chaincode/canon"
	"github.com/killick-ledger/killick/chaincode/did"
	"github.com/killick-ledger/killick/chaincode/fault"
	"github.com/killick-ledger/killick/chaincode/ops"
	"github.com/killick-ledger/killick/network/fabric"
)

const zeros = "0000000000000000000000000000000000000000000000000000000000000000"

// badItem is an operation that must be refused.
type badItem struct {
	name string
	item ops.Item
	code fault.Code
	by   reach
}

// reach is how far a bad operation comes.
type reach int

const (
	door   reach = iota // it is refused for what it says, and never sent
	ledger              // it is refused by what the ledger knows of key and signature; no trace of it stays in state
	forged              // the same, or the gateway refuses it: it verifies signatures when one was bad lately
	kept                // it is truly its actor's: the refusal is kept as its result
)

// cast is who bad operations are signed by, and what they are about.
type cast struct {
	alice, bob, weak, stranger, gone *person
	record, prior                    string // alice's record, and the hash of its present version
	stale                            string // hash of the version before
}

func (n *network) cast(t *testing.T) cast {
	t.Helper()
	c := cast{alice: n.newPerson(t), bob: n.newPerson(t), stranger: n.newPerson(t), gone: n.newPerson(t)}
	// A second key that may act for the DID leaves the first one without the purpose.
	c.weak = n.newPerson(t, func(d *did.Document) {
		second := d.VerificationMethod[0]
		second.ID = "#key-2"
		d.VerificationMethod = append(d.VerificationMethod, second)
		d.CapabilityInvocation = []string{"#key-2"}
	})
	first := c.weak.kid
	c.weak.kid = c.weak.did + "#key-2"
	n.create(t, c.alice, c.bob, c.weak, c.gone)
	c.weak.kid = first
	if _, err := n.Client.Submit(t.Context(), c.gone.end(t).Compact()); err != nil {
		t.Fatal(err)
	}
	n.fund(t, c.alice, 1_000_000)
	item, ref := c.alice.refer(t, note("a record that bad operations are about"), "")
	c.record = ref.String()
	if _, err := n.Client.Submit(t.Context(), item.Compact()); err != nil {
		t.Fatal(err)
	}
	version := func() string {
		record, err := n.Client.Record(t.Context(), c.record)
		if err != nil {
			t.Fatal(err)
		}
		return record.GetHash()
	}
	c.stale = version()
	if _, err := n.Client.Submit(t.Context(), c.alice.sign(t, c.amend("amended"), c.stale).Compact()); err != nil {
		t.Fatal(err)
	}
	c.prior = version()
	return c
}

func (c cast) amend(words string) *ops.RecordAmend {
	r := note(words)
	return &ops.RecordAmend{Record: c.record, Schema: r.Schema, Commitment: r.Commitment, Size: r.Size, Location: r.Location}
}

// badItems signs the list anew; tag sets one list's operations apart from
// another's.
func (n *network) badItems(t *testing.T, c cast, tag string) []badItem {
	t.Helper()
	now := time.Now().Unix()
	payload := func(op string, iat, exp int64, rest string) string {
		return fmt.Sprintf(`{"op":%q,"net":%q,"iat":%d,"exp":%d,%s}`, op, n.name, iat, exp, rest)
	}
	body := fmt.Sprintf(`{"schema":"note","commitment":%q,"size":1,"location":"urn:e2e:%s"}`, zeros, tag)
	full := payload("record.submit", now, now+600, `"body":`+body)
	head := header(c.alice.kid)
	alice := func(payload string) ops.Item { return c.alice.raw(t, head, payload) }
	swap := func(text, old, new string) string {
		t.Helper()
		if !strings.Contains(text, old) {
			t.Fatalf("%s has no %s", text, old)
		}
		return strings.Replace(text, old, new, 1)
	}
	at := func(iat, exp int64) ops.Item { return alice(payload("record.submit", iat, exp, `"body":`+body)) }
	other := n.name[:len(n.name)-16] + "ffffffffffffffff"
	changed := alice(swap(full, `"size":1`, `"size":4`))
	changed.Signature = slices.Clone(changed.Signature)
	changed.Signature[7] ^= 1
	amend := swap(body, `{`, fmt.Sprintf(`{"record":%q,`, c.record))
	pay := func(amount string) string {
		return fmt.Sprintf(`"body":{"asset":"usd","lines":[{"to":%q,"amount":%s}],"for":%q}`, c.bob.did, amount, tag)
	}
	return []badItem{
		{"unknown operation", alice(swap(full, "record.submit", "record.destroy")), fault.UnknownOperation, door},
		{"operation in other case", alice(swap(full, "record.submit", "Record.Submit")), fault.UnknownOperation, door},
		{"operation of later work", alice(swap(full, "record.submit", "attest.appeal")), fault.UnknownOperation, door},
		{"unknown field of the payload", alice(swap(full, `"body"`, `"extra":1,"body"`)), fault.UnknownField, door},
		{"unknown field of the body", alice(swap(full, `"size":1`, `"size":1,"extra":1`)), fault.UnknownField, door},
		{"unknown field of the header", c.alice.raw(t, swap(head, `"typ"`, `"jku":"x","typ"`), full), fault.UnknownField, door},
		{"field in other case", alice(swap(full, `"schema"`, `"Schema"`)), fault.UnknownField, door},
		{"wrong type", alice(swap(full, `"size":1`, `"size":"1"`)), fault.WrongType, door},
		{"amount as a number", alice(payload("reward.pay", now, now+600, pay("5"))), fault.WrongType, door},
		{"trailing data", alice(full + "{}"), fault.TrailingData, door},
		{"duplicate key", alice(swap(full, `"size":1`, `"size":1,"size":1`)), fault.DuplicateKey, door},
		{"duplicate key of the header", c.alice.raw(t, swap(head, `"typ"`, `"alg":"EdDSA","typ"`), full), fault.DuplicateKey, door},
		{"number beyond 2^53", alice(swap(full, `"size":1`, `"size":9007199254740993`)), fault.NumberRange, door},
		{"number with a fraction", alice(swap(full, `"size":1`, `"size":1.0`)), fault.NumberRange, door},
		{"amount beyond 2^63", alice(payload("reward.pay", now, now+600, pay(`"9223372036854775808"`))), fault.InvalidValue, door},
		{"wrong network", alice(swap(full, n.name, other)), fault.WrongNetwork, door},
		{"key of another network", c.alice.raw(t, swap(head, n.name, other), full), fault.WrongNetwork, door},
		{"expired", at(now-7200, now-3600), fault.Expired, door},
		{"iat in the far future", at(now+3600, now+7200), fault.NotYetValid, door},
		{"exp in the far future", at(now, now+86401), fault.LifetimeTooLong, door},
		{"alg that is not the key's", c.alice.raw(t, swap(head, "EdDSA", "ES256K"), full), fault.AlgMismatch, ledger},
		{"alg none", c.alice.raw(t, swap(head, "EdDSA", "none"), full), fault.AlgMismatch, door},
		{"another DID's kid", c.alice.raw(t, header(c.bob.kid), full), fault.BadSignature, forged},
		{"kid that the document does not list", c.alice.raw(t, header(c.alice.did+"#key-9"), full), fault.KeyUnknown, ledger},
		{"kid without a fragment", c.alice.raw(t, header(c.alice.did), full), fault.KidMismatch, door},
		{"document of another DID", c.bob.raw(t, header(c.bob.kid),
			payload("did.create", now, now+600, `"body":{"document":`+string(c.stranger.document)+`}`)), fault.KidMismatch, door},
		{"key without the purpose", c.weak.raw(t, header(c.weak.kid), full), fault.KeyPurpose, ledger},
		{"DID that does not exist", c.stranger.raw(t, header(c.stranger.kid), full), fault.DIDUnknown, ledger},
		{"DID that is deactivated", c.gone.raw(t, header(c.gone.kid), full), fault.DIDDeactivated, ledger},
		{"changed signature", changed, fault.BadSignature, forged},
		{"no prior", alice(payload("record.amend", now, now+600, `"body":`+amend)), fault.MissingPrior, door},
		{"stale prior", alice(payload("record.amend", now, now+600, fmt.Sprintf(`"prior":%q,"body":%s`, c.stale, amend))), fault.StalePrior, kept},
		{"prior where none belongs", alice(payload("record.submit", now, now+600, fmt.Sprintf(`"prior":%q,"body":%s`, c.prior, body))), fault.UnexpectedPrior, door},
		{"record of another", c.bob.raw(t, header(c.bob.kid),
			payload("record.delete", now, now+600, fmt.Sprintf(`"prior":%q,"body":{"record":%q}`, c.prior, c.record))), fault.NotOwner, kept},
		{"more money than there is", alice(payload("reward.pay", now, now+600, pay(`"1000001"`))), fault.InsufficientFunds, kept},
		{"DID that exists", alice(payload("did.create", now, now+600, `"body":{"document":`+string(c.alice.document)+`}`)), fault.DIDExists, kept},
		{"no accreditation", alice(payload("credential.schema", now, now+600, fmt.Sprintf(`"body":{"name":"a","digest":%q}`, zeros))), fault.NotAccredited, kept},
		{"function of organisations", alice(swap(full, "record.submit", "reward.fund")), fault.Batched, door},
		{"more than 64 KiB", alice(swap(full, "urn:e2e:", "urn:"+strings.Repeat("x", 70000))), fault.TooLarge, door},
	}
}

// state renders everything that the operations of the list could touch.
func (n *network) state(t *testing.T, c cast) string {
	t.Helper()
	var out strings.Builder
	for _, p := range []*person{c.alice, c.bob, c.weak} {
		balance, received := n.money(t, p)
		resolution, err := n.Client.Resolve(t.Context(), p.did)
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(&out, "%s has %d, received %d, version %s\n", p.did, balance, received, resolution.GetVersion().GetHash())
	}
	if _, err := n.Client.Resolve(t.Context(), c.stranger.did); !errors.Is(err, &fault.Error{Code: fault.DIDUnknown}) {
		t.Errorf("the stranger's DID: %v", err)
	}
	record, err := n.Client.Record(t.Context(), c.record)
	if err != nil {
		t.Fatal(err)
	}
	fmt.Fprintf(&out, "record %s version %d %s\n", record.GetStatus(), record.GetVersion(), record.GetHash())
	return out.String()
}

// badInput submits each bad operation through all three doors, then a second
// list in one transaction directly to the members, between good operations.
func (n *network) badInput(t *testing.T) {
	c := n.cast(t)
	before, height := n.state(t, c), n.height(t)
	results := map[string]fault.Code{}
	for _, bad := range n.badItems(t, c, "doors") {
		t.Run(bad.name, func(t *testing.T) {
			for name, got := range n.doors(t, bad.item.Compact()) {
				if got.code != bad.code.String() || got.advice != bad.code.Advice() || got.text == "" ||
					bad.by != forged && got.receipt != (bad.by != door) {
					t.Errorf("%s: %+v, want %s", name, got, bad.code)
				}
			}
		})
		if bad.by == kept {
			results[idOf(bad.item)] = bad.code
		}
	}
	checkKept(t, n.history(t, height), results)
	if diff := cmp.Diff(before, n.state(t, c)); diff != "" {
		t.Errorf("bad input changed the ledger:\n%s", diff)
	}
	t.Run("in one batch at the members", func(t *testing.T) { n.badBatch(t, c) })
	if diff := cmp.Diff(before, n.state(t, c)); diff != "" {
		t.Errorf("bad input changed the ledger:\n%s", diff)
	}
}

// checkKept wants the blocks to hold these refusals, each once, and nothing else.
func checkKept(t *testing.T, h history, want map[string]fault.Code) {
	t.Helper()
	got := map[string]fault.Code{}
	for id, results := range h.results {
		if len(results) != 1 {
			t.Errorf("operation %s has %d results: %v", id, len(results), results)
		}
		got[id] = results[0].code
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("results in blocks:\n%s", diff)
	}
	if len(h.other) > 0 {
		t.Errorf("refused operations wrote %q", h.other)
	}
}

// badBatch hands the list to the members in one transaction, each bad operation
// between good ones, and hands over the same transaction's content again.
func (n *network) badBatch(t *testing.T, c cast) {
	var items []ops.Item
	var want []byte
	results := map[string]fault.Code{}
	bad := n.badItems(t, c, "batch")
	for i, b := range bad {
		good := c.bob.sign(t, note(fmt.Sprint("between ", i)), "")
		items, want = append(items, b.item, good), append(want, byte(b.code), 0)
		results[idOf(good)] = fault.OK
		if b.by == kept {
			results[idOf(b.item)] = b.code
		}
	}
	frame, err := ops.EncodeFrame(items)
	if err != nil {
		t.Fatal(err)
	}
	height := n.height(t)
	receipt, err := n.members[1].Execute(t.Context(), "ops:Batch", frame)
	if err != nil {
		t.Fatal(err)
	}
	compare := func(got []byte) {
		t.Helper()
		for i := range want {
			if got[i] != want[i] {
				t.Errorf("item %d (%s): %#x, want %#x", i, bad[i/2].name, got[i], want[i])
			}
		}
	}
	compare(receipt.Payload)
	for i := range want {
		if i%2 == 1 || bad[i/2].by == kept {
			want[i] |= ops.Replayed
		}
	}
	again, err := n.members[2].Execute(t.Context(), "ops:Batch", frame)
	if err != nil {
		t.Fatal(err)
	}
	compare(again.Payload)
	h := n.history(t, height)
	h.other = slices.DeleteFunc(h.other, func(key string) bool { return strings.HasPrefix(key, "record/") })
	checkKept(t, h, results)
}

func idOf(i ops.Item) string {
	jws := i.Compact()
	id := canon.Sum([]byte(jws[:strings.LastIndexByte(jws, '.')]))
	return canon.Hex(id[:])
}

// endless is a body of 20 MB that is not in memory.
type endless struct{ left int }

func (e *endless) Read(p []byte) (int, error) {
	if e.left == 0 {
		return 0, io.EOF
	}
	n := min(len(p), e.left)
	for i := range p[:n] {
		p[i] = 'x'
	}
	e.left -= n
	return n, nil
}

// largeBody sends 20 MB through every door.
func (n *network) largeBody(t *testing.T) {
	const size = 20 << 20
	height := n.height(t)
	for _, path := range []string{"/v1/operations", "/v1/operations:batch"} {
		for _, length := range []int64{size, -1} {
			request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, n.Cluster.GatewayURL()+path, &endless{size})
			if err != nil {
				t.Fatal(err)
			}
			request.ContentLength = length
			response, err := http.DefaultClient.Do(request)
			if err != nil {
				t.Fatal(err)
			}
			body, err := io.ReadAll(response.Body)
			if response.Body.Close(); err != nil || response.StatusCode != http.StatusRequestEntityTooLarge || !bytes.Contains(body, []byte(`"code":"too_large"`)) {
				t.Errorf("%s, length %d: %d %s, %v", path, length, response.StatusCode, body, err)
			}
		}
	}
	big := strings.Repeat("x", size)
	for door, got := range map[string]answer{"gRPC": n.byGRPC(t, big), "command line": n.byCommand(t, big)} {
		if got.code != "too_large" || got.text == "" || got.advice == "" {
			t.Errorf("%s: %+v", door, got)
		}
	}
	// Above what the gateway reads at all, gRPC itself ends the call.
	if got := n.byGRPC(t, strings.Repeat("x", 40<<20)); got.code != "gRPC's own ResourceExhausted" {
		t.Errorf("40 MB over gRPC: %+v", got)
	}
	// A member that sends it past the gateway gets no endorsement of anything.
	for function, want := range map[string]fault.Code{"ops:Batch": fault.TooLarge, "ops:Apply": fault.TooLarge, "record:Read": fault.InvalidValue} {
		tx, err := n.members[0].Prepare(function, []byte(big))
		if err != nil {
			t.Fatal(err)
		}
		err = tx.Endorse(t.Context())
		var refused *fabric.Refused
		switch {
		case errors.As(err, &refused):
			if e, ok := fault.Parse(refused.Message); !ok || e.Code != want {
				t.Errorf("%s: %s, want %s", function, refused.Message, want)
			}
		case err != nil || !bytes.Equal(tx.Payload(), []byte{byte(want)}):
			t.Errorf("%s: answer %#x, %v, want %s", function, tx.Payload(), err, want)
		}
	}
	checkKept(t, n.history(t, height), map[string]fault.Code{})
}
