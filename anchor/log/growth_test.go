package log_test

import (
	"encoding/hex"
	"encoding/json"
	"os"
	"strconv"
	"strings"
	"testing"

	"github.com/killick-ledger/killick/anchor/log"
)

// The contract's vectors for consistency proofs hold here as there.
func TestGrowthVectors(t *testing.T) {
	data, err := os.ReadFile("../../docs/formats/vectors/contracts.json")
	if err != nil {
		t.Fatal(err)
	}
	var v struct {
		Growth []struct {
			Name, Size, Root string
			OldSize          string `json:"old_size"`
			OldRoot          string `json:"old_root"`
			Proof            []string
			Holds            bool
		}
	}
	if err := json.Unmarshal(data, &v); err != nil || len(v.Growth) == 0 {
		t.Fatalf("%d vectors, %v", len(v.Growth), err)
	}
	hash := func(text string) (h log.Hash) {
		b, err := hex.DecodeString(strings.TrimPrefix(text, "0x"))
		if err != nil || copy(h[:], b) != len(h) {
			t.Fatalf("hash %q: %v", text, err)
		}
		return h
	}
	number := func(text string) uint64 {
		n, err := strconv.ParseUint(text, 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	for _, g := range v.Growth {
		var proof []log.Hash
		for _, p := range g.Proof {
			proof = append(proof, hash(p))
		}
		err := log.CheckGrowth(number(g.OldSize), hash(g.OldRoot), number(g.Size), hash(g.Root), proof)
		if (err == nil) != g.Holds {
			t.Errorf("%s, from %s to %s: %v", g.Name, g.OldSize, g.Size, err)
		}
	}
}
