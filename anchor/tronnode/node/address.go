package node

import (
	"encoding/hex"
	"errors"
	"fmt"
	"strings"

	"github.com/ethereum/go-ethereum/common"
	"github.com/fbsobreira/gotron-sdk/pkg/address"
)

// Base58 returns an address in the form people use: T...
func Base58(a common.Address) string { return address.Address(wire(a)).String() }

// ParseAddress reads T..., 0x and 20 bytes, or 41 and 20 bytes in hexadecimal.
func ParseAddress(s string) (common.Address, error) {
	if strings.HasPrefix(s, "T") {
		a, err := address.Base58ToAddress(s)
		if err != nil {
			return common.Address{}, fmt.Errorf("address %q: %w", s, err)
		}
		return unwire(a)
	}
	b, err := hex.DecodeString(strings.TrimPrefix(s, "0x"))
	switch {
	case err != nil:
		return common.Address{}, fmt.Errorf("address %q: %w", s, err)
	case len(b) == 20:
		return common.Address(b), nil
	case len(b) == 21:
		return unwire(b)
	}
	return common.Address{}, fmt.Errorf("address %q: %w", s, errors.New("not 20 bytes"))
}
