package main

import (
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/killick-ledger/killick/anchor/signer"
	"github.com/killick-ledger/killick/chaincode/canon"
	"github.com/killick-ledger/killick/chaincode/govern"
)

// dice makes the organisation's chains for draws from one secret: those that are
// registered and those to come. Nothing of a chain is kept, so nothing of it can be lost
// but the secret, without which the organisation has no elements until the members
// register another chain of it.
type dice struct {
	network, msp string
	secret       [32]byte
}

// readDice reads the file of the secret: 64 hex digits.
func readDice(network, msp, path string) (*dice, error) {
	if err := signer.CheckName(path); err != nil {
		return nil, err
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("secret of draws: %w", err)
	}
	d := &dice{network: network, msp: msp}
	secret, err := canon.UnHex32(strings.TrimSpace(string(text)))
	if err != nil {
		return nil, fmt.Errorf("secret of draws: %s does not hold 64 hex digits", path)
	}
	d.secret = secret
	return d, nil
}

// makeDice makes the file of the secret, unless it exists or none is named.
func makeDice(path string) error {
	if path == "" {
		return nil
	}
	if err := signer.CheckName(path); err != nil {
		return err
	}
	secret := make([]byte, 32)
	if _, err := rand.Read(secret); err != nil {
		return fmt.Errorf("make the secret of draws: %w", err)
	}
	return createSecret(path, hex.EncodeToString(secret)+"\n")
}

// last returns the last element of a chain, of which all others are made. Chains that
// differ in anything have nothing in common.
func (d *dice) last(from, length uint64) (e [32]byte, err error) {
	key, err := hkdf.Key(sha256.New, d.secret[:], nil, fmt.Sprintf("killick draws %s %s %d %d", d.network, d.msp, from, length), len(e))
	if err != nil {
		return e, fmt.Errorf("derive a chain: %w", err)
	}
	return [32]byte(key), nil
}

// chain returns a chain as the members register it.
func (d *dice) chain(from, length uint64) (govern.Chain, error) {
	last, err := d.last(from, length)
	if err != nil {
		return govern.Chain{}, err
	}
	tip := canon.ChainWalk(d.network, d.msp, last, length)
	return govern.Chain{From: from, Length: length, Tip: canon.Hex(tip[:])}, nil
}

// element returns the element of a draw that is in the chain, and refuses to name one of
// another chain than the registered one: it would be refused, and could be of use to who
// knows the other.
func (d *dice) element(c govern.Chain, draw uint64) ([32]byte, error) {
	last, err := d.last(c.From, c.Length)
	if err != nil {
		return last, err
	}
	e := canon.ChainWalk(d.network, d.msp, last, c.Length-1-(draw-c.From))
	if tip := canon.ChainWalk(d.network, d.msp, e, draw-c.From+1); canon.Hex(tip[:]) != c.Tip {
		return e, fmt.Errorf("the registered chain from draw %d on is not of the secret in keys.draws: propose another chain, or bring the file back", c.From)
	}
	return e, nil
}

// printChain prints a chain as a line of JSON, the value to propose for chain/<msp>.
func printChain(w io.Writer, c *config, from, length uint64) error {
	d, err := readDice(c.Network, c.Organisation, c.Keys.Draws)
	if err != nil {
		return err
	}
	if from < 1 || length < 1 || length > 1<<20 {
		return fmt.Errorf("a chain begins at draw 1 or later and has 1 to %d elements", 1<<20)
	}
	chain, err := d.chain(from, length)
	if err != nil {
		return err
	}
	line, err := json.Marshal(chain)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(w, "%s\n", line)
	return err
}
