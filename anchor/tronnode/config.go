package main

import (
	"errors"
	"fmt"
	"log/slog"
	"math"
	"net"
	"strconv"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/killick-ledger/killick/anchor/tronnode/node"
)

// config is the file's content; usage documents the fields.
type config struct {
	GRPC          string            `yaml:"grpc"`
	Solidity      string            `yaml:"solidity"`
	HTTP          string            `yaml:"http"`
	Dir           string            `yaml:"dir"`
	Period        time.Duration     `yaml:"period"`
	SolidifyAfter int               `yaml:"solidify_after"`
	TxCache       bool              `yaml:"tx_cache"`
	Alloc         map[string]string `yaml:"alloc"`

	alloc map[common.Address]uint64 // Alloc, read by Check
}

// Check reports all mistakes at once.
func (c *config) Check() error {
	var errs []error
	seen := map[string]bool{}
	for _, field := range []struct{ name, value string }{
		{"grpc", c.GRPC}, {"solidity", c.Solidity}, {"http", c.HTTP},
	} {
		_, port, err := net.SplitHostPort(field.value)
		switch {
		case err != nil:
			errs = append(errs, fmt.Errorf("%s: %w", field.name, err))
		case seen[field.value] && port != "0":
			errs = append(errs, fmt.Errorf("%s: %s is used twice", field.name, field.value))
		}
		seen[field.value] = true
	}
	if c.Dir == "" {
		errs = append(errs, errors.New("dir: must be set"))
	}
	if c.Period < 0 || c.Period > 0 && c.Period < time.Millisecond {
		errs = append(errs, errors.New("period: must be at least 1ms"))
	}
	if c.SolidifyAfter < 0 || c.SolidifyAfter > node.Producers {
		errs = append(errs, fmt.Errorf("solidify_after: must be from 0 to %d", node.Producers))
	}
	c.alloc = map[common.Address]uint64{}
	var sum uint64
	for key, value := range c.Alloc {
		addr, err := node.ParseAddress(key)
		if err != nil {
			errs = append(errs, fmt.Errorf("alloc: %w", err))
			continue
		}
		sun, err := strconv.ParseUint(value, 10, 63)
		switch {
		case err != nil:
			errs = append(errs, fmt.Errorf("alloc: %s: %w", key, err))
		case sun > math.MaxInt64-sum:
			errs = append(errs, errors.New("alloc: more sun than an account can hold"))
		default:
			sum += sun
		}
		if _, ok := c.alloc[addr]; ok {
			errs = append(errs, fmt.Errorf("alloc: %s is there twice", key))
		}
		c.alloc[addr] = sun
	}
	return errors.Join(errs...)
}

func (c *config) chain(log *slog.Logger) node.Config {
	return node.Config{
		Dir: c.Dir, Period: c.Period, SolidifyAfter: c.SolidifyAfter, IDCache: c.TxCache, Alloc: c.alloc, Log: log,
	}
}
