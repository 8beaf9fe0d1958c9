package log

import (
	"bytes"
	"errors"
	"fmt"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/killick-ledger/killick/chaincode/canon"
)

// Policy is what an auditor pins: the log, its members and how many of them must
// agree, the contracts (docs/formats/policy.md). ParsePolicy and Check make it
// usable; it must not be changed afterwards.
type Policy struct {
	Network    string   `json:"network"`    // name of the network, the <network> of its DIDs
	Log        string   `json:"log"`        // log id, hex
	SetVersion uint64   `json:"setVersion"` // version of the member set, from 1
	K          uint64   `json:"k"`          // members whose cosignatures are needed
	Members    []Member `json:"members"`    // in member order
	Chains     []Chain  `json:"chains"`

	set      *Set
	contract map[string]canon.Account // AnchorLog by chain id
}

// Chain is a public chain with the contracts that belong to the log.
type Chain struct {
	ID        string  `json:"id"`        // CAIP-2
	AnchorLog string  `json:"anchorLog"` // CAIP-10
	Vaults    []Vault `json:"vaults"`
}

// Vault is a payout contract.
type Vault struct {
	ID    string `json:"id"`    // CAIP-10
	Token string `json:"token"` // CAIP-10
	Asset string `json:"asset"` // the ledger's name for what the token is worth
}

// ParsePolicy reads a policy file strictly and checks it.
func ParsePolicy(data []byte) (*Policy, error) {
	p := &Policy{}
	// Editors end files with a line break; the strict decoder takes nothing after
	// the object.
	if err := canon.Decode(bytes.TrimSpace(data), p); err != nil {
		return nil, fmt.Errorf("policy: %w", err)
	}
	if err := p.Check(); err != nil {
		return nil, fmt.Errorf("policy: %w", err)
	}
	return p, nil
}

// Marshal returns the policy file.
func (p *Policy) Marshal() ([]byte, error) {
	compact, err := canon.Marshal(p)
	if err != nil {
		return nil, fmt.Errorf("policy: %w", err)
	}
	out := jsontext.Value(compact)
	if err := out.Indent(jsontext.WithIndent("  ")); err != nil {
		return nil, fmt.Errorf("policy: %w", err)
	}
	return append(out, '\n'), nil
}

// Check reports all mistakes at once and makes the policy usable.
func (p *Policy) Check() error {
	var errs []error
	bad := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	if !isName(p.Network) {
		bad("network %q is not a name", p.Network)
	}
	id, err := canon.UnHex32(p.Log)
	if err != nil {
		bad("log: %w", err)
	}
	from := uint64(0)
	if p.SetVersion == 1 {
		from = 1
	}
	p.set = &Set{Network: p.Network, LogID: id, Version: p.SetVersion, From: from, K: p.K, Members: p.Members}
	errs = append(errs, p.set.check())
	errs = append(errs, p.checkChains()...)
	return errors.Join(errs...)
}

func (p *Policy) checkChains() (errs []error) {
	p.contract = map[string]canon.Account{}
	seen := map[string]bool{}
	for _, c := range p.Chains {
		a, err := accountOn(c.ID, c.AnchorLog)
		if err != nil {
			errs = append(errs, fmt.Errorf("chain %q: anchorLog: %w", c.ID, err))
		}
		if _, twice := p.contract[c.ID]; twice {
			errs = append(errs, fmt.Errorf("chain %q: stated twice", c.ID))
		}
		p.contract[c.ID] = a
		for _, v := range c.Vaults {
			if _, err := accountOn(c.ID, v.ID); err != nil {
				errs = append(errs, fmt.Errorf("chain %q: vault: %w", c.ID, err))
			}
			if _, err := accountOn(c.ID, v.Token); err != nil {
				errs = append(errs, fmt.Errorf("chain %q: token: %w", c.ID, err))
			}
			if !isName(v.Asset) || seen[v.ID] {
				errs = append(errs, fmt.Errorf("chain %q: vault %s: asset is no name, or vault is stated twice", c.ID, v.ID))
			}
			seen[v.ID] = true
		}
	}
	return errs
}

func accountOn(chain, text string) (canon.Account, error) {
	a, err := canon.ParseAccount(text)
	if err == nil && a.Chain != chain {
		err = fmt.Errorf("%s is not on this chain", text)
	}
	return a, err
}

// isName accepts what may stand in an origin line, a key name or a claim: 1 to 64
// of A-Z a-z 0-9 . _ -.
func isName(s string) bool {
	if len(s) < 1 || len(s) > 64 {
		return false
	}
	for i := range len(s) {
		switch c := s[i]; {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9', c == '.', c == '_', c == '-':
		default:
			return false
		}
	}
	return true
}

// LogID returns the log's id.
func (p *Policy) LogID() Hash { return p.set.LogID }

// Set returns the member set that the policy pins. Its From is 0, which is unknown,
// unless it is the first one.
func (p *Policy) Set() *Set { return p.set }

// AnchorLog returns the log's contract on a chain.
func (p *Policy) AnchorLog(chain string) (canon.Account, bool) {
	a, ok := p.contract[chain]
	return a, ok
}

// vault returns the vault with the CAIP-10 id.
func (p *Policy) vault(id string) (Vault, bool) {
	for _, c := range p.Chains {
		for _, v := range c.Vaults {
			if v.ID == id {
				return v, true
			}
		}
	}
	return Vault{}, false
}
