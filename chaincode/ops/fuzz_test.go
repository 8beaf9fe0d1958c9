package ops_test

import (
	"bytes"
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
	f.Fuzz(func(t *testing.T, header, payload []byte) {
		o, err := ops.Admit(ops.Item{Header: header, Payload: payload}, opstest.Network, opstest.Start)
		if err != nil {
			if fault.Of(err) >= fault.Internal {
				t.Errorf("%q %q: %v", header, payload, err)
			}
			return
		}
		o.Body.Keys(o.Call) // must not panic on what passed
	})
}

func FuzzDecodeResult(f *testing.F) {
	f.Add("op/00000001/"+strings.Repeat("0", 64), append([]byte{1, 0x10, 0, 30}, make([]byte, 22)...))
	f.Add("record/"+ref, []byte{1, 0x21})
	f.Fuzz(func(t *testing.T, key string, value []byte) {
		if r, ok, err := ops.DecodeResult(key, value); ok && err == nil {
			r.View(opstest.Network)
		}
	})
}
