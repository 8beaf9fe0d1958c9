package tron_test

import (
	"testing"

	"github.com/ethereum/go-ethereum/crypto"
	"github.com/fbsobreira/gotron-sdk/pkg/keystore"
	"github.com/killick-ledger/killick/chaincode/canon"
)

// What a wallet signs as a message on Tron links its account to a DID: the hash is that
// of Tron's own library.
func TestWalletsLinkAccounts(t *testing.T) {
	key, err := crypto.GenerateKey()
	if err != nil {
		t.Fatal(err)
	}
	account := canon.Account{Chain: "tron:0x2b6653dc", Address: crypto.PubkeyToAddress(key.PublicKey)}
	did := "did:killick:main-0011223344556677:4KZXuGpR4R28YfKeELEnVp4TLR2y"
	hash := keystore.TextHash([]byte(canon.LinkText(did, account, "new")))
	digest := canon.LinkDigest(did, account, "new")
	if [32]byte(hash) != digest {
		t.Fatalf("gotron hashes %x, we %x", hash, digest)
	}
	signature, err := crypto.Sign(hash, key)
	if err != nil {
		t.Fatal(err)
	}
	signature[64] += 27
	if signer, err := canon.Recover(digest, signature); err != nil || signer != account.Address {
		t.Errorf("recovered %x, %v", signer, err)
	}
}
