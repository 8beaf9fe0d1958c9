package opstest

import (
	"bytes"

	"github.com/killick-ledger/killick/chaincode/canon"
	"github.com/killick-ledger/killick/chaincode/record"
)

// Content returns a content of the form that the ledger takes for a record of that
// size, with a recipient for each DID URL. Equal arguments make equal contents, and
// nobody can open one.
func Content(size int, kids ...string) []byte {
	filled := func(n int) string { return canon.B64(bytes.Repeat([]byte{7}, n)) }
	c := record.Content{Protected: record.ContentProtected, IV: filled(12), Ciphertext: filled(record.SaltSize + size), Tag: filled(16)}
	for i, kid := range kids {
		epk := record.Ephemeral{Kty: "OKP", Crv: "X25519", X: filled(32)}
		if i%2 == 1 {
			epk = record.Ephemeral{Kty: "EC", Crv: "P-256", X: filled(32), Y: filled(32)}
		}
		c.Recipients = append(c.Recipients, record.Recipient{Header: record.RecipientHeader{Alg: record.ContentAlg, Kid: kid, Epk: epk}, EncryptedKey: filled(40)})
	}
	data, err := canon.Marshal(c)
	if err != nil {
		panic(err) // of constant form
	}
	return data
}

// Digest returns the name of a content: its SHA-256 in hex.
func Digest(content []byte) string {
	sum := canon.Sum(content)
	return canon.Hex(sum[:])
}

// Give has these contents, and no others, come with the transactions from now on.
func (w *World) Give(contents ...[]byte) {
	w.Private.Contents = map[string][]byte{}
	for _, c := range contents {
		w.Private.Contents[Digest(c)] = c
	}
}
