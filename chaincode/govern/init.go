package govern

import (
	"slices"
	"strings"

	"github.com/killick-ledger/killick/chaincode/canon"
	"github.com/killick-ledger/killick/chaincode/did"
	"github.com/killick-ledger/killick/chaincode/fault"
	"github.com/killick-ledger/killick/chaincode/ledger"
)

// Limits of a network.
const (
	maxMembers    = 31   // contracts take at most 31 signers
	maxAccredited = 1000 // DIDs in each role; ops:Network answers all issuers
	maxVaults     = 16
	maxAssets     = 64
)

// Init is the request of ops:Init.
type Init struct {
	Network          string   `json:"network"`
	Log              string   `json:"log"`
	Rules            uint32   `json:"rules"`
	Members          []Member `json:"members"`
	K                int      `json:"k"`
	Vaults           []Vault  `json:"vaults"`
	Issuers          []string `json:"issuers,omitempty"`
	Program          string   `json:"program"` // digest of the chaincode program that members run at first
	Treasuries       []string `json:"treasuries"`
	Assets           []string `json:"assets"`
	EpochSeconds     uint64   `json:"epochSeconds"`
	HeartbeatSeconds uint64   `json:"heartbeatSeconds"`
	Test             bool     `json:"test,omitzero"` // exactly when the name is a test ledger's (canon.Simulated)
}

// Apply fixes the network, once, at the request of one of the members that it
// names. Errors: fault.AlreadyInitialised, fault.NotMember, fault.InvalidValue
// and the other codes of bad forms.
func (i *Init) Apply(tx *ledger.Tx) error {
	exists, err := tx.Has(NetworkKey)
	if err != nil {
		return err
	}
	if exists {
		return fault.New(fault.AlreadyInitialised, "the network is fixed")
	}
	n := &Network{
		Name: i.Network, Log: i.Log, Rules: i.Rules, SetVersion: 1, Members: i.Members, K: i.K, Vaults: i.Vaults,
		Treasuries: i.Treasuries, Assets: i.Assets, EpochSeconds: i.EpochSeconds, HeartbeatSeconds: i.HeartbeatSeconds, Stopped: []string{}, Bound: []string{}, Test: i.Test,
	}
	if err := n.check(); err != nil {
		return err
	}
	if _, err := n.CallingMember(tx); err != nil {
		return err
	}
	if err := checkProgram(i.Program); err != nil {
		return err
	}
	if len(i.Issuers) > maxAccredited {
		return fault.New(fault.InvalidValue, "%d issuers, at most %d are allowed", len(i.Issuers), maxAccredited)
	}
	for _, issuer := range i.Issuers {
		id, err := did.ParseOn(n.Name, issuer)
		if err != nil {
			return err
		}
		if err := putJSON(tx, IssuerKey(id), Issuer{issuer, []string{AnySchema}}); err != nil {
			return err
		}
	}
	if err := accept(tx, Program{i.Program, 1}); err != nil {
		return err
	}
	return putJSON(tx, NetworkKey, n)
}

func (n *Network) check() error {
	if err := CheckName(n.Name); err != nil {
		return err
	}
	if _, err := n.LogID(); err != nil {
		return fault.New(fault.InvalidValue, "log: %s", fault.Text(err))
	}
	if n.Test != canon.Simulated(n.Name) {
		return fault.New(fault.InvalidValue, "a test ledger, and no other, has a name that begins with %s", canon.TestPrefix)
	}
	if n.Rules != Rules {
		return fault.New(fault.InvalidValue, "rules %d; this program contains %d", n.Rules, Rules)
	}
	if n.EpochSeconds < 1 || n.HeartbeatSeconds < 1 {
		return fault.New(fault.InvalidValue, "epochSeconds and heartbeatSeconds must be at least 1")
	}
	if err := n.checkMembers(); err != nil {
		return err
	}
	if err := n.checkAssets(); err != nil {
		return err
	}
	if err := n.checkStopped(); err != nil {
		return err
	}
	return n.checkVaults()
}

// CheckName refuses what is not `<channel>-<16 hex digits>`, 64 characters at most: as
// long as names are anywhere else.
// Errors: fault.InvalidValue.
func CheckName(name string) error {
	dash := strings.LastIndexByte(name, '-')
	if dash < 1 || !ledger.IsName(name, 64) {
		return fault.New(fault.InvalidValue, "network %.100q is not <channel>-<16 hex digits>", name)
	}
	if _, err := canon.UnHex(name[dash+1:], 8); err != nil {
		return fault.New(fault.InvalidValue, "network %.100q is not <channel>-<16 hex digits>", name)
	}
	return nil
}

func (n *Network) checkMembers() error {
	if len(n.Members) < 1 || len(n.Members) > maxMembers {
		return fault.New(fault.InvalidValue, "%d members, 1 to %d are allowed", len(n.Members), maxMembers)
	}
	if n.K > len(n.Members) || 2*n.K <= len(n.Members) {
		return fault.New(fault.InvalidValue, "k is %d; a quorum of %d members is more than half of them and at most all", n.K, len(n.Members))
	}
	seen := map[string]bool{}
	for _, m := range n.Members {
		if !ledger.IsName(m.MSP, 64) {
			return fault.New(fault.InvalidValue, "msp %.80q is not 1 to 64 of A-Z a-z 0-9 . _ -", m.MSP)
		}
		key, err := m.CosignKey(n.Name)
		if err != nil {
			return err
		}
		if _, err := m.AddressBytes(); err != nil {
			return fault.New(fault.InvalidValue, "address of %s: %s", m.MSP, fault.Text(err))
		}
		for _, part := range []string{m.MSP, canon.Hex(key[:]), m.Address} {
			if seen[part] {
				return fault.New(fault.InvalidValue, "%.120q belongs to two members", part)
			}
			seen[part] = true
		}
	}
	for i, msp := range n.Treasuries {
		if _, _, err := n.Member(msp); err != nil || slices.Contains(n.Treasuries[:i], msp) {
			return fault.New(fault.InvalidValue, "treasury %.80q is not a member, or is named twice", msp)
		}
	}
	return nil
}

func (n *Network) checkAssets() error {
	if len(n.Assets) > maxAssets {
		return fault.New(fault.InvalidValue, "%d assets, at most %d are allowed", len(n.Assets), maxAssets)
	}
	for i, a := range n.Assets {
		if !ledger.IsName(a, 16) || slices.Contains(n.Assets[:i], a) {
			return fault.New(fault.InvalidValue, "asset %.40q is not 1 to 16 of A-Z a-z 0-9 . _ -, or is named twice", a)
		}
	}
	for i, a := range n.Bound {
		if !slices.Contains(n.Assets, a) || slices.Contains(n.Bound[:i], a) {
			return fault.New(fault.InvalidValue, "bound: %.40q is no asset of the ledger, or is named twice", a)
		}
	}
	return nil
}

func (n *Network) checkVaults() error {
	if len(n.Vaults) > maxVaults {
		return fault.New(fault.InvalidValue, "%d vaults, at most %d are allowed", len(n.Vaults), maxVaults)
	}
	seen := map[string]bool{}
	for _, v := range n.Vaults {
		vault, err := canon.ParseAccount(v.ID)
		if err != nil {
			return fault.New(fault.InvalidValue, "vault: %s", fault.Text(err))
		}
		token, err := canon.ParseAccount(v.Token)
		if err != nil {
			return fault.New(fault.InvalidValue, "token: %s", fault.Text(err))
		}
		if token.Chain != vault.Chain {
			return fault.New(fault.InvalidValue, "vault %s and its token are on two chains", v.ID)
		}
		if !slices.Contains(n.Assets, v.Asset) {
			return fault.New(fault.InvalidValue, "vault %s pays the asset %.40q, which is not listed", v.ID, v.Asset)
		}
		// A payee names a chain; asset and chain must lead to one vault.
		if pair := vault.Chain + " " + v.Asset; seen[pair] || seen[v.ID] {
			return fault.New(fault.InvalidValue, "two vaults for %s", pair)
		} else {
			seen[pair], seen[v.ID] = true, true
		}
	}
	return nil
}
