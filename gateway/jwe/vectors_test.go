package jwe_test

import (
	"bytes"
	"crypto/ecdh"
	"encoding/json"
	"flag"
	"os"
	"testing"

	"github.com/killick-ledger/killick/chaincode/canon"
	"github.com/killick-ledger/killick/chaincode/ledger"
	"github.com/killick-ledger/killick/chaincode/ops"
	"github.com/killick-ledger/killick/chaincode/ops/opstest"
	"github.com/killick-ledger/killick/chaincode/record"
	"github.com/killick-ledger/killick/gateway/jwe"
)

// Made by: go test ./gateway/jwe -run Vectors -update
var update = flag.Bool("update", false, "rewrite docs/formats/vectors/content.json")

const vectorFile = "../../docs/formats/vectors/content.json"

// vectors is one content, how it gets to the ledger, and what it leaves there.
type vectors struct {
	Comment    string      `json:"comment"`
	Network    string      `json:"network"`
	Now        uint64      `json:"now"`
	DID        string      `json:"did"` // of the owner, who signs
	Document   string      `json:"document"`
	Keys       []vectorKey `json:"keys"`
	Salt       string      `json:"salt"`       // hex
	Content    string      `json:"content"`    // hex
	Commitment string      `json:"commitment"` // hex
	JWE        string      `json:"jwe"`
	Digest     string      `json:"digest"`  // SHA-256 of jwe, hex
	Private    string      `json:"private"` // key in the collection
	Submit     string      `json:"submit"`  // record.submit, compact
	Key        string      `json:"key"`     // state key of the record
	Value      string      `json:"value"`   // hex
	Read       string      `json:"read"`    // signed read, compact
}

type vectorKey struct {
	Kid    string `json:"kid"`
	Curve  string `json:"curve"`
	Secret string `json:"secret"` // hex
}

func (k vectorKey) open(t *testing.T) *ecdh.PrivateKey {
	t.Helper()
	curve := ecdh.X25519()
	if k.Curve == "P-256" {
		curve = ecdh.P256()
	}
	raw, err := canon.UnHex(k.Secret, 32)
	if err != nil {
		t.Fatal(err)
	}
	key, err := curve.NewPrivateKey(raw)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func makeVectors(t *testing.T) *vectors {
	t.Helper()
	alice, bob := opstest.NewUser("vector alice"), opstest.NewUser("vector bob")
	v := &vectors{
		Comment: "A private content. Keys are for tests only. Made by go test ./gateway/jwe -run Vectors -update",
		Network: opstest.Network, Now: opstest.Start, DID: alice.DID, Document: string(alice.Doc),
		Salt: canon.Hex(opstest.Seed("salt")), Content: canon.Hex([]byte("What nobody else has to know.")),
		Keys: []vectorKey{
			{alice.DID + "#agree", "X25519", canon.Hex(opstest.Seed("agree alice"))}, {bob.DID + "#agree", "P-256", canon.Hex(opstest.Seed("agree bob"))},
		},
	}
	var to []jwe.Recipient
	for _, k := range v.Keys {
		to = append(to, jwe.Recipient{KeyID: k.Kid, Key: k.open(t).PublicKey()})
	}
	content := []byte("What nobody else has to know.")
	data, err := jwe.Encrypt([32]byte(opstest.Seed("salt")), content, to...)
	if err != nil {
		t.Fatal(err)
	}
	commitment := canon.Sum([]byte("killick.record.v1"), opstest.Seed("salt"), content)
	v.JWE, v.Digest, v.Commitment = string(data), opstest.Digest(data), canon.Hex(commitment[:])
	w := opstest.New(t)
	item, ref := w.Sign(alice, &ops.RecordSubmit{Schema: "note", Commitment: v.Commitment, Size: uint64(len(content)), Private: v.Digest}, "")
	read, err := ops.SignRead(alice.Alg(), opstest.Network, ref.String(), opstest.Start, alice)
	if err != nil {
		t.Fatal(err)
	}
	v.Submit, v.Read, v.Key = item.Compact(), read.Compact(), record.Key(ref.String())
	v.Private = record.PrivateKey(ref.String(), canon.Sum(data))
	value := record.Value{
		Status: record.Live, Version: 1, Owner: alice.ID, Commitment: commitment, Size: uint64(len(content)), Schema: "note", Private: canon.Sum(data),
	}
	v.Value = canon.Hex(value.Encode())
	return v
}

// The vectors hold by themselves: the keys open the content, the operation writes the
// value, and the read is answered with the content.
func TestVectors(t *testing.T) {
	if *update {
		data, err := json.MarshalIndent(makeVectors(t), "", " ")
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(vectorFile, append(data, '\n'), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	data, err := os.ReadFile(vectorFile)
	if err != nil {
		t.Fatal(err)
	}
	v := new(vectors)
	if err := canon.Decode(bytes.TrimSpace(data), v); err != nil {
		t.Fatal(err)
	}
	for _, k := range v.Keys {
		salt, content, err := jwe.Open([]byte(v.JWE), k.Kid, k.open(t))
		commitment := canon.Sum([]byte("killick.record.v1"), salt[:], content)
		if err != nil || canon.Hex(salt[:]) != v.Salt || canon.Hex(content) != v.Content || canon.Hex(commitment[:]) != v.Commitment {
			t.Errorf("%s opens %x, %x, %v", k.Kid, salt, content, err)
		}
	}
	w, alice := opstest.New(t), opstest.NewUser("vector alice")
	w.Create(alice)
	w.Give([]byte(v.JWE))
	if got := w.Must(ledger.Caller{}, "ops:Apply", v.Submit); got[0] != 0 {
		t.Fatalf("submit: %v", got)
	}
	if value, err := w.Store.Get(v.Key); err != nil || canon.Hex(value) != v.Value {
		t.Errorf("%s is %x, %v", v.Key, value, err)
	}
	if got := w.Private.Values[v.Private]; string(got) != v.JWE {
		t.Errorf("kept under %s: %q", v.Private, got)
	}
	var answer record.ContentView
	w.Read("record:Content", v.Read, &answer)
	if answer.Content != v.JWE || answer.Digest != v.Digest {
		t.Errorf("read %+v", answer)
	}
}
