// Package signertest is the suite that every way of holding a key passes, and what
// tests of several packages need of keys.
package signertest

import (
	"context"
	"crypto/ecdsa"
	"crypto/sha256"
	"errors"
	"fmt"
	"sync"
	"testing"

	"github.com/decred/dcrd/dcrec/secp256k1/v4"
	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/crypto"

	"github.com/killick-ledger/killick/anchor/signer"
	"github.com/killick-ledger/killick/chaincode/canon"
)

// Key returns a key in memory, nil for nil.
func Key(key *ecdsa.PrivateKey) *signer.Key {
	if key == nil {
		return nil
	}
	return signer.Software(secp256k1.PrivKeyFromBytes(crypto.FromECDSA(key)))
}

// Faulty is a key in memory behind a device that fails as Fault says while Failing.
type Faulty struct {
	Key     *signer.Key
	Fault   string // of Faults
	Failing bool
	Asked   int
}

// Faults are what may be wrong with a device: it is away; it signed and the answer was
// lost; it signed something else; it holds another key.
var Faults = []string{"away", "answer lost", "something else", "another key"}

// Sign implements signer.Device.
func (f *Faulty) Sign(ctx context.Context, digest [32]byte) (rs [64]byte, err error) {
	f.Asked++
	k := f.Key
	switch {
	case !f.Failing:
	case f.Fault == "away":
		return rs, errors.New("the device is away")
	case f.Fault == "something else":
		digest[31] ^= 1
	case f.Fault == "another key":
		other := sha256.Sum256([]byte("another key"))
		k = signer.Software(secp256k1.PrivKeyFromBytes(other[:]))
	}
	sig, err := k.Sign(ctx, digest)
	if f.Failing && f.Fault == "answer lost" {
		return rs, errors.New("the device's answer was lost")
	}
	return [64]byte(sig[:64]), err
}

// Sign returns a key's signature over a digest. A key that does not sign is a panic.
func Sign(k *signer.Key, digest [32]byte) [65]byte {
	sig, err := k.Sign(context.Background(), digest)
	if err != nil {
		panic(err)
	}
	return sig
}

// Run checks that a key signs as chains want it: in one form, for its own address, for
// Ethereum's hashes as for Tron's, and for many at once.
func Run(t *testing.T, k *signer.Key) {
	t.Helper()
	t.Run("any digest", func(t *testing.T) {
		// Half of a device's bare signatures have a high s, and half need either v.
		for i := range 48 {
			check(t, k, sha256.Sum256(fmt.Append(nil, i)))
		}
		check(t, k, [32]byte{})
		check(t, k, [32]byte(common.MaxHash))
	})
	t.Run("an Ethereum transaction", func(t *testing.T) {
		rules := types.LatestSignerForChainID(common.Big1)
		tx := types.NewTx(&types.DynamicFeeTx{ChainID: common.Big1, Nonce: 7, Data: []byte("data")})
		sig, err := k.Sign(t.Context(), rules.Hash(tx))
		if err != nil {
			t.Fatal(err)
		}
		sig[64] -= 27
		signed, err := tx.WithSignature(rules, sig[:])
		if err != nil {
			t.Fatal(err)
		}
		if from, err := types.Sender(rules, signed); err != nil || from != common.Address(k.Address()) {
			t.Errorf("sent by %s, want %x: %v", from, k.Address(), err)
		}
	})
	t.Run("many at once", func(t *testing.T) {
		var wg sync.WaitGroup
		for i := range 16 {
			wg.Go(func() { check(t, k, sha256.Sum256(fmt.Append(nil, "at once", i))) })
		}
		wg.Wait()
	})
}

func check(t *testing.T, k *signer.Key, digest [32]byte) {
	t.Helper()
	sig, err := k.Sign(context.Background(), digest)
	if err != nil {
		t.Error(err)
		return
	}
	// Recover refuses a high s and any other v.
	if by, err := canon.Recover(digest, sig[:]); err != nil || by != k.Address() {
		t.Errorf("digest %x: signed by %x, want %x: %v", digest, by, k.Address(), err)
	}
}
