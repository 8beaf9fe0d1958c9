package index_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/killick-ledger/killick/chaincode/canon"
	"github.com/killick-ledger/killick/chaincode/fault"
	"github.com/killick-ledger/killick/chaincode/ledger"
	"github.com/killick-ledger/killick/chaincode/ops"
	"github.com/killick-ledger/killick/chaincode/record"
	"github.com/killick-ledger/killick/gateway/index"
	"github.com/killick-ledger/killick/gateway/submit"
	"github.com/killick-ledger/killick/gateway/submit/submittest"
)

// world is a ledger with three people who have money.
type world struct {
	*submittest.Ledger
	t      testing.TB
	people []*submittest.Person
	count  int
}

func begin(t testing.TB) *world {
	t.Helper()
	w := &world{Ledger: submittest.New(), t: t}
	if err := w.Found(); err != nil {
		t.Fatal(err)
	}
	var create []string
	for _, name := range []string{"alice", "bob", "carol"} {
		p := submittest.NewPerson(name)
		w.people, create = append(w.people, p), append(create, p.Create())
	}
	w.block(create...)
	for _, p := range w.people {
		if err := w.Fund(p.DID, p, 1_000_000); err != nil {
			t.Fatal(err)
		}
	}
	return w
}

// block puts operations into a block, and returns what they answer.
func (w *world) block(jws ...string) []byte {
	w.t.Helper()
	items := make([]ops.Item, len(jws))
	for i, text := range jws {
		var err error
		if items[i], err = ops.ParseCompact(text); err != nil {
			w.t.Fatal(err)
		}
	}
	frame, err := ops.EncodeFrame(items)
	if err != nil {
		w.t.Fatal(err)
	}
	tx, err := w.Prepare(frame, nil)
	if err == nil {
		err = tx.Endorse(w.t.Context())
	}
	if err == nil {
		err = tx.Submit(w.t.Context())
	}
	if err != nil {
		w.t.Fatal(err)
	}
	chain := w.Chain()
	return chain[len(chain)-1].Transactions[0].Response
}

// do puts one operation into a block that must be done, and returns its reference.
func (w *world) do(p *submittest.Person, body ops.Body, prior string) string {
	w.t.Helper()
	jws, ref := p.Operation(body, prior)
	if got := w.block(jws); got[0] != 0 {
		w.t.Fatalf("%T: %v", body, fault.Code(got[0]))
	}
	return ref
}

func (w *world) submit(schema string) *ops.RecordSubmit {
	w.count++
	c := canon.Sum(fmt.Append(nil, "content ", w.count))
	return &ops.RecordSubmit{Schema: schema, Commitment: canon.Hex(c[:]), Size: uint64(w.count)}
}

func (w *world) amend(ref, schema string) *ops.RecordAmend {
	s := w.submit(schema)
	return &ops.RecordAmend{Record: ref, Schema: schema, Commitment: s.Commitment, Size: s.Size}
}

func (w *world) prior(key string) string {
	for _, e := range w.State() {
		if e.Key == key {
			return ledger.Version(e.Value)
		}
	}
	w.t.Fatalf("no %s", key)
	return ""
}

func (w *world) allow(ref, client string, price int64, uses uint64) *ops.RecordAllow {
	a := &ops.RecordAllow{
		Record: ref, Client: client, Operation: "read", Scope: []string{"/"}, Asset: submittest.Asset, Price: record.Price(price),
		Expires: uint64(time.Now().Add(48 * time.Hour).Unix()),
	}
	if uses > 0 {
		a.Uses = &uses
	}
	return a
}

func (w *world) use(grant, ref string, owner *submittest.Person, price int64, purpose string) *ops.AttestUse {
	u := &ops.AttestUse{
		Grant: grant, Record: ref, Version: 1, Owner: owner.DID, Operation: "read", Path: "/a", Asset: submittest.Asset, For: purpose,
	}
	if err := u.Price.UnmarshalText(fmt.Append(nil, price)); err != nil {
		w.t.Fatal(err)
	}
	return u
}

// open opens an index over the ledger and waits until it has all blocks.
func (w *world) open(file string, blocks index.Blocks) *index.Index {
	w.t.Helper()
	x, err := index.Open(index.Config{File: file, Network: submittest.Network, Ledger: blocks, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { _ = x.Close() })
	w.reach(x)
	return x
}

func (w *world) index() *index.Index {
	w.t.Helper()
	return w.open(filepath.Join(w.t.(interface{ TempDir() string }).TempDir(), "index"), w.Ledger)
}

func (w *world) reach(x *index.Index) {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(w.t.Context(), time.Minute)
	defer cancel()
	if err := x.Reach(ctx, uint64(len(w.Chain()))); err != nil {
		w.t.Fatal(err)
	}
}

// walk reads all pages of a size.
func walk[T any](t testing.TB, size int, ask func(index.Paging) (*index.Page[T], error), between ...func()) (all []T) {
	t.Helper()
	p := index.Paging{Size: size}
	for {
		page, err := ask(p)
		if err != nil {
			t.Fatal(err)
		}
		if len(page.Items) > size {
			t.Fatalf("a page of %d, %d were asked for", len(page.Items), size)
		}
		all = append(all, page.Items...)
		if page.Next == "" {
			return all
		}
		p.Token = page.Next
		for _, f := range between {
			f()
		}
	}
}

func records(t testing.TB, x *index.Index, size int, q index.Records, between ...func()) (refs []string) {
	t.Helper()
	for _, r := range walk(t, size, func(p index.Paging) (*index.Page[index.Record], error) {
		q.Paging = p
		return x.Records(t.Context(), q)
	}, between...) {
		refs = append(refs, r.Reference)
	}
	return refs
}

func offers(t testing.TB, x *index.Index, q index.Offers) (out []index.Offer) {
	t.Helper()
	return walk(t, 2, func(p index.Paging) (*index.Page[index.Offer], error) {
		q.Paging = p
		return x.Offers(t.Context(), q)
	})
}

// model is what a reader of all blocks knows of records, in maps and lists.
type model struct {
	order []string // of first versions
	now   map[string]*record.Value
}

func (w *world) model() *model {
	m := &model{now: map[string]*record.Value{}}
	for _, b := range w.Chain() {
		for _, tx := range b.Transactions {
			for _, c := range tx.Writes {
				ref, ok := strings.CutPrefix(c.Key, "record/")
				if !ok {
					continue
				}
				name, err := ledger.ParseReference(ref)
				if err != nil {
					w.t.Fatal(err)
				}
				if m.now[ref] == nil {
					m.order = append(m.order, ref)
				}
				if m.now[ref], err = record.Decode(name, c.Value); err != nil {
					w.t.Fatal(err)
				}
			}
		}
	}
	return m
}

func (m *model) choose(q index.Records) (refs []string) {
	for _, ref := range m.order {
		v := m.now[ref]
		if (q.Owner == "" || strings.HasSuffix(q.Owner, ":"+v.Owner.String())) && (q.Schema == "" || v.Schema == q.Schema) &&
			(q.Status == "" || record.StatusName(v.Status) == q.Status) {
			refs = append(refs, ref)
		}
	}
	return refs
}

// life lets people submit, amend and delete records, several in a block.
func (w *world) life(random *rand.Rand, blocks int) {
	type owned struct {
		by  *submittest.Person
		ref string
	}
	var live []owned
	for range blocks {
		var jws []string
		touched := map[string]bool{}
		for range 1 + random.IntN(6) {
			by := w.people[random.IntN(3)]
			schema := []string{"note", "lab", "scan"}[random.IntN(3)]
			if len(live) == 0 || random.IntN(3) > 0 {
				op, ref := by.Operation(w.submit(schema), "")
				jws, live, touched[ref] = append(jws, op), append(live, owned{by, ref}), true
				continue
			}
			i := random.IntN(len(live))
			o := live[i]
			if touched[o.ref] {
				continue
			}
			touched[o.ref] = true
			body := ops.Body(w.amend(o.ref, schema))
			if random.IntN(2) == 0 {
				body = &ops.RecordDelete{Record: o.ref}
				live = slices.Delete(live, i, i+1)
			}
			op, _ := o.by.Operation(body, w.prior("record/"+o.ref))
			jws = append(jws, op)
		}
		for i, code := range w.block(jws...) {
			if code != 0 {
				w.t.Fatalf("operation %d: %v", i, fault.Code(code))
			}
		}
	}
}

// broken breaks off after each few blocks.
type broken struct {
	*submittest.Ledger
	reads int
}

func (b *broken) Blocks(ctx context.Context, from uint64) iter.Seq2[submit.Block, error] {
	return func(yield func(submit.Block, error) bool) {
		n := 0
		for block, err := range b.Ledger.Blocks(ctx, from) {
			if n++; n > 5 {
				yield(submit.Block{}, errors.New("the peer went away"))
				return
			}
			b.reads++
			if !yield(block, err) {
				return
			}
		}
	}
}

// gated shows blocks from a number on only once it is released.
type gated struct {
	*submittest.Ledger
	open  uint64
	grown chan struct{}
}

func (g *gated) release() { close(g.grown) }

func (g *gated) Blocks(ctx context.Context, from uint64) iter.Seq2[submit.Block, error] {
	return func(yield func(submit.Block, error) bool) {
		for block, err := range g.Ledger.Blocks(ctx, from) {
			if err == nil && block.Number >= g.open {
				select {
				case <-g.grown:
				case <-ctx.Done():
					yield(submit.Block{}, ctx.Err())
					return
				}
			}
			if !yield(block, err) {
				return
			}
		}
	}
}

type fixed []submit.Block

func (f fixed) Blocks(ctx context.Context, from uint64) iter.Seq2[submit.Block, error] {
	return func(yield func(submit.Block, error) bool) {
		for _, b := range f[min(from, uint64(len(f))):] {
			if !yield(b, nil) {
				return
			}
		}
		<-ctx.Done()
		yield(submit.Block{}, ctx.Err())
	}
}
