package node

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"math/big"
	"net"
	"slices"
	"strings"
	"time"

	"github.com/ethereum/go-ethereum/common"

	"github.com/killick-ledger/killick/network/configuration"
)

// Config says what chain a node keeps and where.
type Config struct {
	// Listen is the host and port of JSON-RPC over HTTP. Port 0 takes a free
	// one. Required.
	Listen string
	// ChainID is the EIP-155 chain id. Required; it cannot change later.
	ChainID uint64
	// Dir keeps the chain. Empty keeps it in memory, for tests.
	Dir string
	// Finality is the number of blocks after which a block is finalized; half
	// of it makes a block safe. 0 finalizes each block at once.
	Finality uint64
	// Alloc gives balances in wei at the genesis block. It cannot change later.
	Alloc map[common.Address]*big.Int
}

// File is the configuration of the program.
type File struct {
	Config
	// Period is the time between blocks, at least a second: that is the unit of
	// an EVM block's time, and it has to rise with each block.
	Period time.Duration
}

// The defaults of settings that a file leaves out.
const (
	DefaultChainID  = 1337
	DefaultPeriod   = time.Second
	DefaultFinality = 4
)

// fileYAML is the form of a File on disk.
type fileYAML struct {
	Listen   string            `yaml:"listen"`
	ChainID  uint64            `yaml:"chain_id"`
	Dir      string            `yaml:"dir"`
	Period   string            `yaml:"period"`
	Finality uint64            `yaml:"finality"`
	Alloc    map[string]string `yaml:"alloc"`
}

// Parse reads a configuration file. Unknown fields are refused, and all
// mistakes are reported at once.
func Parse(r io.Reader) (File, error) {
	y := fileYAML{
		ChainID:  DefaultChainID,
		Period:   DefaultPeriod.String(),
		Finality: DefaultFinality,
	}
	data, err := io.ReadAll(r)
	if err == nil {
		err = configuration.Decode(data, &y)
	}
	if err != nil {
		return File{}, fmt.Errorf("parse: %w", err)
	}
	return y.file()
}

func (y fileYAML) file() (File, error) {
	f := File{Config: Config{
		Listen: y.Listen, ChainID: y.ChainID, Dir: y.Dir, Finality: y.Finality,
		Alloc: make(map[common.Address]*big.Int),
	}}
	var errs []error
	if y.Dir == "" {
		errs = append(errs, errors.New("dir: missing; name the folder that keeps the chain"))
	}
	period, err := time.ParseDuration(y.Period)
	if err != nil || period < time.Second {
		errs = append(errs, fmt.Errorf("period: %q is not a duration of 1s or more", y.Period))
	}
	f.Period = period
	for _, key := range slices.Sorted(maps.Keys(y.Alloc)) {
		address, wei, err := parseAlloc(key, y.Alloc[key])
		if err == nil && f.Alloc[address] != nil {
			err = errors.New("appears twice")
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("alloc: %s: %w", key, err))
			continue
		}
		f.Alloc[address] = wei
	}
	errs = append(errs, f.Config.Check())
	return f, errors.Join(errs...)
}

func parseAlloc(key, value string) (common.Address, *big.Int, error) {
	if !common.IsHexAddress(key) || !strings.HasPrefix(key, "0x") {
		return common.Address{}, nil, errors.New("not an address: 0x and 40 hex digits")
	}
	wei, ok := new(big.Int).SetString(value, 10)
	if !ok {
		return common.Address{}, nil, fmt.Errorf("%q is not a decimal number of wei", value)
	}
	return common.HexToAddress(key), wei, nil
}

// Check reports all mistakes of c.
func (c Config) Check() error {
	var errs []error
	if _, _, err := net.SplitHostPort(c.Listen); err != nil {
		errs = append(errs, fmt.Errorf("listen: %w", err))
	}
	if c.ChainID == 0 {
		errs = append(errs, errors.New("chain_id: must not be 0"))
	}
	for address, wei := range c.Alloc {
		if wei.Sign() < 0 || wei.BitLen() > 256 {
			errs = append(errs, fmt.Errorf("alloc: %s: %s is out of range", address, wei))
		}
	}
	return errors.Join(errs...)
}
