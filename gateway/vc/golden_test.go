package vc_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/killick-ledger/killick/chaincode/canon"
	"github.com/killick-ledger/killick/chaincode/did"
	"github.com/killick-ledger/killick/gateway/jose"
	"github.com/killick-ledger/killick/gateway/vc"
	"gopkg.in/yaml.v3"
)

// published returns a file that the authors of a specification published. They lie
// in the folder that KILLICK_PUBLISHED names, one checkout of each repository below
// it: vc-di-eddsa, vc-di-ecdsa, did-method-key, vc-data-model,
// vc-bitstring-status-list; and sd-jwt with what sd-jwt-generate writes. They are not part
// of this repository, and these tests are skipped without them (docs/formats/credentials.md).
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
	lists := regexp.MustCompile(`"encodedList": "<span class="highlight">(u[A-Za-z0-9_-]+)<`).FindAllSubmatch(text, -1)
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

// TestPublishedSelective opens the presentations of RFC 9901 and of the test cases of
// its reference implementation, as far as they are compact.
func TestPublishedSelective(t *testing.T) {
	var settings struct {
		Keys struct {
			Issuer []map[string]string `yaml:"issuer_keys"`
		} `yaml:"key_settings"`
		Identifiers struct{ Verifier string }
		Nonce       string `yaml:"key_binding_nonce"`
	}
	if err := yaml.Unmarshal(published(t, "sd-jwt/settings.yml"), &settings); err != nil {
		t.Fatal(err)
	}
	jwk := settings.Keys.Issuer[0]
	delete(jwk, "d")
	key := must[*did.PublicKey](t)(jose.ParseKey(must[canon.Object](t)(canon.ParseObject(must[[]byte](t)(json.Marshal(jwk))))))
	files := must[[]string](t)(filepath.Glob(filepath.Join(os.Getenv("KILLICK_PUBLISHED"), "sd-jwt/*/sd_jwt_presentation.txt")))
	if len(files) < 10 {
		t.Fatalf("%d presentations", len(files))
	}
	for _, file := range files {
		name := filepath.Base(filepath.Dir(file))
		t.Run(name, func(t *testing.T) {
			if name == "w3c-vc_for_slide_deck" {
				t.Skip("the key of its holder is of RSA")
			}
			read := func(file string) []byte { return bytes.TrimSpace(published(t, filepath.Join("sd-jwt", name, file))) }
			var expect *vc.Expectation
			var at time.Time
			if _, err := os.Stat(filepath.Join(filepath.Dir(file), "kb_jwt_payload.json")); err == nil {
				var payload struct{ Iat int64 }
				if err := json.Unmarshal(read("kb_jwt_payload.json"), &payload); err != nil {
					t.Fatal(err)
				}
				expect, at = &vc.Expectation{Challenge: settings.Nonce, Domain: settings.Identifiers.Verifier}, time.Unix(payload.Iat, 0)
			}
			got := must[canon.Object](t)(vc.OpenWith(string(read("sd_jwt_presentation.txt")), key, expect, at))
			want := must[canon.Object](t)(canon.ParseObject(read("verified_contents.json")))
			if !bytes.Equal(got.JCS(), want.JCS()) {
				t.Errorf("got  %s\nwant %s", got.JCS(), want.JCS())
			}
		})
	}
}

// TestForeign verifies what other implementations made; testdata/foreign.py says how.
func TestForeign(t *testing.T) {
	var made struct {
		Credentials   []string
		Presentations []string
		Selective     []struct {
			Issued, Presented string
			Shown             json.RawMessage
		}
	}
	if err := json.Unmarshal(must[[]byte](t)(os.ReadFile("testdata/foreign.json")), &made); err != nil {
		t.Fatal(err)
	}
	v := verifier(t)
	ctx := context.Background()
	for _, secured := range made.Credentials {
		if _, err := v.Credential(ctx, []byte(secured), now); err != nil {
			t.Errorf("%v\n%s", err, secured)
		}
	}
	expect := vc.Expectation{Challenge: "c-1", Domain: "verifier.example"}
	for _, secured := range made.Presentations {
		p, err := v.Presentation(ctx, []byte(secured), expect, now)
		if err != nil || len(p.Credentials) == 0 {
			t.Errorf("%v\n%s", err, secured)
		}
	}
	for _, x := range made.Selective {
		must[*vc.Selective](t)(v.Selective(ctx, []byte(x.Issued), nil, now))
		s := must[*vc.Selective](t)(v.Selective(ctx, []byte(x.Presented), &expect, now))
		for _, m := range must[canon.Object](t)(canon.ParseObject(x.Shown)) {
			got, _ := s.Claims.Find(m.Name)
			if diff := cmp.Diff(m.Value, got); diff != "" {
				t.Errorf("%s: %s", m.Name, diff)
			}
		}
		if _, ok := s.Claims.Find("given_name"); ok {
			t.Error("a claim that was not shown")
		}
	}
	if len(made.Credentials) != 5 || len(made.Presentations) != 6 || len(made.Selective) != 3 {
		t.Errorf("%d credentials, %d presentations, %d SD-JWTs", len(made.Credentials), len(made.Presentations), len(made.Selective))
	}
}
