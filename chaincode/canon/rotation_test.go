package canon_test

import (
	"encoding/hex"
	"testing"

	"github.com/killick-ledger/killick/chaincode/canon"
)

// The words by hand, as docs/formats/checkpoint.md lists them.
func TestRotationDigest(t *testing.T) {
	logID, old, next, list := [32]byte{1}, [32]byte{2}, [32]byte{3}, [32]byte{4}
	tag := canon.Keccak([]byte("killick.rotation.v1"))
	words := append([]byte{}, tag[:]...)
	for _, w := range [][32]byte{logID, old, {31: 7}, next, list, {30: 1}} {
		words = append(words, w[:]...)
	}
	want := canon.Keccak(words)
	if got := canon.RotationDigest(logID, old, 7, next, list, 256); got != want {
		t.Errorf("%x, want %x", got, want)
	}
	lines := []string{canon.MemberLine("Org1MSP", "key", "0x01"), canon.MemberLine("Org2MSP", "other", "0x02")}
	want = canon.Keccak([]byte("Org1MSP key 0x01\nOrg2MSP other 0x02\n"))
	if got := canon.MemberListHash(lines); got != want {
		t.Errorf("list %x, want %x", got, want)
	}
	text := "killick.member.v1\n" + hex.EncodeToString(logID[:]) + "\nOrg1MSP key 0x01\n"
	if got := canon.PossessionText(logID, lines[0]); string(got) != text {
		t.Errorf("%q", got)
	}
}
