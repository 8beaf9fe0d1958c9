// Package govern keeps what the consortium decides: the network's name, its
// member organisations and how many of them make a quorum, assets, vaults,
// treasuries, accreditations, parameters, the chaincode program and what is
// stopped. Initialisation sets all of it; most of it changes later by proposals
// that K members approve (docs/formats/govern.md). What is in force stands in
// network, role/, chain/ and program/, so whoever obeys it reads no proposal; how jobs
// are done, and what enclaves are taken, stands in the newest change alone. Times are
// seconds of the checkpoints' clock. The package is pure.
//
// State (docs/formats/state.md): network, role/, chain/, program/, govern/, rotation/.
package govern

import (
	"encoding/binary"
	"fmt"
	"slices"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/killick-ledger/killick/chaincode/canon"
	"github.com/killick-ledger/killick/chaincode/did"
	"github.com/killick-ledger/killick/chaincode/fault"
	"github.com/killick-ledger/killick/chaincode/ledger"
)

// Rules is the number of the rules that this code contains. State names the
// rules it wants; code that does not contain them refuses to touch it.
const Rules = 1

// NetworkKey is the state key of the Network.
const NetworkKey = "network"

// Network is what is in force for the whole ledger, in the order of
// docs/formats/state.md.
type Network struct {
	Name             string   `json:"network"`
	Log              string   `json:"log"`
	Rules            uint32   `json:"rules"`
	SetVersion       uint64   `json:"setVersion"`
	Members          []Member `json:"members"`
	K                int      `json:"k"`
	Vaults           []Vault  `json:"vaults"`
	Treasuries       []string `json:"treasuries"`
	Assets           []string `json:"assets"`
	EpochSeconds     uint64   `json:"epochSeconds"`
	HeartbeatSeconds uint64   `json:"heartbeatSeconds"`
	Stopped          []string `json:"stopped"` // domains, in the order of Domains
	Bound            []string `json:"bound"`   // assets that only DIDs with a person are paid
	// Test says that the ledger is for tests: it takes simulated enclaves. It is founded
	// so, by its name as well, and nothing changes it.
	Test bool `json:"test,omitzero"`
}

// Clock is what the newest checkpoint says: its time in seconds, 0 before the first,
// what the clock has counted, which an outage does not advance, its size and its number.
// Epoch reads the current epoch, for what depends on it.
type Clock struct {
	Time, Elapsed, Size, Number uint64

	Epoch func() (uint64, error)
}

// Member is one organisation. Cosign is the note verifier key of its Ed25519
// cosigner, Address the address of its secp256k1 key.
type Member struct {
	MSP     string `json:"msp"`
	Cosign  string `json:"cosign"`
	Address string `json:"address"`
}

// Vault is a payout contract: ID and Token are CAIP-10 ids on one chain.
type Vault struct {
	ID    string `json:"id"`
	Token string `json:"token"`
	Asset string `json:"asset"`
}

// Load reads the network. Errors: fault.NotInitialised; fault.Internal when
// state wants rules that this code does not contain.
func Load(tx *ledger.Tx) (*Network, error) {
	value, err := tx.Get(NetworkKey)
	if err != nil {
		return nil, err
	}
	if value == nil {
		return nil, fault.New(fault.NotInitialised, "the ledger has no network yet")
	}
	n := new(Network)
	if err := json.Unmarshal(value, n, json.RejectUnknownMembers(true)); err != nil {
		return nil, fmt.Errorf("stored network: %w", err)
	}
	if n.Rules != Rules {
		return nil, fault.New(fault.Internal, "state has rules %d, this program contains %d", n.Rules, Rules)
	}
	return n, nil
}

// Member returns the organisation with the MSP id and its place in the order
// of members. Errors: fault.NotMember.
func (n *Network) Member(msp string) (Member, int, error) {
	for i, m := range n.Members {
		if m.MSP == msp {
			return m, i, nil
		}
	}
	return Member{}, 0, fault.New(fault.NotMember, "%.80q is not a member organisation", msp)
}

// CallingMember returns the member on whose behalf the transaction was
// submitted, by an admin or a client of it. Errors: fault.NotMember.
func (n *Network) CallingMember(tx *ledger.Tx) (Member, error) {
	caller := tx.Caller()
	if !mayAct(caller) {
		return Member{}, fault.New(fault.NotMember, "role %.40q of %.80q may not act for its organisation", caller.Role, caller.MSP)
	}
	m, _, err := n.Member(caller.MSP)
	return m, err
}

// CallingMember is that of the network for a set that is or was in force: whoever was of
// it may still finish what that set began. Errors: fault.NotMember.
func (s *Set) CallingMember(tx *ledger.Tx) (Member, error) {
	return (&Network{Members: s.Members}).CallingMember(tx)
}

func mayAct(c ledger.Caller) bool { return c.Role == "admin" || c.Role == "client" }

// decidingMember returns the member for which an admin submitted the transaction.
// Errors: fault.NotMember.
func (n *Network) decidingMember(tx *ledger.Tx) (Member, error) {
	if role := tx.Caller().Role; role != "admin" {
		return Member{}, fault.New(fault.NotMember, "role %.40q may not decide for its organisation: an admin does", role)
	}
	return n.CallingMember(tx)
}

// CheckAsset refuses an asset that the ledger does not have.
// Errors: fault.AssetUnknown.
func (n *Network) CheckAsset(asset string) error {
	if !slices.Contains(n.Assets, asset) {
		return fault.New(fault.AssetUnknown, "%.80q", asset)
	}
	return nil
}

// CheckPayee refuses to credit a DID to which no person is bound, in an asset for which
// the consortium wants one. Errors: fault.NotBound.
func (n *Network) CheckPayee(tx *ledger.Tx, id ledger.ID, asset string) error {
	if !slices.Contains(n.Bound, asset) {
		return nil // nothing is read
	}
	is, err := did.IsBound(tx, id)
	if err == nil && !is {
		err = fault.New(fault.NotBound, "no person is bound to %s, which %s asks for", did.String(n.Name, id), asset)
	}
	return err
}

// Vault returns the vault with the id. Errors: fault.VaultUnknown.
func (n *Network) Vault(id string) (Vault, error) {
	for _, v := range n.Vaults {
		if v.ID == id {
			return v, nil
		}
	}
	return Vault{}, fault.New(fault.VaultUnknown, "%.120q", id)
}

// VaultFor returns the vault that pays an asset on a chain, if there is one.
func (n *Network) VaultFor(chain, asset string) (Vault, bool) {
	for _, v := range n.Vaults {
		if v.Asset == asset && strings.HasPrefix(v.ID, chain+":") {
			return v, true
		}
	}
	return Vault{}, false
}

// LogID returns the log id in bytes.
func (n *Network) LogID() ([32]byte, error) { return canon.UnHex32(n.Log) }

// SetHash returns the hash by which contracts know the member set in force.
func (n *Network) SetHash() ([32]byte, error) {
	return (&Set{Version: n.SetVersion, K: n.K, Members: n.Members}).Hash()
}

// AddressBytes returns the address of the member's secp256k1 key.
func (m Member) AddressBytes() ([20]byte, error) {
	hex, ok := strings.CutPrefix(m.Address, "0x")
	if !ok {
		return [20]byte{}, fault.New(fault.InvalidValue, "address %.60q does not begin with 0x", m.Address)
	}
	b, err := canon.UnHex(hex, 20)
	if err != nil {
		return [20]byte{}, err
	}
	return [20]byte(b), nil
}

// cosignatureV1 is the C2SP signature type of Ed25519 cosignatures.
const cosignatureV1 = 0x04

// CosignKey returns the Ed25519 key in the member's note verifier key, which
// must be named <msp>.<network>. Errors: fault.InvalidValue.
func (m Member) CosignKey(network string) ([32]byte, error) {
	bad := func(why string) ([32]byte, error) {
		return [32]byte{}, fault.New(fault.InvalidValue, "cosign of %s: %s", m.MSP, why)
	}
	parts := strings.SplitN(m.Cosign, "+", 3)
	if len(parts) != 3 {
		return bad("want <name>+<key id>+<key>")
	}
	if parts[0] != m.MSP+"."+network {
		return bad("the key must be named " + m.MSP + "." + network)
	}
	raw, err := canon.UnBase64("cosign", parts[2], 33)
	if err != nil || raw[0] != cosignatureV1 {
		return bad("the key is not an Ed25519 cosignature/v1 key")
	}
	sum := canon.Sum([]byte(parts[0]), []byte{'\n'}, raw)
	if parts[1] != fmt.Sprintf("%08x", binary.BigEndian.Uint32(sum[:4])) {
		return bad("the key id does not match the key")
	}
	return [32]byte(raw[1:]), nil
}
