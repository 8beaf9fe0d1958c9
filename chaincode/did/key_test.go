package did_test

import (
	"bytes"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/sha512"
	"encoding/hex"
	"math/big"
	"strings"
	"testing"

	"filippo.io/edwards25519"
	"github.com/decred/dcrd/dcrec/secp256k1/v4"
	"github.com/hdevalence/ed25519consensus"
	"github.com/killick-ledger/killick/chaincode/did"
	"github.com/killick-ledger/killick/chaincode/fault"
	"github.com/killick-ledger/killick/chaincode/ops/opstest"
	"github.com/mr-tron/base58"
)

var (
	p256      = []byte{0x80, 0x24}
	secp      = []byte{0xe7, 0x01}
	ed        = []byte{0xed, 0x01}
	multibase = func(parts ...[]byte) string { return "z" + base58.Encode(bytes.Join(parts, nil)) }
)

// offCurve is an x from 1 to below the prime p at which y^2 = x^3 + ax + b has no
// point.
func offCurve(p *big.Int, a int64, b *big.Int) []byte {
	for n := int64(1); ; n++ {
		x := big.NewInt(n)
		y := new(big.Int).Exp(x, big.NewInt(3), p)
		y.Add(y, new(big.Int).Mul(big.NewInt(a), x)).Add(y, b)
		if big.Jacobi(y.Mod(y, p), p) < 0 {
			return x.FillBytes(make([]byte, 32))
		}
	}
}

// refusedKeys are no keys, by what is wrong with them.
func refusedKeys() map[string]string {
	p, s := elliptic.P256().Params(), secp256k1.Params()
	gx := p.Gx.FillBytes(make([]byte, 32))
	gy := p.Gy.FillBytes(make([]byte, 32))
	sx := s.Gx.FillBytes(make([]byte, 32))
	sy := s.Gy.FillBytes(make([]byte, 32))
	zero := make([]byte, 32)
	return map[string]string{
		"empty":                           "",
		"no bytes":                        "z",
		"one byte":                        multibase(ed[:1]),
		"unknown codec":                   multibase([]byte{0xec, 0x01}, zero),
		"short Ed25519":                   multibase(ed, zero[:31]),
		"long Ed25519":                    multibase(ed, zero, zero[:1]),
		"P-256 off the curve":             multibase(p256, []byte{2}, offCurve(p.P, -3, p.B)),
		"secp256k1 off the curve":         multibase(secp, []byte{2}, offCurve(s.P, 0, big.NewInt(7))),
		"P-256 infinity":                  multibase(p256, []byte{0}),
		"secp256k1 infinity":              multibase(secp, []byte{0}),
		"P-256 infinity at full length":   multibase(p256, []byte{0}, zero),
		"secp256k1 infinity, full length": multibase(secp, []byte{0}, zero),
		"P-256 uncompressed":              multibase(p256, []byte{4}, gx, gy),
		"secp256k1 uncompressed":          multibase(secp, []byte{4}, sx, sy),
		"secp256k1 hybrid":                multibase(secp, []byte{6 | sy[31]&1}, sx, sy),
		"P-256 x only":                    multibase(p256, gx),
		"secp256k1 x only":                multibase(secp, sx),
		"P-256 other first byte":          multibase(p256, []byte{5}, gx),
		"secp256k1 other first byte":      multibase(secp, []byte{5}, sx),
		"P-256 x beyond the prime":        multibase(p256, []byte{2}, bytes.Repeat([]byte{0xff}, 32)),
		"secp256k1 x beyond the prime":    multibase(secp, []byte{2}, bytes.Repeat([]byte{0xff}, 32)),
		"P-256 x is the prime and 5":      multibase(p256, []byte{2}, new(big.Int).Add(p.P, big.NewInt(5)).Bytes()),
		"secp256k1 x is the prime and 1":  multibase(secp, []byte{2}, new(big.Int).Add(s.P, big.NewInt(1)).Bytes()),
		"P-256 point as secp256k1":        multibase(secp, []byte{2}, offCurve(s.P, 0, big.NewInt(7))),
		"other base":                      "m" + multibase(p256, []byte{2}, gx)[1:],
		"leading 1":                       "z1" + multibase(p256, []byte{2}, gx)[1:],
		"beyond base58":                   multibase(p256, []byte{2}, gx) + "0",
		"long":                            "z" + strings.Repeat("2", 60000),
	}
}

func TestParseKey(t *testing.T) {
	for _, alg := range did.Algorithms {
		key := opstest.NewKey("alice", alg)
		k, err := did.ParseKey(key.Multikey)
		if err != nil || k.Algorithm() != alg || k.String() != key.Multikey || !k.Equal(k) {
			t.Fatalf("%s: %v, %v", alg, k, err)
		}
		other, err := did.ParseKey(opstest.NewKey("bob", alg).Multikey)
		if err != nil || k.Equal(other) || k.Equal(nil) {
			t.Errorf("%s: another key is the same", alg)
		}
	}
	if _, err := did.ParseKey(multibase(p256, []byte{2}, elliptic.P256().Params().Gx.Bytes())); err != nil {
		t.Error(err)
	}
	if _, err := did.ParseKey(multibase(secp, []byte{3}, secp256k1.Params().Gx.Bytes())); err != nil {
		t.Error(err)
	}
	for name, text := range refusedKeys() {
		if k, err := did.ParseKey(text); fault.Of(err) != fault.InvalidValue || len(err.Error()) > 200 {
			t.Errorf("%s: %v, %v", name, k, err)
		}
	}
}

// OP-4: a signature of a key is good for the bytes that it signed, as RFC 7515
// and its algorithm have it, and for nothing else.
func TestVerify(t *testing.T) {
	message := []byte("signing input")
	for _, alg := range did.Algorithms {
		pair := opstest.NewKey("alice", alg)
		k, err := did.ParseKey(pair.Multikey)
		if err != nil {
			t.Fatal(err)
		}
		good := pair.Signature(message)
		if !k.Verify(message, good) || k.Verify(message[1:], good) || k.Verify(nil, good) {
			t.Errorf("%s: over other bytes", alg)
		}
		for i := range good {
			bad := bytes.Clone(good)
			bad[i] ^= 1 << (i % 8)
			if k.Verify(message, bad) {
				t.Errorf("%s: with byte %d changed", alg, i)
			}
		}
		for n := range 80 {
			if n != 64 && k.Verify(message, append(bytes.Clone(good), make([]byte, 80)...)[:n]) {
				t.Errorf("%s: %d bytes", alg, n)
			}
		}
		for _, other := range did.Algorithms {
			for _, name := range []string{"alice", "bob"} {
				if other == alg && name == "alice" {
					continue
				}
				if k, _ := did.ParseKey(opstest.NewKey(name, other).Multikey); k.Verify(message, good) {
					t.Errorf("%s: by the key %s of %s", alg, other, name)
				}
			}
		}
		if alg == did.EdDSA {
			continue
		}
		n := opstest.Order(alg)
		zero := make([]byte, 32)
		r, s := good[:32], good[32:]
		if !k.Verify(message, opstest.Malleate(alg, good)) {
			t.Errorf("%s: the negative of s is not taken", alg)
		}
		for name, bad := range map[string][][]byte{
			"r is 0": {zero, s}, "s is 0": {r, zero}, "both are 0": {zero, zero}, "r is n": {n, s}, "s is n": {r, n}, "both are n": {n, n},
			"s and n": {r, plus(s, n)}, "all ones": {bytes.Repeat([]byte{0xff}, 64)}, "swapped": {s, r},
		} {
			if k.Verify(message, bytes.Join(bad, nil)) {
				t.Errorf("%s: %s", alg, name)
			}
		}
	}
}

func plus(a, b []byte) []byte {
	sum := new(big.Int).Add(new(big.Int).SetBytes(a), new(big.Int).SetBytes(b))
	if sum.BitLen() > 256 {
		return bytes.Repeat([]byte{0xff}, 32)
	}
	return sum.FillBytes(make([]byte, 32))
}

// smallOrder are encodings of the points whose order divides 8, canonical or not;
// ZIP-215 takes all of them as keys and as R.
var smallOrder = []string{
	"0100000000000000000000000000000000000000000000000000000000000000", "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
	"0000000000000000000000000000000000000000000000000000000000000000", "0000000000000000000000000000000000000000000000000000000000000080",
	"26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05", "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc85",
	"c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a", "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa",
	"0100000000000000000000000000000000000000000000000000000000000080", "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
	"edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f", "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
	"eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f", "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
}

// ed25519Agree verifies alone, in batches with and without a prepared key, and
// with another implementation of ZIP-215, and wants one verdict.
func ed25519Agree(t *testing.T, key, message, signature []byte) bool {
	t.Helper()
	k, err := did.ParseKey(did.FormatKey([32]byte(key)))
	if err != nil {
		t.Fatal(err)
	}
	want := ed25519consensus.Verify(key, message, signature)
	if got := k.Verify(message, signature); got != want {
		t.Errorf("alone: key %x, signature %x: %v, want %v", key, signature, got, want)
	}
	seed := opstest.Seed("agree")
	private := ed25519.NewKeyFromSeed(seed)
	other, err := did.ParseKey(opstest.NewKey("agree", did.EdDSA).Multikey)
	if err != nil {
		t.Fatal(err)
	}
	prepared := k.Prepare()
	for _, n := range []int{0, 1, 3} {
		for _, p := range []*did.PreparedKey{nil, prepared} {
			b := did.NewBatch(n + 1)
			b.Add(k, p, message, signature)
			for range n {
				b.Add(other, nil, message, ed25519.Sign(private, message))
			}
			if got := b.Verify(); got != want {
				t.Errorf("with %d others: key %x, signature %x: %v, want %v", n, key, signature, got, want)
			}
		}
	}
	return want
}

// OP-4: points of small order and their encodings that are not canonical, where
// implementations of Ed25519 differ.
func TestZIP215(t *testing.T) {
	message := []byte("Zcash")
	taken := 0
	for _, a := range smallOrder {
		for _, r := range smallOrder {
			key, _ := hex.DecodeString(a)
			point, _ := hex.DecodeString(r)
			if ed25519Agree(t, key, message, append(point, make([]byte, 32)...)) {
				taken++
			}
		}
	}
	if taken != len(smallOrder)*len(smallOrder) {
		t.Errorf("%d of %d are good", taken, len(smallOrder)*len(smallOrder))
	}
}

// mixedOrder signs with a key and an R to which points of small order are added. The
// signature is good under ZIP-215; without the cofactor it is good by chance.
func mixedOrder(t *testing.T, secret, nonce, message []byte, a, r int) (key, signature []byte) {
	t.Helper()
	scalar := func(parts ...[]byte) *edwards25519.Scalar {
		wide := sha512.Sum512(bytes.Join(parts, nil))
		s, err := new(edwards25519.Scalar).SetUniformBytes(wide[:])
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	shifted := func(s *edwards25519.Scalar, small int) []byte {
		encoded, err := hex.DecodeString(smallOrder[small%len(smallOrder)])
		if err != nil {
			t.Fatal(err)
		}
		point, err := new(edwards25519.Point).SetBytes(encoded)
		if err != nil {
			t.Fatal(err)
		}
		return point.Add(point, new(edwards25519.Point).ScalarBaseMult(s)).Bytes()
	}
	x, n := scalar(secret), scalar(nonce)
	key, point := shifted(x, a), shifted(n, r)
	return key, append(point, new(edwards25519.Scalar).MultiplyAdd(scalar(point, key, message), x, n).Bytes()...)
}

// OP-4: where implementations with and without the cofactor differ, and with one bit
// changed.
func TestMixedOrder(t *testing.T) {
	message, strict := []byte("Zcash"), 0
	for a := range 8 {
		for r := range 8 {
			key, signature := mixedOrder(t, opstest.Seed("mixed"), opstest.Seed("nonce"), message, a, r)
			if !ed25519Agree(t, key, message, signature) {
				t.Errorf("key %x, signature %x are not taken", key, signature)
			}
			if ed25519.Verify(key, message, signature) {
				strict++
			}
			signature[a*8+r] ^= 1
			if ed25519Agree(t, key, message, signature) {
				t.Errorf("key %x, signature %x are taken", key, signature)
			}
		}
	}
	if strict > 32 {
		t.Errorf("%d of 64 are good without the cofactor: this test shows little", strict)
	}
}

// Good signatures of keys of any order, and the same with one bit of key or
// signature changed: bytes without a plan are hardly ever a good one.
func FuzzEd25519(f *testing.F) {
	for i := range len(smallOrder) {
		f.Add([]byte("secret"), []byte("nonce"), []byte("m"), uint8(i), uint8(3*i), uint16(8*96))
		f.Add([]byte("secret"), []byte("nonce"), []byte("m"), uint8(5*i), uint8(i), uint16(50*i))
	}
	f.Fuzz(func(t *testing.T, secret, nonce, message []byte, a, r uint8, flip uint16) {
		key, signature := mixedOrder(t, secret, nonce, message, int(a), int(r))
		both := append(key, signature...)
		if flip < 8*96 {
			both[flip/8] ^= 1 << (flip % 8)
		}
		if good := ed25519Agree(t, both[:32], message, both[32:]); !good && flip >= 8*96 {
			t.Errorf("key %x, signature %x are not taken", key, signature)
		}
	})
}

func FuzzParseKey(f *testing.F) {
	for _, alg := range did.Algorithms {
		f.Add(opstest.NewKey("fuzz", alg).Multikey, []byte("m"), opstest.NewKey("fuzz", alg).Signature([]byte("m")))
	}
	f.Fuzz(func(t *testing.T, text string, message, signature []byte) {
		k, err := did.ParseKey(text)
		if err != nil {
			return
		}
		if k.String() != text || !k.Algorithm().Known() {
			t.Errorf("%q reads as %s", text, k)
		}
		k.Verify(message, signature)
	})
}

// What is taken has the form of the algorithm, whatever r and s are.
func FuzzECDSA(f *testing.F) {
	keys := map[did.Algorithm]*did.PublicKey{}
	for _, alg := range []did.Algorithm{did.ES256, did.ES256K} {
		pair := opstest.NewKey("fuzz", alg)
		good := pair.Signature([]byte("m"))
		k, err := did.ParseKey(pair.Multikey)
		if err != nil {
			f.Fatal(err)
		}
		keys[alg] = k
		f.Add(string(alg), good)
		f.Add(string(alg), opstest.Malleate(alg, good))
		f.Add(string(alg), append(opstest.Order(alg), good[32:]...))
		f.Add(string(alg), make([]byte, 64))
	}
	f.Fuzz(func(t *testing.T, alg string, signature []byte) {
		k := keys[did.Algorithm(alg)]
		if k == nil || !k.Verify([]byte("m"), signature) {
			return
		}
		n := opstest.Order(k.Algorithm())
		zero := make([]byte, 32)
		for _, part := range [][]byte{signature[:32], signature[32:]} {
			if bytes.Equal(part, zero) || bytes.Compare(part, n) >= 0 {
				t.Errorf("%s takes %x", alg, signature)
			}
		}
		if !k.Verify([]byte("m"), opstest.Malleate(k.Algorithm(), signature)) {
			t.Errorf("%s takes %x, but not with the negative of s", alg, signature)
		}
	})
}
