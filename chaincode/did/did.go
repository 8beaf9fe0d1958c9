// Package did keeps decentralised identifiers of the method did:killick:
// their documents with every version of them, the keys that may act for them, the
// recovery key that may replace these, the identities that are linked to them under
// one root, where they want to be paid, and whether a person is bound to them. An identifier is the hash of its first document, so
// nobody hands them out. The package is pure: it reads and writes through a
// ledger.Tx and knows nothing else of the world. Times are seconds since 1970.
//
// State (docs/formats/state.md): did/<id>, didv/<id>/<version>, actor/<id>,
// account/<id>, preference/<id>, link/<account>, person/<id>, tag/<tag>.
package did

import (
	"strings"

	"github.com/killick-ledger/killick/chaincode/fault"
	"github.com/killick-ledger/killick/chaincode/ledger"
)

const method = "did:killick:"

// String returns the DID of an id on a network.
func String(network string, id ledger.ID) string { return method + network + ":" + id.String() }

// Parse splits a DID into network and id. Errors: fault.InvalidValue.
func Parse(text string) (network string, id ledger.ID, err error) {
	rest, ok := strings.CutPrefix(text, method)
	if !ok {
		return "", id, fault.New(fault.InvalidValue, "%.100q is not a DID of the method killick", text)
	}
	network, idText, ok := strings.Cut(rest, ":")
	if !ok || network == "" {
		return "", id, fault.New(fault.InvalidValue, "%.100q is not did:killick:<network>:<id>", text)
	}
	id, err = ledger.ParseID(idText)
	if err != nil {
		return "", id, fault.New(fault.InvalidValue, "%.100q: %v", text, err)
	}
	return network, id, nil
}

// ParseOn reads a DID of the network and returns its id.
// Errors: fault.InvalidValue, fault.WrongNetwork.
func ParseOn(network, text string) (ledger.ID, error) {
	on, id, err := Parse(text)
	if err != nil {
		return id, err
	}
	if on != network {
		return id, fault.New(fault.WrongNetwork, "the DID is of the network %.80q, this is %s", on, network)
	}
	return id, nil
}

// ParseURL splits a DID URL with a fragment, as it stands in kid.
// Errors: fault.InvalidValue.
func ParseURL(text string) (network string, id ledger.ID, fragment string, err error) {
	base, fragment, ok := strings.Cut(text, "#")
	if !ok || !validFragment(fragment) {
		return "", id, "", fault.New(fault.InvalidValue, "%.100q has no key fragment of 1 to 32 of A-Z a-z 0-9 _ -", text)
	}
	network, id, err = Parse(base)
	return network, id, fragment, err
}

// Key returns the state key of a DID.
func Key(id ledger.ID) string { return "did/" + id.String() }

// VersionKey returns the state key of a superseded version of a DID.
func VersionKey(id ledger.ID, version uint32) string {
	return string(ledger.AppendHex32([]byte("didv/"+id.String()+"/"), version))
}

func validFragment(s string) bool {
	if len(s) < 1 || len(s) > 32 {
		return false
	}
	for i := range len(s) {
		c := s[i]
		if c != '_' && c != '-' && (c < '0' || c > '9') && (c < 'A' || c > 'Z') && (c < 'a' || c > 'z') {
			return false
		}
	}
	return true
}
