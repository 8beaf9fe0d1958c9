package tron

import (
	"fmt"

	"github.com/fbsobreira/gotron-sdk/pkg/address"

	"github.com/killick-ledger/killick/anchor/send"
)

// prefix begins an address outside the virtual machine.
const prefix = address.TronBytePrefix

// Base58 returns an address in the form people use: T...
func Base58(a send.Address) string { return address.Address(wire(a)).String() }

// ParseAddress reads an address in the form people use, checksum included.
func ParseAddress(s string) (send.Address, error) {
	b, err := address.Base58ToAddress(s)
	if err != nil {
		return send.Address{}, fmt.Errorf("address %q: %w", s, err)
	}
	return unwire(b)
}

// wire returns the 21 bytes that Tron's API carries.
func wire(a send.Address) []byte { return append([]byte{prefix}, a[:]...) }

func unwire(b []byte) (send.Address, error) {
	if len(b) != address.AddressLength || b[0] != prefix {
		return send.Address{}, fmt.Errorf("address %x is not of a Tron network", b)
	}
	return send.Address(b[1:]), nil
}
