package log

import (
	"bytes"
	"crypto/ed25519"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/killick-ledger/killick/chaincode/canon"
	fnote "github.com/transparency-dev/formats/note"
	"golang.org/x/mod/sumdb/note"
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

	logID    Hash
	setHash  Hash
	members  []verifiers
	contract map[string]canon.Account // AnchorLog by chain id
}

// Member is one organisation and its two public keys.
type Member struct {
	MSP     string `json:"msp"`
	Cosign  string `json:"cosign"`  // note verifier key of its Ed25519 cosigner
	Address string `json:"address"` // of its secp256k1 key, 0x and 40 hex digits
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

// verifiers are a member's keys, parsed.
type verifiers struct {
	name    string // of its keys in notes
	ed      note.Verifier
	address [20]byte
	secpID  uint32 // key id of the secp256k1 line
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
	var out bytes.Buffer
	if err := json.Indent(&out, compact, "", "  "); err != nil {
		return nil, fmt.Errorf("policy: %w", err)
	}
	out.WriteByte('\n')
	return out.Bytes(), nil
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
	p.logID = id
	if p.SetVersion == 0 {
		bad("setVersion begins with 1")
	}
	if p.K == 0 || p.K > uint64(len(p.Members)) {
		bad("k is %d of %d members", p.K, len(p.Members))
	}
	errs = append(errs, p.checkMembers()...)
	errs = append(errs, p.checkChains()...)
	return errors.Join(errs...)
}

func (p *Policy) checkMembers() (errs []error) {
	p.members = nil
	names, addresses := map[string]bool{}, map[[20]byte]bool{}
	sorted := make([][20]byte, 0, len(p.Members))
	for _, m := range p.Members {
		v, err := m.verifiers(p.Network)
		if err != nil {
			errs = append(errs, fmt.Errorf("member %q: %w", m.MSP, err))
			continue
		}
		if names[v.name] || addresses[v.address] {
			errs = append(errs, fmt.Errorf("member %q: stated twice", m.MSP))
		}
		names[v.name], addresses[v.address] = true, true
		p.members, sorted = append(p.members, v), append(sorted, v.address)
	}
	slices.SortFunc(sorted, func(a, b [20]byte) int { return bytes.Compare(a[:], b[:]) })
	p.setHash = canon.MemberSetHash(p.SetVersion, p.K, sorted)
	return errs
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

func (m Member) verifiers(network string) (verifiers, error) {
	v := verifiers{name: m.MSP + "." + network}
	if !isName(m.MSP) {
		return v, fmt.Errorf("not an MSP id")
	}
	_, encoded, _ := strings.Cut(strings.TrimPrefix(m.Cosign, v.name+"+"), "+")
	key, err := base64.StdEncoding.DecodeString(encoded)
	if err != nil || len(key) != 1+ed25519.PublicKeySize || CosignerKey(m.MSP, network, key[1:]) != m.Cosign {
		return v, fmt.Errorf("cosign is not a cosignature v1 key named %s", v.name)
	}
	if v.ed, err = fnote.NewVerifierForCosignatureV1(m.Cosign); err != nil {
		return v, fmt.Errorf("cosign: %w", err)
	}
	digits, ok := strings.CutPrefix(m.Address, "0x")
	address, err := canon.UnHex(digits, 20)
	if !ok || err != nil {
		return v, fmt.Errorf("address %q is not 0x and 40 lower-case hex digits", m.Address)
	}
	v.address = [20]byte(address)
	v.secpID = secpKeyID(v.name, v.address)
	return v, nil
}

const (
	algCosignatureV1 = 0x04
	algOther         = 0xff
	secpIdentifier   = "killick-secp256k1"
)

// CosignerKey returns the note verifier key of a member's Ed25519 cosigner.
func CosignerKey(msp, network string, public ed25519.PublicKey) string {
	name := msp + "." + network
	key := append([]byte{algCosignatureV1}, public...)
	return fmt.Sprintf("%s+%08x+%s", name, keyID(name, key), base64.StdEncoding.EncodeToString(key))
}

func secpKeyID(name string, address [20]byte) uint32 {
	return keyID(name, append([]byte{algOther}, append([]byte(secpIdentifier), address[:]...)...))
}

// keyID is that of C2SP signed-note.
func keyID(name string, key []byte) uint32 {
	h := canon.Sum([]byte(name), []byte{'\n'}, key)
	return binary.BigEndian.Uint32(h[:4])
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
func (p *Policy) LogID() Hash { return p.logID }

// SetHash returns the hash by which contracts know the member set.
func (p *Policy) SetHash() Hash { return p.setHash }

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
