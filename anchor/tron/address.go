package tron

import (
	"github.com/fbsobreira/gotron-sdk/pkg/address"

	"github.com/killick-ledger/killick/anchor/send"
)

// prefix begins an address outside the virtual machine.
const prefix = address.TronBytePrefix

// Base58 returns an address in the form people use: T...
func Base58(a send.Address) string { return address.Address(wire(a)).String() }

// wire returns the 21 bytes that Tron's API carries.
func wire(a send.Address) []byte { return append([]byte{prefix}, a[:]...) }
