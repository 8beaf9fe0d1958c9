package vc_test

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"testing"

	"github.com/killick-ledger/killick/chaincode/canon"
	"github.com/killick-ledger/killick/chaincode/did"
	"github.com/killick-ledger/killick/gateway/vc"
)

// published returns a file that the authors of a specification published. They lie
// in the folder that KILLICK_PUBLISHED names, one checkout of each repository below
// it: vc-di-eddsa, vc-di-ecdsa, did-method-key, vc-data-model,
// vc-bitstring-status-list. They are not part of this repository, and these tests are
// skipped without them; docs/formats/vectors/credentials.json is always tested.
func published(t *testing.T, path string) []byte {
	t.Helper()
	dir := os.Getenv("KILLICK_PUBLISHED")
	if dir == "" {
		t.Skip("KILLICK_PUBLISHED does not name a folder with the published vectors")
	}
	b, err := os.ReadFile(filepath.Join(dir, path))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// TestPublishedProofs verifies the vectors of Data Integrity. Their issuer is a web
// page and their key a did:key, so only the proof is verified.
func TestPublishedProofs(t *testing.T) {
	for _, file := range []string{
		"vc-di-eddsa/TestVectors/eddsa-jcs-2022/signedJCS.json",
		"vc-di-ecdsa/TestVectors/ecdsa-jcs-2019-p256/signedJCSECDSAP256.json",
	} {
		t.Run(file, func(t *testing.T) {
			doc := must[canon.Object](t)(canon.ParseObject(published(t, file)))
			v := &vc.Verifier{}
			ctx := context.Background()
			if _, err := v.Proofs(ctx, doc, vc.AssertionMethod, nil, now); err != nil {
				t.Error(err)
			}
			if _, err := v.Proofs(ctx, doc.With("name", "Another"), vc.AssertionMethod, nil, now); err == nil {
				t.Error("a changed document passed")
			}
		})
	}
}

// TestPublishedDIDKeys reads the did:keys of did-method-key, those of the three
// types that we take.
func TestPublishedDIDKeys(t *testing.T) {
	for _, file := range []string{"ed25519-x25519.json", "nist-curves.json", "secp256k1.json", "rsa.json", "bls12381.json"} {
		t.Run(file, func(t *testing.T) {
			var entries map[string]json.RawMessage
			if err := json.Unmarshal(published(t, "did-method-key/test-vectors/"+file), &entries); err != nil {
				t.Fatal(err)
			}
			for id := range entries {
				key := id[len("did:key:"):]
				m, err := vc.KeyMethod(id + "#" + key)
				if want := algorithmOf(key); (err == nil) != (want != "") || err == nil && m.Key.Algorithm() != want {
					t.Errorf("%s: %v, want %q", id, err, want)
				}
			}
		})
	}
}

// algorithmOf tells the type of a key by the characters that its multicodec makes.
func algorithmOf(key string) did.Algorithm {
	switch key[:4] {
	case "z6Mk":
		return did.EdDSA
	case "zDna":
		return did.ES256
	case "zQ3s":
		return did.ES256K
	}
	return ""
}

// TestPublishedContext compares the pinned digests with the published file.
func TestPublishedContext(t *testing.T) {
	file := published(t, "vc-data-model/contexts/credentials/v2")
	want := vc.Base()
	got, err := vc.PinContext(vc.BaseContext, file, sha256.Sum256(file), want.Types...)
	if err != nil || got.SHA256 != want.SHA256 || got.SHA384 != want.SHA384 {
		t.Errorf("%v: the base context is not that of the Recommendation", err)
	}
}

// TestPublishedStatusLists reads every list in the text of Bitstring Status List:
// all are of 131,072 entries, none set.
func TestPublishedStatusLists(t *testing.T) {
	text := published(t, "vc-bitstring-status-list/index.html")
	lists := regexp.MustCompile(`"encodedList": "(u[A-Za-z0-9_-]+)"`).FindAllSubmatch(text, -1)
	if len(lists) < 2 {
		t.Fatalf("%d examples", len(lists))
	}
	for _, list := range lists {
		b := must[*vc.Bits](t)(vc.DecodeBits(string(list[1])))
		if b.Len() != vc.MinEntries || b.Encode() != newBits(t).Encode() {
			t.Errorf("%s: %d entries, or some are set", list[1], b.Len())
		}
	}
}
