package jwe_test

import (
	"bytes"
	"crypto/ecdh"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/go-jose/go-jose/v4"
	"github.com/killick-ledger/killick/chaincode/canon"
	"github.com/killick-ledger/killick/chaincode/fault"
	"github.com/killick-ledger/killick/chaincode/record"
	"github.com/killick-ledger/killick/gateway/jwe"
)

const did = "did:killick:main-0011223344556677:4CiPmztreBo59Lr18oEZEKZW2EsM"

func draw(t *testing.T, curve ecdh.Curve) *ecdh.PrivateKey {
	t.Helper()
	key, err := curve.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// PV-4: each recipient opens a content, on either curve, and nobody else; what was
// changed does not open.
func TestEncryptAndOpen(t *testing.T) {
	a, b, c := draw(t, ecdh.X25519()), draw(t, ecdh.P256()), draw(t, ecdh.X25519())
	salt, content := [32]byte{1, 2, 3}, []byte("a finding")
	data, err := jwe.Encrypt(salt, content, jwe.Recipient{KeyID: did + "#a", Key: a.PublicKey()}, jwe.Recipient{KeyID: did + "#b", Key: b.PublicKey()})
	if err != nil {
		t.Fatal(err)
	}
	for kid, key := range map[string]*ecdh.PrivateKey{did + "#a": a, did + "#b": b} {
		if s, got, err := jwe.Open(data, kid, key); err != nil || s != salt || !bytes.Equal(got, content) {
			t.Errorf("%s: %q, %v", kid, got, err)
		}
	}
	for name, tc := range map[string]struct {
		kid string
		key *ecdh.PrivateKey
		err error
	}{
		"not named":              {did + "#c", c, jwe.ErrNotRecipient},
		"another's name":         {did + "#a", c, jwe.ErrCorrupt},
		"a key of another curve": {did + "#a", b, jwe.ErrCorrupt},
	} {
		if _, _, err := jwe.Open(data, tc.kid, tc.key); !errors.Is(err, tc.err) {
			t.Errorf("%s: %v", name, err)
		}
	}
	var form record.Content
	if err := canon.Decode(data, &form); err != nil {
		t.Fatal(err)
	}
	for name, change := range map[string]func(*record.Content){
		"ciphertext": func(c *record.Content) { c.Ciphertext = flip(c.Ciphertext) },
		"tag":        func(c *record.Content) { c.Tag = flip(c.Tag) },
		"iv":         func(c *record.Content) { c.IV = flip(c.IV) },
		"key":        func(c *record.Content) { c.Recipients[0].EncryptedKey = flip(c.Recipients[0].EncryptedKey) },
		"epk":        func(c *record.Content) { c.Recipients[0].Header.Epk.X = flip(c.Recipients[0].Header.Epk.X) },
		"zero epk":   func(c *record.Content) { c.Recipients[0].Header.Epk.X = canon.B64(make([]byte, 32)) },
		"recipients": func(c *record.Content) {
			r := c.Recipients
			r[0].Header.Kid, r[1].Header.Kid = r[1].Header.Kid, r[0].Header.Kid
		},
	} {
		other := form
		other.Recipients = append([]record.Recipient(nil), form.Recipients...)
		change(&other)
		changed, err := canon.Marshal(other)
		if err != nil {
			t.Fatal(err)
		}
		if _, _, err := jwe.Open(changed, did+"#a", a); !errors.Is(err, jwe.ErrCorrupt) {
			t.Errorf("%s was changed: %v", name, err)
		}
	}
	form.Recipients[1].Header.Epk.Y = flip(form.Recipients[1].Header.Epk.Y)
	changed, err := canon.Marshal(form)
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := jwe.Open(changed, did+"#b", b); !errors.Is(err, jwe.ErrCorrupt) {
		t.Errorf("a point that is not on the curve: %v", err)
	}
}

// flip changes a character and leaves the last ones, whose spare bits have to be 0.
func flip(text string) string {
	c := byte('A')
	if text[0] == 'A' {
		c = 'B'
	}
	return string(c) + text[1:]
}

// Two contents of the same text have nothing in common, so their hashes tell nothing.
func TestNothingRepeats(t *testing.T) {
	a := draw(t, ecdh.X25519())
	one, err := jwe.Encrypt([32]byte{}, nil, jwe.Recipient{KeyID: did + "#a", Key: a.PublicKey()})
	if err != nil {
		t.Fatal(err)
	}
	two, err := jwe.Encrypt([32]byte{}, nil, jwe.Recipient{KeyID: did + "#a", Key: a.PublicKey()})
	if err != nil {
		t.Fatal(err)
	}
	var x, y record.Content
	if err := errors.Join(canon.Decode(one, &x), canon.Decode(two, &y)); err != nil {
		t.Fatal(err)
	}
	if x.Ciphertext == y.Ciphertext || x.IV == y.IV || x.Recipients[0].EncryptedKey == y.Recipients[0].EncryptedKey {
		t.Error("two contents share a part")
	}
}

func TestEncryptRefuses(t *testing.T) {
	a := draw(t, ecdh.X25519())
	to := jwe.Recipient{KeyID: did + "#a", Key: a.PublicKey()}
	if _, err := jwe.Encrypt([32]byte{}, make([]byte, record.MaxContent*3/4), to); fault.Of(err) != fault.TooLarge {
		t.Errorf("large: %v", err)
	}
	if _, err := jwe.Encrypt([32]byte{}, nil); fault.Of(err) != fault.InvalidValue {
		t.Errorf("nobody: %v", err)
	}
	if _, err := jwe.Encrypt([32]byte{}, nil, to, to); fault.Of(err) != fault.InvalidValue {
		t.Errorf("twice: %v", err)
	}
	if _, err := jwe.Encrypt([32]byte{}, nil, jwe.Recipient{KeyID: did + "#a", Key: draw(t, ecdh.P384()).PublicKey()}); err == nil {
		t.Error("P-384 was taken")
	}
	small, err := ecdh.X25519().NewPublicKey(make([]byte, 32))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := jwe.Encrypt([32]byte{}, nil, jwe.Recipient{KeyID: did + "#a", Key: small}); err == nil {
		t.Error("a key of small order was taken: everybody could open the content")
	}
}

// PV-4: go-jose, which knows P-256 only, opens ours and makes what we open.
func TestGoJose(t *testing.T) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	own, err := key.ECDH()
	if err != nil {
		t.Fatal(err)
	}
	other := draw(t, ecdh.P256())
	salt, content := [32]byte{9}, []byte("a finding")
	ours, err := jwe.Encrypt(salt, content, jwe.Recipient{KeyID: did + "#b", Key: other.PublicKey()}, jwe.Recipient{KeyID: did + "#a", Key: own.PublicKey()})
	if err != nil {
		t.Fatal(err)
	}
	parsed, err := jose.ParseEncryptedJSON(string(ours), []jose.KeyAlgorithm{jose.ECDH_ES_A256KW}, []jose.ContentEncryption{jose.A256GCM})
	if err != nil {
		t.Fatal(err)
	}
	_, _, plain, err := parsed.DecryptMulti(key)
	if err != nil || !bytes.Equal(plain, append(salt[:], content...)) {
		t.Errorf("go-jose opens %q, %v", plain, err)
	}
	encrypter, err := jose.NewMultiEncrypter(jose.A256GCM, []jose.Recipient{
		{Algorithm: jose.ECDH_ES_A256KW, Key: &key.PublicKey, KeyID: did + "#a"}, {Algorithm: jose.ECDH_ES_A256KW, Key: &key.PublicKey, KeyID: did + "#b"},
	}, nil)
	if err != nil {
		t.Fatal(err)
	}
	theirs, err := encrypter.Encrypt(append(salt[:], content...))
	if err != nil {
		t.Fatal(err)
	}
	// It writes the first encrypted_key beside recipients as well, which RFC 7516 section
	// 7.2.1 does not have.
	var members map[string]json.RawMessage
	if err := json.Unmarshal([]byte(theirs.FullSerialize()), &members); err != nil {
		t.Fatal(err)
	}
	delete(members, "encrypted_key")
	data, err := json.Marshal(members)
	if err != nil {
		t.Fatal(err)
	}
	if s, got, err := jwe.Open(data, did+"#a", own); err != nil || s != salt || !bytes.Equal(got, content) {
		t.Errorf("we open go-jose's as %q, %v\n%s", got, err, data)
	}
}

// opens opens a content with npm's jose, and makes one.
const opens = `
const jose = require(process.argv[1]);
const read = () => JSON.parse(require('fs').readFileSync(0));
(async () => {
  const { ours, jwk, plain } = read();
  const key = await jose.importJWK(jwk, 'ECDH-ES+A256KW');
  const { plaintext } = await jose.generalDecrypt(ours, key);
  const pub = await jose.importJWK({ kty: jwk.kty, crv: jwk.crv, x: jwk.x, y: jwk.y }, 'ECDH-ES+A256KW');
  const enc = new jose.GeneralEncrypt(Buffer.from(plain, 'base64url')).setProtectedHeader({ enc: 'A256GCM' });
  for (const f of ['a', 'b']) enc.addRecipient(pub).setUnprotectedHeader({ alg: 'ECDH-ES+A256KW', kid: '` + did + `#' + f });
  console.log(JSON.stringify({ opened: Buffer.from(plaintext).toString('base64url'), theirs: await enc.encrypt() }));
})().catch((e) => { console.error(e); process.exit(1); });
`

// PV-4: npm's jose opens ours and makes what we open, on both curves. KILLICK_NPM names
// a node_modules folder that has it.
func TestNpmJose(t *testing.T) {
	modules := os.Getenv("KILLICK_NPM")
	if modules == "" {
		t.Skip("KILLICK_NPM names no node_modules folder with jose")
	}
	for name, key := range map[string]*ecdh.PrivateKey{"X25519": draw(t, ecdh.X25519()), "P-256": draw(t, ecdh.P256())} {
		t.Run(name, func(t *testing.T) {
			salt, content := [32]byte{9}, []byte("a finding")
			ours, err := jwe.Encrypt(salt, content, jwe.Recipient{KeyID: did + "#a", Key: key.PublicKey()}, jwe.Recipient{KeyID: did + "#b", Key: draw(t, ecdh.X25519()).PublicKey()})
			if err != nil {
				t.Fatal(err)
			}
			plain := append(salt[:], content...)
			jwk := map[string]string{"kty": "OKP", "crv": "X25519", "x": canon.B64(key.PublicKey().Bytes()), "d": canon.B64(key.Bytes())}
			if name == "P-256" {
				point := key.PublicKey().Bytes()
				jwk = map[string]string{"kty": "EC", "crv": "P-256", "x": canon.B64(point[1:33]), "y": canon.B64(point[33:]), "d": canon.B64(key.Bytes())}
			}
			input, err := json.Marshal(map[string]any{"ours": json.RawMessage(ours), "jwk": jwk, "plain": canon.B64(plain)})
			if err != nil {
				t.Fatal(err)
			}
			cmd := exec.CommandContext(t.Context(), "node", "-e", opens, modules+"/jose")
			cmd.Stdin = bytes.NewReader(input)
			var stderr strings.Builder
			cmd.Stderr = &stderr
			out, err := cmd.Output()
			if err != nil {
				t.Fatalf("%v\n%s", err, stderr.String())
			}
			var answer struct {
				Opened string
				Theirs json.RawMessage
			}
			if err := json.Unmarshal(out, &answer); err != nil {
				t.Fatal(err)
			}
			if answer.Opened != canon.B64(plain) {
				t.Errorf("jose opens %s", answer.Opened)
			}
			if s, got, err := jwe.Open(answer.Theirs, did+"#a", key); err != nil || s != salt || !bytes.Equal(got, content) {
				t.Errorf("we open jose's as %q, %v\n%s", got, err, answer.Theirs)
			}
		})
	}
}
