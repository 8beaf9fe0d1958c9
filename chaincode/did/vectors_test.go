package did_test

import (
	"bytes"
	"maps"
	"slices"
	"testing"

	"github.com/killick-ledger/killick/chaincode/canon"
	"github.com/killick-ledger/killick/chaincode/canon/canontest"
	"github.com/killick-ledger/killick/chaincode/did"
	"github.com/killick-ledger/killick/chaincode/ops/opstest"
)

// Made by: go test ./chaincode/did -run Vectors -update
const vectorFile = "../../docs/formats/vectors/signatures.json"

type vectors struct {
	Comment    string            `json:"comment"`
	Keys       []vectorKey       `json:"keys"`
	Signatures []vectorSignature `json:"signatures"`
}

type vectorKey struct {
	Name string `json:"name"`
	Key  string `json:"publicKeyMultibase"`
	Alg  string `json:"alg"` // empty for a key that is refused
}

type vectorSignature struct {
	Name      string `json:"name"`
	Key       string `json:"publicKeyMultibase"`
	Input     string `json:"input"`     // signed text
	Signature string `json:"signature"` // hex
	Good      bool   `json:"good"`
}

func makeVectors() *vectors {
	const input = "eyJhbGciOiJFUzI1NiJ9.e30"
	v := &vectors{Comment: "Keys of documents, and signatures by themselves. Made by go test ./chaincode/did -run Vectors -update"}
	for _, alg := range did.Algorithms {
		pair := opstest.NewKey("vector", alg)
		v.Keys = append(v.Keys, vectorKey{string(alg), pair.Multikey, string(alg)})
		good := pair.Signature([]byte(input))
		changed := bytes.Clone(good)
		changed[63] ^= 0x10
		add := func(name string, ok bool, parts ...[]byte) {
			v.Signatures = append(v.Signatures, vectorSignature{string(alg) + ", " + name, pair.Multikey, input, canon.Hex(bytes.Join(parts, nil)), ok})
		}
		add("good", true, good)
		add("changed", false, changed)
		add("63 bytes", false, good[:63])
		add("65 bytes", false, good, []byte{0})
		if alg == did.EdDSA {
			n, err := canon.UnHex("edd3f55c1a631258d69cf7a2def9de1400000000000000000000000000000010", 32)
			if err != nil {
				panic(err)
			}
			identity := append([]byte{1}, make([]byte, 31)...)
			add("s is the order", false, good[:32], n)
			add("s is 0 for R of order 1", false, identity, make([]byte, 32))
			v.Signatures = append(v.Signatures, vectorSignature{"EdDSA, key and R of order 1, s is 0: good under ZIP-215", did.FormatKey([32]byte(identity)), input,
				canon.Hex(append(identity, make([]byte, 32)...)), true})
			continue
		}
		n, zero := opstest.Order(alg), make([]byte, 32)
		add("the negative of s", true, opstest.Malleate(alg, good))
		add("r is 0", false, zero, good[32:])
		add("s is 0", false, good[:32], zero)
		add("r is the order", false, n, good[32:])
		add("s is the order", false, good[:32], n)
	}
	refused := refusedKeys()
	for _, name := range slices.Sorted(maps.Keys(refused)) {
		if key := refused[name]; len(key) < 200 {
			v.Keys = append(v.Keys, vectorKey{name, key, ""})
		}
	}
	return v
}

func TestVectors(t *testing.T) {
	canontest.GoldenJSON(t, vectorFile, " ", makeVectors())
	var v vectors
	canontest.ReadJSON(t, vectorFile, &v)
	for _, k := range v.Keys {
		if key, err := did.ParseKey(k.Key); (err == nil) != (k.Alg != "") || err == nil && string(key.Algorithm()) != k.Alg {
			t.Errorf("%s: %v, %v", k.Name, key, err)
		}
	}
	for _, s := range v.Signatures {
		key, err := did.ParseKey(s.Key)
		if err != nil {
			t.Fatalf("%s: %v", s.Name, err)
		}
		signature, err := canon.UnHex(s.Signature, len(s.Signature)/2)
		if err != nil {
			t.Fatal(err)
		}
		if key.Verify([]byte(s.Input), signature) != s.Good {
			t.Errorf("%s: good is not %v", s.Name, s.Good)
		}
	}
}
