package sealed_test

import (
	"bytes"
	"crypto/ecdh"
	"errors"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/killick-ledger/killick/chaincode/canon"
	"github.com/killick-ledger/killick/chaincode/fault"
	"github.com/killick-ledger/killick/chaincode/ledger"
	"github.com/killick-ledger/killick/gateway/sealed"
)

func hash(name string) [32]byte { return canon.Sum([]byte(name)) }

func key(t testing.TB, name string) (*ecdh.PrivateKey, [32]byte) {
	t.Helper()
	secret := hash(name)
	k, err := ecdh.X25519().NewPrivateKey(secret[:])
	if err != nil {
		t.Fatal(err)
	}
	return k, [32]byte(k.PublicKey().Bytes())
}

func task() *sealed.Task {
	return &sealed.Task{Network: "main-0011223344556677", Job: ledger.Reference{Expiry: 5, ID: hash("job")}, Operation: "job.mean", Input: hash("input"), Grants: hash("grants")}
}

var record = ledger.Reference{Expiry: 7, ID: hash("record")}

// What is sealed opens for its key, task, record and version, and for no other.
func TestRecord(t *testing.T) {
	own, public := key(t, "own")
	other, _ := key(t, "other")
	r := &sealed.Record{Salt: hash("salt"), Schema: "heart", Scope: []string{"/a", "/b"}, Content: []byte("content")}
	data, err := r.Seal(task(), public, record, 2)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := sealed.OpenRecord(task(), own, record, 2, data); err != nil || !reflect.DeepEqual(got, r) {
		t.Errorf("got %+v, %v", got, err)
	}
	again, err := r.Seal(task(), public, record, 2)
	if err != nil || bytes.Equal(again, data) {
		t.Errorf("sealed twice it is the same (%v)", err)
	}
	elsewhere := task()
	elsewhere.Operator[0]++
	for name, open := range map[string]func() error{
		"another key":     func() error { _, err := sealed.OpenRecord(task(), other, record, 2, data); return err },
		"another task":    func() error { _, err := sealed.OpenRecord(elsewhere, own, record, 2, data); return err },
		"another version": func() error { _, err := sealed.OpenRecord(task(), own, record, 3, data); return err },
		"another record":  func() error { _, err := sealed.OpenRecord(task(), own, ledger.Reference{}, 2, data); return err },
		"as an output":    func() error { _, err := sealed.OpenOutput(task(), own, data); return err },
	} {
		if err := open(); !errors.Is(err, sealed.ErrNotOpened) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestLimits(t *testing.T) {
	_, public := key(t, "own")
	good := func() *sealed.Record {
		return &sealed.Record{Scope: []string{"/"}, Content: make([]byte, sealed.MaxContent)}
	}
	for name, tt := range map[string]struct {
		change func(r *sealed.Record)
		want   fault.Code
	}{
		"the largest": {func(*sealed.Record) {}, fault.OK}, "too large": {func(r *sealed.Record) { r.Content = append(r.Content, 0) }, fault.TooLarge},
		"no scope": {func(r *sealed.Record) { r.Scope = nil }, fault.InvalidValue}, "many paths": {func(r *sealed.Record) { r.Scope = slices.Repeat(r.Scope, sealed.MaxPaths) }, fault.OK},
		"too many paths": {func(r *sealed.Record) { r.Scope = slices.Repeat(r.Scope, sealed.MaxPaths+1) }, fault.InvalidValue},
		"a long path":    {func(r *sealed.Record) { r.Scope[0] = strings.Repeat("a", 256) }, fault.InvalidValue}, "a long schema": {func(r *sealed.Record) { r.Schema = strings.Repeat("a", 256) }, fault.InvalidValue},
	} {
		r := good()
		tt.change(r)
		data, err := r.Seal(task(), public, record, 1)
		if fault.Of(err) != tt.want || len(data) > sealed.MaxRecord {
			t.Errorf("%s: %d bytes, %v, want %v", name, len(data), err, tt.want)
		}
	}
	// A point to which everybody could open is refused.
	if _, err := good().Seal(task(), [32]byte{}, record, 1); fault.Of(err) != fault.InvalidValue {
		t.Errorf("the point 0: %v", err)
	}
	to := task()
	_, to.Output = key(t, "consumer")
	if data, err := sealed.SealOutput(to, make([]byte, sealed.MaxOutput-sealed.Overhead)); err != nil || len(data) != sealed.MaxOutput {
		t.Errorf("the largest output: %d bytes, %v", len(data), err)
	}
	if _, err := sealed.SealOutput(to, make([]byte, sealed.MaxOutput)); fault.Of(err) != fault.TooLarge {
		t.Errorf("an output that is too large: %v", err)
	}
}

func TestOrder(t *testing.T) {
	salt := strings.Repeat("5a", 32)
	for text, want := range map[string]fault.Code{
		`{"parameters":{},"salt":"` + salt + `"}`: fault.OK, `{ "salt":"` + salt + `", "parameters": {"b":1,"a":[null]} }`: fault.OK,
		`{"parameters":{}}`: fault.MissingField, `{"parameters":{},"salt":"` + salt + `","x":1}`: fault.UnknownField, `{"parameters":[],"salt":"` + salt + `"}`: fault.InvalidValue,
		`{"parameters":{},"salt":"5a"}`: fault.InvalidValue, `{"parameters":{},"parameters":{},"salt":"` + salt + `"}`: fault.DuplicateKey, `[]`: fault.WrongType,
		strings.Repeat(" ", sealed.MaxOrder+1): fault.TooLarge,
	} {
		o, err := sealed.DecodeOrder([]byte(text))
		if fault.Of(err) != want {
			t.Errorf("%.80s: %v, want %v", text, err, want)
		}
		if err == nil {
			if again, err := sealed.DecodeOrder(o.Encode()); err != nil || again.Nonce() != o.Nonce() {
				t.Errorf("%s: written and read again it has another nonce (%v)", text, err)
			}
		}
	}
}

// What is read is written the same, whoever sealed it.
func FuzzRecord(f *testing.F) {
	_, public := key(f, "own")
	f.Add([]byte("\x01\x70"))
	good := sealed.Record{Scope: []string{"/"}, Schema: "s", Content: []byte("c")}
	plain, err := good.Encode()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(plain)
	f.Fuzz(func(t *testing.T, plain []byte) {
		r, err := sealed.DecodeRecord(plain)
		if err != nil {
			return
		}
		again, err := r.Encode()
		if err != nil || !bytes.Equal(again, plain) {
			t.Fatalf("%x is written as %x (%v)", plain, again, err)
		}
		if data, err := r.Seal(task(), public, record, 1); err != nil || len(data) != len(plain)+sealed.Overhead {
			t.Fatalf("%d bytes are sealed to %d (%v)", len(plain), len(data), err)
		}
	})
}

// An order has one nonce, whatever its spelling.
func FuzzOrder(f *testing.F) {
	f.Add([]byte(`{"parameters":{"a":1e3},"salt":"` + strings.Repeat("5a", 32) + `"}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		o, err := sealed.DecodeOrder(data)
		if err != nil {
			if fault.Of(err) == fault.Internal {
				t.Fatal(err)
			}
			return
		}
		again, err := sealed.DecodeOrder(o.Encode())
		if err != nil || again.Nonce() != o.Nonce() {
			t.Fatalf("%s: another nonce (%v)", data, err)
		}
	})
}
