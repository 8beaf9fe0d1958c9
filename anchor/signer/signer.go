// Package signer signs 32-byte digests with secp256k1 keys, wherever a key is: in a
// file, or in a device that another program keeps (docs/formats/signer.md).
//
// What leaves this package is r, s, v with s in the lower half of the order and v 27 or
// 28, and has been checked against the key's known address: a device that is broken,
// or holds another key, is refused and never believed. Nothing is tried twice. After an
// error nothing was signed that anybody but the device knows, so asking again is safe.
package signer

import (
	"context"
	"errors"
	"fmt"

	"github.com/decred/dcrd/dcrec/secp256k1/v4"

	"github.com/killick-ledger/killick/chaincode/canon"
)

// ErrWrong is returned for what a device says is a signature and the key did not make.
// Asking again is of no use: somebody has to look at the device.
var ErrWrong = errors.New("the signer answered with something that is no signature of its key")

// Device makes bare signatures. Implementations must be safe for concurrent use, must
// not retry, and must send what they sign nowhere but to the caller.
type Device interface {
	// Sign returns r and s of an ECDSA signature over the digest; s may be of either
	// half. After an error the caller asks again later.
	Sign(ctx context.Context, digest [32]byte) (rs [64]byte, err error)
}

// Key is a key that some device holds. It is safe for concurrent use.
type Key struct {
	address [20]byte
	device  Device
}

// New returns the key with an address, which the device holds.
func New(address [20]byte, d Device) *Key { return &Key{address: address, device: d} }

// Address returns the key's 20-byte address; on Tron a prefix comes before it.
func (k *Key) Address() [20]byte { return k.address }

// Sign returns r, s, v over the digest. Errors of the device say that it is to be asked
// again; ErrWrong says that it must not be trusted.
func (k *Key) Sign(ctx context.Context, digest [32]byte) ([65]byte, error) {
	rs, err := k.device.Sign(ctx, digest)
	if err == nil {
		var sig [65]byte
		if sig, err = complete(k.address, digest, rs); err == nil {
			return sig, nil
		}
	}
	return [65]byte{}, fmt.Errorf("sign as 0x%x: %w", k.address, err)
}

// complete brings a bare signature into the one form that chains take, and finds v by
// trying: with it the signature gives the address, or it is not the key's.
func complete(address [20]byte, digest [32]byte, rs [64]byte) ([65]byte, error) {
	var sig [65]byte
	copy(sig[:32], rs[:32])
	var s secp256k1.ModNScalar
	if overflow := s.SetByteSlice(rs[32:]); overflow {
		return sig, ErrWrong
	}
	if s.IsOverHalfOrder() {
		s.Negate()
	}
	s.PutBytesUnchecked(sig[32:64])
	for sig[64] = 27; sig[64] <= 28; sig[64]++ {
		if by, err := canon.Recover(digest, sig[:]); err == nil && by == address {
			return sig, nil
		}
	}
	return [65]byte{}, ErrWrong
}

// FromBytes returns the key with these 32 bytes, in this process's memory.
func FromBytes(raw []byte) (*Key, error) {
	var scalar secp256k1.ModNScalar
	if overflow := scalar.SetByteSlice(raw); len(raw) != 32 || overflow || scalar.IsZero() {
		return nil, errors.New("not a key of secp256k1")
	}
	return Software(secp256k1.NewPrivateKey(&scalar)), nil
}

// Software returns a key that is in this process's memory.
func Software(key *secp256k1.PrivateKey) *Key {
	return New(canon.KeyAddress(key.PubKey()), software{key})
}

type software struct{ key *secp256k1.PrivateKey }

func (s software) Sign(_ context.Context, digest [32]byte) ([64]byte, error) {
	sig := canon.SignDigest(s.key, digest)
	return [64]byte(sig[:64]), nil
}
