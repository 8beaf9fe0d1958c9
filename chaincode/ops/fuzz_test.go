package ops_test

import (
	"bytes"
	"encoding/binary"
	"slices"
	"strings"
	"testing"

	"github.com/killick-ledger/killick/chaincode/fault"
	"github.com/killick-ledger/killick/chaincode/ops"
	"github.com/killick-ledger/killick/chaincode/ops/opstest"
)

func FuzzDecodeFrame(f *testing.F) {
	one, _ := ops.EncodeFrame([]ops.Item{{Header: []byte("h"), Payload: []byte("p"), Signature: []byte("s")}})
	f.Add(one)
	f.Add([]byte{1, 1, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0})
	f.Fuzz(func(t *testing.T, frame []byte) {
		items, err := ops.DecodeFrame(frame)
		if err != nil {
			return
		}
		again, err := ops.EncodeFrame(items)
		if err != nil || !bytes.Equal(again, frame) {
			t.Errorf("%x encodes as %x, %v", frame, again, err)
		}
	})
}

func FuzzOpen(f *testing.F) {
	alice := opstest.NewUser("alice")
	f.Add([]byte(head(alice, "EdDSA", "k")), []byte(load("record.submit", goodBody)))
	f.Add([]byte(head(alice, "EdDSA", "k")), []byte(payLoad(opstest.NewUser("bob").DID, "5")))
	f.Add([]byte(head(alice, "EdDSA", "k")), []byte(load("did.create", `{"document":`+string(alice.Doc)+`}`)))
	scene := opstest.NewScene(f, opstest.Start)
	for _, e := range scene.Examples {
		item, _ := scene.Item(e)
		f.Add(item.Header, item.Payload)
	}
	f.Fuzz(func(t *testing.T, header, payload []byte) {
		o, err := ops.Admit(ops.Item{Header: header, Payload: payload}, opstest.Network, opstest.Start)
		if err != nil {
			if fault.Of(err) >= fault.Internal {
				t.Errorf("%q %q: %v", header, payload, err)
			}
			return
		}
		once := written(t, o)
		again, err := ops.Admit(ops.Item{Header: header, Payload: once}, opstest.Network, opstest.Start)
		if err != nil {
			t.Fatalf("%s is written as %s: %v", payload, once, err)
		}
		if twice := written(t, again); !bytes.Equal(once, twice) {
			t.Errorf("%s is written as %s, and that as %s", payload, once, twice)
		}
		// Whatever else it reads is named after its id, which is that of its bytes.
		if !slices.Equal(o.Body.Keys(again.Call), again.Body.Keys(again.Call)) || o.Call.Actor != again.Call.Actor || o.ByRecoveryKey() != again.ByRecoveryKey() {
			t.Errorf("%s and %s mean different things", payload, once)
		}
	})
}

// written is the payload that our own client writes of an operation.
func written(t *testing.T, o *ops.Operation) []byte {
	t.Helper()
	payload, err := ops.Request{Network: o.Call.Network, IssuedAt: o.IssuedAt, Expires: o.Expires, Prior: o.Call.Prior, Body: o.Body}.Payload()
	if err != nil {
		t.Fatal(err)
	}
	return payload
}

func FuzzDecodeResult(f *testing.F) {
	f.Add("op/00000001/"+strings.Repeat("0", 64), append([]byte{1, 0x10, 0, 30}, make([]byte, 22)...))
	f.Add("op/00000001/"+strings.Repeat("0", 64), append([]byte{1, 0x10, 0, 31}, make([]byte, 20+5+28)...))
	f.Add("record/"+ref, []byte{1, 0x21})
	f.Add("op/00000001/"+strings.Repeat("0", 64), append([]byte{1, 0x10, 0, 21}, make([]byte, 60)...))
	f.Add("op/00000001/"+strings.Repeat("0", 64), append([]byte{1, 0x10, 35, 22}, make([]byte, 20)...))
	f.Fuzz(func(t *testing.T, key string, value []byte) {
		r, ok, err := ops.DecodeResult(key, value)
		if !ok || err != nil {
			return
		}
		r.View(opstest.Network)
		if r.Created != "" {
			if r.Created != key {
				t.Errorf("%q is said to be %q", key, r.Created)
			}
			return
		}
		if again := resultOf(r, value[3]); ops.ResultKey(r.Reference) != key || !bytes.Equal(again, value) {
			t.Errorf("%q %x is written as %q %x", key, value, ops.ResultKey(r.Reference), again)
		}
	})
}

// resultOf writes a result by the words of docs/formats/operation.md section 3.
func resultOf(r *ops.Result, number byte) []byte {
	b := append([]byte{1, 0x10, byte(r.Code), number}, r.Actor[:]...)
	if r.Record != nil {
		b = append(b, r.Record.Encode()...)
	}
	if p := r.Postings; p != nil {
		b = append(append(b, byte(len(p.Asset))), p.Asset...)
		b = binary.BigEndian.AppendUint32(b, uint32(p.Epoch))
		for _, l := range p.Lines {
			b = binary.BigEndian.AppendUint64(append(b, l.Payee[:]...), uint64(l.Amount))
		}
	}
	return b
}
