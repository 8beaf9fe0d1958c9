package ops

import (
	"bytes"
	"errors"
	"fmt"

	"github.com/killick-ledger/killick/chaincode/canon"
	"github.com/killick-ledger/killick/chaincode/did"
)

// Fixed vectors; docs/formats/vectors/operations.json and the tests of canon
// hold more of them.
const (
	testOperation = "eyJhbGciOiJFZERTQSIsImtpZCI6ImRpZDpraWxsaWNrOm1haW4tMDAxMTIyMzM0NDU1NjY3Nzo0S1pYdUdwUjRSMjhZZktlRUxFblZwNFRMUjJ5I2siLCJ0eXAiOiJraWxsaWNrLW9wIn0.eyJvcC" +
		"I6ImRpZC5jcmVhdGUiLCJuZXQiOiJtYWluLTAwMTEyMjMzNDQ1NTY2NzciLCJpYXQiOjE3MDAwMDAwMDAsImV4cCI6MTcwMDAwMzYwMCwiYm9keSI6eyJkb2N1bWVudCI6eyJ2ZXJpZmljYXRpb25N" +
		"ZXRob2QiOlt7ImlkIjoiI2siLCJ0eXBlIjoiTXVsdGlrZXkiLCJwdWJsaWNLZXlNdWx0aWJhc2UiOiJ6Nk1rZk1XaGZXQ05WNkF0dVhhaWZOTDJSVGM2N3BhSlN0cHJraE5jZDlaTWVUU3EifSx7Im" +
		"lkIjoiI2F1dGgiLCJ0eXBlIjoiTXVsdGlrZXkiLCJwdWJsaWNLZXlNdWx0aWJhc2UiOiJ6Nk1rZW9yTnJQOENyMzJaMWpFMmNma3ZLb0xVRlJBaGUxQ1h0WWdSOUxFaVZzbTIifV0sImF1dGhlbnRp" +
		"Y2F0aW9uIjpbIiNhdXRoIl0sImNhcGFiaWxpdHlJbnZvY2F0aW9uIjpbIiNrIl0sInJlY292ZXJ5IjoibUJLVzBxZW9BaGZPWk9sNXM5S050YkZpZFljVW4yRUhzajEwamg4d2ZJcyJ9fX0.50d1KN" +
		"V3st1-i3d8AsnpGLvECYl1sW72r-HOs_Nz18AByXNtdUE5QoltZJJw1GtL5kqYUxZjvydAjyzQpE0JCQ"
	testID        = "76c783f24bb21ac383ddf45bd91cf4d4dfae6b4c5d8a67d4a87f0502da463926"
	testMembers   = "f125bd57ea9bdc6f93122715dc3dd8bd6bb376d6d0b839290f9655dddb9c3820"
	testPoint     = "e21db166f75adeb58da697d173bd0e3c018d9a43e5d30eb3d0b1034edf2a558e"
	testPayout    = "d19e61fbf6836fa6cdda147e3e5298c623b371f5f63dec42f13be560d2b4d601"
	testLeaf      = "64fd2361a1bae12a59ee35429907e8c8b98bf5b02fd75504d3556ac9a662c218"
	testCanonical = "f4ff7a4d810ea278b6d390dea6fb980edb1c169e188dae4ddff74fcf634efc95"
)

// testSignatures are by keys of each algorithm over testInput; they are in
// docs/formats/vectors/signatures.json.
var testSignatures = []struct {
	alg            did.Algorithm
	key, signature string
}{
	{did.EdDSA, "z6MkfMWhfWCNV6AtuXaifNL2RTc67paJStprkhNcd9ZMeTSq",
		"9e643e05242cfc5c888a6612aab76af57418306fd72bf2540a6885aa184a20d39f7c7a28af434e6a1ca522c653db389ba9e51448bfb33bfb366342bed022be01"},
	{did.ES256, "zDnaeowkXkSj2aZt53ksq9exuLzbGVMpALQv5knmpYHTcqacz",
		"6854ecab877bd450519322ea48150d325296666dc09b2647f7369ae628f86f072990017a4756f92f012aa0bc20959a62d8553075ba7c260f6be1d84826218412"},
	{did.ES256K, "zQ3shpbjDKFYVSXWYY1RtRkjSVzXJGWAW6gFnzxkbjepr7U8o",
		"dfaccdebffd431b16d868338a8be4eb3613a41975145163e2c3ee2228e15c5685ff440291c165ff017de5ade2581dcb4d4cbf61dddc90030bea97d739d67068c"},
}

const testInput = "eyJhbGciOiJFUzI1NiJ9.e30"

// SelfTest checks the digests and signatures that state depends on against
// fixed vectors, so that a wrongly built program stops before it answers.
func SelfTest() error {
	var logID, root [32]byte
	var vault, token [20]byte
	for i := range logID {
		logID[i], root[i] = byte(i), byte(255-i)
	}
	for i := range vault {
		vault[i], token[i] = byte(i+1), byte(i+2)
	}
	set := canon.MemberSetHash(1, 3, [][20]byte{vault, token})
	point := canon.CheckpointDigest(logID, 1, set, 7, root, 1_700_000_000)
	payout := canon.PayoutDigest(1337, vault, logID, 1, set, 2, root, 1_000_000)
	leaf := canon.LeafDomain(1337, vault, token, logID)
	canonical, err := canon.JCS([]byte(`{"b": [1, 2], "a": "\u00e9\n"}`))
	if err != nil {
		return fmt.Errorf("JCS: %w", err)
	}
	sum := canon.Sum(canonical)
	for _, v := range []struct {
		name, want string
		got        [32]byte
	}{
		{"member set", testMembers, set}, {"checkpoint digest", testPoint, point}, {"payout digest", testPayout, payout},
		{"leaf domain", testLeaf, leaf}, {"JCS", testCanonical, sum},
	} {
		if canon.Hex(v.got[:]) != v.want {
			return fmt.Errorf("%s is %x, want %s", v.name, v.got, v.want)
		}
	}
	if err := testAlgorithms(); err != nil {
		return err
	}
	return testSignature()
}

// testAlgorithms verifies a good signature of each algorithm, and refuses it
// over other bytes, with one bit changed, with r of zero and by the other keys.
func testAlgorithms() error {
	for _, v := range testSignatures {
		signature, err := canon.UnHex(v.signature, 64)
		if err != nil {
			return fmt.Errorf("fixed %s signature: %w", v.alg, err)
		}
		changed := bytes.Clone(signature)
		changed[63] ^= 1
		without := append(make([]byte, 32), signature[32:]...)
		for _, other := range testSignatures {
			key, err := did.ParseKey(other.key)
			if err != nil {
				return fmt.Errorf("fixed %s key: %w", other.alg, err)
			}
			good := key.Verify([]byte(testInput), signature)
			if good != (other.alg == v.alg) {
				return fmt.Errorf("fixed %s signature by the key of %s: good is %v", v.alg, other.alg, good)
			}
			if key.Verify([]byte(testInput[1:]), signature) || key.Verify([]byte(testInput), changed) || key.Verify([]byte(testInput), without) {
				return fmt.Errorf("a changed %s signature is good for the key of %s", v.alg, other.alg)
			}
		}
	}
	return nil
}

// testSignature opens a fixed operation, and refuses it with one bit changed,
// alone and in a batch.
func testSignature() error {
	item, err := ParseCompact(testOperation)
	if err != nil {
		return fmt.Errorf("fixed operation: %w", err)
	}
	op, err := Open(item)
	if err != nil {
		return fmt.Errorf("fixed operation: %w", err)
	}
	if err := op.Body.Check(op.Call); err != nil {
		return fmt.Errorf("fixed operation: %w", err)
	}
	if canon.Hex(op.Call.Ref.ID[:]) != testID {
		return fmt.Errorf("op id is %x, want %s", op.Call.Ref.ID, testID)
	}
	create, ok := op.Body.(*did.Create)
	if !ok {
		return errors.New("fixed operation: not did.create")
	}
	key, err := create.SigningKey(op.fragment)
	if err != nil {
		return fmt.Errorf("fixed operation: %w", err)
	}
	bad := *op
	bad.Signature = bytes.Clone(op.Signature)
	bad.Signature[0] ^= 1
	items := []*signed{{op: op, key: key}, {op: op, key: key}, {op: op, key: key}, {op: op, key: key}, {op: &bad, key: key}, {op: op, key: key}}
	new(verifier).verify(items)
	for i, s := range items {
		if s.good != (i != 4) {
			return fmt.Errorf("signature %d of a batch: good is %v", i, s.good)
		}
	}
	if !op.verify(key) || bad.verify(key) {
		return errors.New("single verification differs from batch verification")
	}
	return nil
}
