package evm_test

import (
	"testing"

	"github.com/decred/dcrd/dcrec/secp256k1/v4"
	"github.com/ethereum/go-ethereum/accounts"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/killick-ledger/killick/chaincode/canon"
)

// What a wallet signs with personal_sign (EIP-191) links its account to a DID: hash and
// signature are those of go-ethereum.
func TestWalletsLinkAccounts(t *testing.T) {
	key, err := crypto.GenerateKey()
	if err != nil {
		t.Fatal(err)
	}
	account := canon.Account{Chain: "eip155:1", Address: crypto.PubkeyToAddress(key.PublicKey)}
	for _, version := range []string{"new", "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"} {
		did := "did:killick:main-0011223344556677:4KZXuGpR4R28YfKeELEnVp4TLR2y"
		hash := accounts.TextHash([]byte(canon.LinkText(did, account, version)))
		digest := canon.LinkDigest(did, account, version)
		if [32]byte(hash) != digest {
			t.Fatalf("go-ethereum hashes %x, we %x", hash, digest)
		}
		signature, err := crypto.Sign(hash, key)
		if err != nil {
			t.Fatal(err)
		}
		signature[64] += 27
		if signer, err := canon.Recover(digest, signature); err != nil || signer != account.Address {
			t.Errorf("recovered %x, %v", signer, err)
		}
		ours := canon.SignDigest(secp256k1.PrivKeyFromBytes(crypto.FromECDSA(key)), digest)
		if recovered, err := crypto.SigToPub(hash, append(ours[:64:64], ours[64]-27)); err != nil || crypto.PubkeyToAddress(*recovered) != account.Address {
			t.Errorf("go-ethereum takes our signature for another's: %v", err)
		}
	}
}
