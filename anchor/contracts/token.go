package contracts

import (
	"fmt"
	"math/big"

	"github.com/ethereum/go-ethereum/common"
)

// NewTestToken returns the creation code of a TestToken, whose whole supply goes
// to the deployer.
func NewTestToken(supply *big.Int) []byte { return testToken.create(supply) }

// PackTransfer returns the calldata of an ERC-20 or TRC-20 transfer.
func PackTransfer(to [20]byte, value *big.Int) []byte {
	return testToken.pack("transfer", common.Address(to), value)
}

// PackBalanceOf returns the calldata of the ERC-20 or TRC-20 view that returns a
// balance as one word.
func PackBalanceOf(account [20]byte) []byte {
	return testToken.pack("balanceOf", common.Address(account))
}

// UnpackUint reads the one word of a view that returns an unsigned integer.
func UnpackUint(data []byte) (*big.Int, error) {
	if len(data) != 32 {
		return nil, fmt.Errorf("an unsigned integer of %d bytes", len(data))
	}
	return new(big.Int).SetBytes(data), nil
}

// UnpackWord reads the one word of a view that returns 32 bytes.
func UnpackWord(data []byte) ([32]byte, error) {
	if len(data) != 32 {
		return [32]byte{}, fmt.Errorf("a word of %d bytes", len(data))
	}
	return [32]byte(data), nil
}
