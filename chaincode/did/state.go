package did

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/killick-ledger/killick/chaincode/canon"
	"github.com/killick-ledger/killick/chaincode/fault"
	"github.com/killick-ledger/killick/chaincode/ledger"
)

// State is what the ledger holds for a DID under did/<id>.
type State struct {
	ID          string         `json:"id"`
	Version     uint32         `json:"version"`
	Prior       string         `json:"prior"`
	Created     string         `json:"created"`
	Updated     string         `json:"updated"`
	Deactivated bool           `json:"deactivated"`
	Document    jsontext.Value `json:"document"`
	Links       []string       `json:"links"`
	Payout      string         `json:"payout"`
}

// DecodeState reads a stored value. An error means that state is damaged.
func DecodeState(value []byte) (*State, error) {
	state := new(State)
	if err := canon.Decode(value, state); err != nil {
		return nil, fmt.Errorf("stored DID: %v", err) // no refusal: state is damaged
	}
	return state, nil
}

// Read returns the state of a DID. Errors: fault.DIDUnknown.
func Read(tx *ledger.Tx, id ledger.ID) (*State, []byte, error) {
	value, err := tx.Get(Key(id))
	if err != nil {
		return nil, nil, err
	}
	if value == nil {
		return nil, nil, fault.New(fault.DIDUnknown, "no DID with the id %s", id)
	}
	state, err := DecodeState(value)
	return state, value, err
}

// PayoutAccount returns the linked account on the chain of the payout
// preference, and whether there is one.
func (s *State) PayoutAccount() (canon.Account, bool) {
	if s.Payout == "" {
		return canon.Account{}, false
	}
	for _, text := range s.Links {
		if strings.HasPrefix(text, s.Payout+":") {
			account, err := canon.ParseAccount(text)
			return account, err == nil
		}
	}
	return canon.Account{}, false
}

// Resolution is the answer to a DID resolution: the W3C document, its
// metadata, and what the ledger adds.
type Resolution struct {
	Document Resolved `json:"didDocument"`
	Metadata Metadata `json:"didDocumentMetadata"`
	Version  Version  `json:"version"`
}

// Metadata is the part of the metadata that the ledger decides.
type Metadata struct {
	VersionID   string `json:"versionId"`
	Deactivated bool   `json:"deactivated"`
}

// Version names the stored version: Hash is what a change states as prior.
type Version struct {
	Hash    string `json:"hash"`
	Created string `json:"created"`
	Updated string `json:"updated"`
	Payout  string `json:"payout,omitempty"`
}

// Resolved is a DID document in W3C form.
type Resolved struct {
	Context              []string         `json:"@context"`
	ID                   string           `json:"id"`
	AlsoKnownAs          []string         `json:"alsoKnownAs,omitempty"`
	VerificationMethod   []ResolvedMethod `json:"verificationMethod"`
	Authentication       []string         `json:"authentication,omitempty"`
	AssertionMethod      []string         `json:"assertionMethod,omitempty"`
	KeyAgreement         []string         `json:"keyAgreement,omitempty"`
	CapabilityInvocation []string         `json:"capabilityInvocation"`
	Service              []Service        `json:"service,omitempty"`
}

// ResolvedMethod is a key in W3C form.
type ResolvedMethod struct {
	ID                 string `json:"id"`
	Type               string `json:"type"`
	Controller         string `json:"controller"`
	PublicKeyMultibase string `json:"publicKeyMultibase"`
}

// Resolve returns the W3C form of a DID of the network.
// Errors: fault.InvalidValue, fault.WrongNetwork, fault.DIDUnknown.
func Resolve(tx *ledger.Tx, network, text string) (*Resolution, error) {
	id, err := ParseOn(network, text)
	if err != nil {
		return nil, err
	}
	state, value, err := Read(tx, id)
	if err != nil {
		return nil, err
	}
	doc := new(Document)
	if err := canon.Decode(state.Document, doc); err != nil {
		return nil, fmt.Errorf("stored document of %s: %w", text, err)
	}
	resolved := Resolved{
		Context:              []string{"https://www.w3.org/ns/did/v1.1", "https://w3id.org/security/multikey/v1"},
		ID:                   state.ID,
		AlsoKnownAs:          state.Links,
		Authentication:       absolute(state.ID, doc.Authentication),
		AssertionMethod:      absolute(state.ID, doc.AssertionMethod),
		KeyAgreement:         absolute(state.ID, doc.KeyAgreement),
		CapabilityInvocation: absolute(state.ID, doc.CapabilityInvocation),
	}
	for _, m := range doc.VerificationMethod {
		resolved.VerificationMethod = append(resolved.VerificationMethod,
			ResolvedMethod{state.ID + m.ID, m.Type, state.ID, m.PublicKeyMultibase})
	}
	for _, s := range doc.Service {
		resolved.Service = append(resolved.Service, Service{state.ID + s.ID, s.Type, s.ServiceEndpoint})
	}
	return &Resolution{
		Document: resolved,
		Metadata: Metadata{strconv.FormatUint(uint64(state.Version), 10), state.Deactivated},
		Version:  Version{ledger.Version(value), state.Created, state.Updated, state.Payout},
	}, nil
}

func absolute(did string, ids []string) []string {
	var out []string
	for _, id := range ids {
		out = append(out, did+id)
	}
	return out
}
