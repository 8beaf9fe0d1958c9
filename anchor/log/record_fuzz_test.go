package log_test

import (
	"bytes"
	"testing"

	"github.com/killick-ledger/killick/anchor/log"
)

// The records that are hashed have one form each.
func FuzzRecords(f *testing.F) {
	f.Add(log.WriteRecord{Namespace: "killick", Key: []byte("did/x"), ValueHash: log.Hash{1}, Salt: log.Hash{2}}.Bytes())
	f.Add(log.WriteRecord{Private: true, Namespace: "killick", Collection: "c", Key: make([]byte, 32)}.Bytes())
	f.Add(log.TxRecord{Index: 1, ID: log.Hash{1}, Writes: 2, WritesRoot: log.Hash{3}}.Bytes())
	f.Add(log.BlockRecord{Number: 7, Committed: true, Txs: 1}.Bytes())
	f.Fuzz(func(t *testing.T, data []byte) {
		if r, err := log.ParseWriteRecord(data); err == nil && !bytes.Equal(r.Bytes(), data) {
			t.Errorf("%x is written as %x", data, r.Bytes())
		}
		if r, err := log.ParseTxRecord(data); err == nil && !bytes.Equal(r.Bytes(), data) {
			t.Errorf("%x is written as %x", data, r.Bytes())
		}
		if r, err := log.ParseBlockRecord(data); err == nil && !bytes.Equal(r.Bytes(), data) {
			t.Errorf("%x is written as %x", data, r.Bytes())
		}
	})
}

// A policy that parses is the same once it is written.
func FuzzPolicy(f *testing.F) {
	l := newFixture(f)
	text, err := l.Policy.Marshal()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(text)
	f.Fuzz(func(t *testing.T, data []byte) {
		p, err := log.ParsePolicy(data)
		if err != nil {
			return
		}
		once, err := p.Marshal()
		if err != nil {
			t.Fatal(err)
		}
		again, err := log.ParsePolicy(once)
		if err != nil {
			t.Fatalf("%s is written as %s: %v", data, once, err)
		}
		if twice, err := again.Marshal(); err != nil || !bytes.Equal(twice, once) {
			t.Errorf("%s is written as %s, and that as %s", data, once, twice)
		}
	})
}
