package client

import (
	"crypto/rand"
	"fmt"

	"github.com/killick-ledger/killick/chaincode/canon"
)

// Commitment returns the commitment to content under a fresh salt. Whoever has
// salt and content can show that the commitment is to this content; the
// commitment alone tells nothing about it.
func Commitment(content []byte) (commitment, salt [32]byte, err error) {
	if _, err := rand.Read(salt[:]); err != nil {
		return commitment, salt, fmt.Errorf("draw salt: %w", err)
	}
	return CommitmentWith(salt, content), salt, nil
}

// CommitmentWith returns the commitment to content under a known salt
// (docs/formats/operation.md section 4).
func CommitmentWith(salt [32]byte, content []byte) [32]byte {
	return canon.Sum([]byte("killick.record.v1"), salt[:], content)
}
