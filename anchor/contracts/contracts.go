// Package contracts holds the contracts that anchor the ledger and pay rewards,
// in compiled form, with Go functions that make and read their calldata. It
// speaks to no chain: the same bytes go to an EVM chain and to Tron.
//
// Addresses are the 20 bytes, on Tron without the 0x41 prefix. Amounts are the
// token's smallest unit. docs/formats/contracts.md specifies digests, leaves and
// trees; chaincode/canon computes them.
package contracts

import (
	"bytes"
	"embed"
	"encoding/json"
	"fmt"

	"github.com/ethereum/go-ethereum/accounts/abi"
	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
)

//go:embed artifacts/*.json
var artifacts embed.FS

// The contracts, each with its ABI and creation code.
var (
	anchorLog   = load("AnchorLog")
	rewardVault = load("RewardVault")
	testToken   = load("TestToken")
)

// contract is a compiled contract.
type contract struct {
	abi abi.ABI
	bin []byte
}

// load panics on an artifact that does not parse: it is part of the program.
func load(name string) contract {
	raw, err := artifacts.ReadFile("artifacts/" + name + ".json")
	if err != nil {
		panic(err)
	}
	var a struct {
		ABI json.RawMessage `json:"abi"`
		Bin hexutil.Bytes   `json:"bin"`
	}
	if err := json.Unmarshal(raw, &a); err != nil {
		panic(fmt.Sprintf("artifact %s: %v", name, err))
	}
	parsed, err := abi.JSON(bytes.NewReader(a.ABI))
	if err != nil {
		panic(fmt.Sprintf("artifact %s: %v", name, err))
	}
	return contract{abi: parsed, bin: a.Bin}
}

// create returns the creation code with the constructor's arguments.
func (c contract) create(args ...any) []byte {
	return append(bytes.Clone(c.bin), c.pack("", args...)...)
}

// pack panics when the arguments do not fit the method: their types are fixed
// by the functions of this package.
func (c contract) pack(method string, args ...any) []byte {
	data, err := c.abi.Pack(method, args...)
	if err != nil {
		panic(fmt.Sprintf("pack %q: %v", method, err))
	}
	return data
}

// unpack reads what a view returned and refuses anything but its exact encoding.
func (c contract) unpack(method string, data []byte) ([]any, error) {
	values, err := c.abi.Unpack(method, data)
	if err != nil {
		return nil, fmt.Errorf("result of %s: %w", method, err)
	}
	again, err := c.abi.Methods[method].Outputs.Pack(values...)
	if err != nil {
		return nil, fmt.Errorf("result of %s: %w", method, err)
	}
	if !bytes.Equal(again, data) {
		return nil, fmt.Errorf("result of %s: not its exact encoding: %x", method, data)
	}
	return values, nil
}

// Reason names the custom error in the return data of a reverted call to any of
// the contracts, with its arguments, or says that the data is not one.
func Reason(data []byte) string {
	if len(data) >= 4 {
		for _, c := range []contract{anchorLog, rewardVault, testToken} {
			e, err := c.abi.ErrorByID([4]byte(data))
			if err != nil {
				continue
			}
			values, err := e.Inputs.Unpack(data[4:])
			if err != nil {
				continue
			}
			return fmt.Sprintf("%s%v", e.Name, values)
		}
	}
	if text, err := abi.UnpackRevert(data); err == nil {
		return text
	}
	return fmt.Sprintf("unknown reason %x", data)
}

func addresses(in [][20]byte) []common.Address {
	out := make([]common.Address, len(in))
	for i, a := range in {
		out[i] = a
	}
	return out
}

// hashes is never nil, which the encoder does not take for an empty list.
func hashes(in [][32]byte) [][32]byte { return append([][32]byte{}, in...) }
