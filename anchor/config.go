package main

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"math/big"
	"net"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/killick-ledger/killick/anchor/log"
	"github.com/killick-ledger/killick/anchor/tron"
	"github.com/killick-ledger/killick/chaincode/canon"
	"github.com/killick-ledger/killick/network/configuration"
	"github.com/killick-ledger/killick/network/fabric"
)

// config is anchor.yaml.
type config struct {
	Organisation string        `yaml:"organisation"` // MSP id
	Listen       string        `yaml:"listen"`       // host:port of the HTTP server
	Dir          string        `yaml:"dir"`          // log, index, journal, last signature
	Network      string        `yaml:"network"`      // name of the network
	LogID        string        `yaml:"log_id"`       // hex
	K            int           `yaml:"k"`            // how many of members must agree
	Fabric       fabric.Config `yaml:"fabric"`
	Keys         keyFiles      `yaml:"keys"`
	Members      []member      `yaml:"members"` // a member set of the ledger, in its order; who is in force, the ledger says
	Chains       []chainConfig `yaml:"chains"`
	Cadence      cadence       `yaml:"cadence"`
}

// keyFiles names the files that hold this organisation's keys; only its user may
// read them.
type keyFiles struct {
	Cosign string `yaml:"cosign"` // Ed25519, as a note signer key
	Attest string `yaml:"attest"` // secp256k1, hex; signs for contracts
	Sender string `yaml:"sender"` // secp256k1, hex; pays fees
	Draws  string `yaml:"draws"`  // 32 bytes, hex: of what the chains for draws are made; empty: no elements are published
}

// member is one organisation as the others know it.
type member struct {
	MSPID     string `yaml:"msp_id" json:"msp_id"`
	CosignKey string `yaml:"cosign_key" json:"cosign_key"`
	Address   string `yaml:"address" json:"address"`
}

// chainConfig is one public chain.
type chainConfig struct {
	ID        string   `yaml:"id"`         // CAIP-2
	Kind      string   `yaml:"kind"`       // evm or tron
	RPC       []string `yaml:"rpc"`        // JSON-RPC endpoints; on Tron they serve events only
	GRPC      string   `yaml:"grpc"`       // Tron full node: host:port, or https://host:port
	Solidity  string   `yaml:"solidity"`   // Tron solidity node; GRPC when empty
	Also      []string `yaml:"also"`       // further Tron solidity nodes: one of them must agree about what is final
	AnchorLog string   `yaml:"anchor_log"` // CAIP-10
	Vaults    []string `yaml:"vaults"`     // CAIP-10
	FromBlock uint64   `yaml:"from_block"` // where to begin looking for events; 0 is the first
	Budget    string   `yaml:"budget"`     // most that may be spent on a day (UTC), in wei or sun; no limit when empty
	LowFunds  string   `yaml:"low_funds"`  // what the fee account must hold, in wei or sun; 5*10^16 or 5*10^8 when empty
}

// cadence says how often things happen. Zero values stand for the defaults.
type cadence struct {
	Busy  time.Duration `yaml:"busy"`  // between checkpoints while operations arrive; 5 s
	Quiet time.Duration `yaml:"quiet"` // between checkpoints otherwise; 60 s
	Post  time.Duration `yaml:"post"`  // between anchors on public chains; 10 min
}

// deployConfig is deploy.yaml.
type deployConfig struct {
	Network string        `yaml:"network"`
	LogID   string        `yaml:"log_id"`
	K       int           `yaml:"k"`
	Members []member      `yaml:"members"`
	Sender  string        `yaml:"sender"` // key file of the account that pays
	Chains  []chainConfig `yaml:"chains"`
	Asset   string        `yaml:"asset"`  // what the test token stands for; usd
	Supply  uint64        `yaml:"supply"` // base units that each vault gets; 10^15
	Out     string        `yaml:"out"`    // deployments.json
	Policy  string        `yaml:"policy"` // policy.json
}

func readConfig(path string) (*config, error) {
	c := &config{}
	if err := configuration.Unchecked(path, c); err != nil {
		return nil, err
	}
	c.Cadence.defaults()
	if err := c.check(); err != nil {
		return nil, fmt.Errorf("configuration %s: %w", path, err)
	}
	return c, nil
}

// readKeysConfig asks only for what keys are made from: when they are made,
// members and contracts are not known.
func readKeysConfig(path string) (*config, error) {
	c := &config{}
	if err := configuration.Unchecked(path, c); err != nil {
		return nil, err
	}
	if c.Organisation == "" || c.Network == "" || c.Keys.Cosign == "" || c.Keys.Attest == "" || c.Keys.Sender == "" {
		return nil, fmt.Errorf("configuration %s: organisation, network and the three keys are needed", path)
	}
	return c, nil
}

func (c *cadence) defaults() {
	for d, v := range map[*time.Duration]time.Duration{
		&c.Busy: 5 * time.Second, &c.Quiet: time.Minute, &c.Post: 10 * time.Minute,
	} {
		if *d == 0 {
			*d = v
		}
	}
}

// check reports all mistakes at once.
func (c *config) check() error {
	var errs []error
	bad := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	if c.Dir == "" {
		bad("dir is needed")
	}
	if _, _, err := net.SplitHostPort(c.Listen); err != nil {
		bad("listen: %w", err)
	}
	if c.Fabric.MSPID != c.Organisation || len(c.Fabric.Peers) == 0 || c.Fabric.Peers[0].MSPID != c.Organisation {
		bad("fabric: identity and first peer must be those of %s", c.Organisation)
	}
	if c.Cadence.Busy < 0 || c.Cadence.Quiet < c.Cadence.Busy || c.Cadence.Post < 0 {
		bad("cadence: want 0 < busy <= quiet, and post > 0")
	}
	for i, ch := range c.Chains {
		errs = append(errs, ch.check(i)...)
	}
	if _, err := c.policy(); err != nil {
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

// check checks how a chain is reached; its contracts are the policy's matter.
func (c chainConfig) check(i int) (errs []error) {
	if c.Kind != "evm" && c.Kind != "tron" {
		errs = append(errs, fmt.Errorf("chains[%d]: kind is %q, want evm or tron", i, c.Kind))
	}
	if len(c.RPC) == 0 {
		errs = append(errs, fmt.Errorf("chains[%d]: at least one rpc endpoint is needed", i))
	}
	if c.Kind == "tron" && c.GRPC == "" {
		errs = append(errs, fmt.Errorf("chains[%d]: grpc is needed", i))
	}
	errs = append(errs, c.endpoints(i)...)
	if _, err := canon.ChainNumber(c.ID); err != nil {
		errs = append(errs, fmt.Errorf("chains[%d]: id: %w", i, err))
	}
	for name, text := range map[string]string{"budget": c.Budget, "low_funds": c.LowFunds} {
		if n, ok := new(big.Int).SetString(text, 10); text != "" && (!ok || n.Sign() <= 0) {
			errs = append(errs, fmt.Errorf("chains[%d]: %s is %q, want a positive number", i, name, text))
		}
	}
	for _, v := range c.Vaults {
		if a, err := canon.ParseAccount(v); err != nil || a.Chain != c.ID {
			errs = append(errs, fmt.Errorf("chains[%d]: vault %q is no account of this chain", i, v))
		}
	}
	return errs
}

// endpoints checks Tron's addresses, and that none of those that have to agree about what
// is final is another one under its name.
func (c chainConfig) endpoints(i int) (errs []error) {
	grpc := slices.DeleteFunc(append([]string{c.GRPC, c.Solidity}, c.Also...), func(a string) bool { return a == "" })
	if c.Kind != "tron" && len(grpc) > 0 {
		errs = append(errs, fmt.Errorf("chains[%d]: grpc, solidity and also belong to Tron", i))
	}
	for _, a := range grpc {
		if err := tron.CheckAddress(a); err != nil {
			errs = append(errs, fmt.Errorf("chains[%d]: %w", i, err))
		}
	}
	once := func(all []string, name func(string) string) {
		seen := map[string]bool{}
		for _, a := range all {
			at := name(a)
			if seen[at] {
				errs = append(errs, fmt.Errorf("chains[%d]: %s is named twice: endpoints have to agree about what is final, and one would agree with itself", i, at))
			}
			seen[at] = true
		}
	}
	once(c.RPC, where)
	once(append([]string{cmp.Or(c.Solidity, c.GRPC)}, c.Also...), func(a string) string { return strings.ToLower(strings.TrimPrefix(a, "https://")) })
	return errs
}

// where names an endpoint's host, with its port unless that is the scheme's own: no more of
// a URL, which may hold a password.
func where(text string) string {
	u, err := url.Parse(text)
	if err != nil {
		return "(url)"
	}
	name := strings.ToLower(u.Hostname())
	if p := u.Port(); p != "" && u.Scheme+p != "http80" && u.Scheme+p != "https443" {
		name = net.JoinHostPort(name, p)
	}
	return name
}

// policy is what the members agree on, without vaults: their tokens and assets
// are on the ledger. Which version the configured set has, only the ledger says.
func (c *config) policy() (*log.Policy, error) {
	p := membersPolicy(c.Network, c.LogID, c.K, c.Members)
	for _, ch := range c.Chains {
		p.Chains = append(p.Chains, log.Chain{ID: ch.ID, AnchorLog: ch.AnchorLog})
	}
	return p, p.Check()
}

func membersPolicy(network, logID string, k int, members []member) *log.Policy {
	p := &log.Policy{Network: network, Log: logID, SetVersion: 1, K: uint64(max(k, 0))}
	for _, m := range members {
		p.Members = append(p.Members, log.Member{MSP: m.MSPID, Cosign: m.CosignKey, Address: m.Address})
	}
	return p
}

// ascending returns the members' addresses as contracts want them.
func ascending(members []member) ([][20]byte, error) {
	var all [][20]byte
	for _, m := range members {
		b, err := canon.UnHex(strings.TrimPrefix(m.Address, "0x"), 20)
		if err != nil {
			return nil, fmt.Errorf("address of %s: %w", m.MSPID, err)
		}
		all = append(all, [20]byte(b))
	}
	slices.SortFunc(all, func(a, b [20]byte) int { return bytes.Compare(a[:], b[:]) })
	return all, nil
}
