package tee_test

import (
	"bytes"
	"errors"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/killick-ledger/killick/chaincode/tee"
	"github.com/killick-ledger/killick/chaincode/tee/simulated"
)

// known says that an error is a refusal with both names.
func known(t *testing.T, err error) {
	t.Helper()
	var r *tee.Refusal
	if !errors.As(err, &r) || r.In == "" || r.Why == "" {
		t.Fatalf("%v is no refusal", err)
	}
}

// What is read is what Trim leaves; its length is the sum of its parts.
func FuzzRead(f *testing.F) {
	for _, m := range makers {
		f.Add(simulated.New(m.spec()).Quote(data))
	}
	f.Fuzz(func(t *testing.T, quote []byte) {
		before := bytes.Clone(quote)
		q, err := tee.Read(quote)
		if !bytes.Equal(before, quote) {
			t.Fatal("reading changed the quote")
		}
		if err != nil {
			known(t, err)
			if q != nil {
				t.Fatal("refused with a result")
			}
			return
		}
		if !bytes.Equal(tee.Trim(append(quote, 0, 0)), quote) || (q.SGX == nil) == (q.TDX == nil) {
			t.Fatalf("read %+v", q)
		}
		if _, err := q.Platform(); err != nil {
			known(t, err)
		}
	})
}

// A quote is accepted only when it says what the platform's own quote says: nothing
// else is signed by what leads to its root.
func FuzzAppraise(f *testing.F) {
	type platform struct {
		o    *tee.Opened
		said *tee.Result
	}
	var all []platform
	for _, m := range makers {
		quote, o := opened(f, m.spec())
		said, err := o.Appraise(quote)
		if err != nil {
			f.Fatal(err)
		}
		all = append(all, platform{o, said})
		f.Add(quote)
	}
	f.Fuzz(func(t *testing.T, quote []byte) {
		for _, p := range all {
			r, err := p.o.Appraise(quote)
			if err != nil {
				known(t, err)
				if r != nil {
					t.Fatal("refused with a result")
				}
				continue
			}
			if !slices.ContainsFunc(all, func(p platform) bool { return cmp.Equal(p.said, r) }) {
				t.Fatalf("accepted what nobody signed: %+v", r)
			}
		}
	})
}

// A collateral is accepted only when it is one that was signed; what decodes encodes
// to the same bytes.
func FuzzCheckCollateral(f *testing.F) {
	signed := map[string]bool{}
	p := simulated.New(makers[0].spec())
	roots, err := tee.NewRoots(p.Root(), simulated.New(makers[1].spec()).Root())
	if err != nil {
		f.Fatal(err)
	}
	for _, m := range makers {
		encoded, err := simulated.New(m.spec()).Collateral().Encode()
		if err != nil {
			f.Fatal(err)
		}
		signed[string(encoded)] = true
		f.Add(encoded)
	}
	f.Fuzz(func(t *testing.T, encoded []byte) {
		c, err := tee.DecodeCollateral(encoded)
		if err != nil {
			known(t, err)
			return
		}
		again, err := c.Encode()
		if err != nil || !bytes.Equal(encoded, again) {
			t.Fatalf("encodes to other bytes: %v", err)
		}
		facts, err := tee.CheckCollateral(c, roots, now)
		if err != nil {
			known(t, err)
			if facts != nil {
				t.Fatal("refused with facts")
			}
		} else if !signed[string(encoded)] {
			t.Fatal("accepted what nobody signed")
		}
	})
}

// Whatever is signed as TCB info or QE identity is read or refused, never more.
func FuzzTexts(f *testing.F) {
	type platform struct {
		quote []byte
		o     *tee.Opened
	}
	var all []platform
	for _, m := range makers[:2] {
		quote, o := opened(f, m.spec())
		all = append(all, platform{quote, o})
		c := simulated.New(m.spec()).Collateral()
		f.Add(c.TCBInfo, c.QEID)
	}
	f.Fuzz(func(t *testing.T, info, identity []byte) {
		for _, p := range all {
			o, err := p.o.WithTexts(info, identity)
			if err != nil {
				known(t, err)
				continue
			}
			if r, err := o.Appraise(p.quote); err != nil {
				known(t, err)
			} else if r.Status < tee.UpToDate || r.Status > tee.RevokedLevel || r.Until < now {
				t.Fatalf("accepted with %+v", r)
			}
		}
	})
}
