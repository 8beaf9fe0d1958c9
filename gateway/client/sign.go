package client

import (
	"fmt"
	"slices"
	"time"

	"github.com/killick-ledger/killick/chaincode/canon"
	"github.com/killick-ledger/killick/chaincode/did"
	"github.com/killick-ledger/killick/chaincode/ops"
)

// Lifetime is how long operations that Sign makes may be executed.
const Lifetime = time.Hour

// Signer is an identity on one network. It implements ops.Signer.
type Signer struct {
	identity *Identity
	network  string
}

// On returns the identity as a signer on a network.
func (i *Identity) On(network string) Signer { return Signer{i, network} }

// DID returns the signer's DID.
func (s Signer) DID() string { return s.identity.DID(s.network) }

// KeyID returns the DID URL of the signing key.
func (s Signer) KeyID() string { return s.DID() + "#" + s.identity.fragment }

// Algorithm returns the algorithm of the signing key.
func (s Signer) Algorithm() did.Algorithm { return s.identity.signing.alg }

// Sign signs bytes with the identity's key.
func (s Signer) Sign(message []byte) ([]byte, error) {
	return s.identity.signing.sign(message)
}

// Operation signs an operation and returns it as a compact JWS, and its
// reference: the name of what it creates. prior is the hash of the version that
// it replaces, empty where it replaces none.
func (s Signer) Operation(body ops.Body, prior string) (jws, reference string, err error) {
	return signOperation(s, s.Algorithm(), s.network, body, prior)
}

func signOperation(s ops.Signer, alg did.Algorithm, network string, body ops.Body, prior string) (jws, reference string, err error) {
	now := time.Now()
	return signUntil(s, alg, network, body, prior, uint64(now.Unix()), uint64(now.Add(Lifetime).Unix()))
}

// signUntil signs an operation that is issued and expires at these times.
func signUntil(s ops.Signer, alg did.Algorithm, network string, body ops.Body, prior string, issued, expires uint64) (jws, reference string, err error) {
	item, ref, err := ops.SignRequest(ops.Request{Alg: alg, Network: network, IssuedAt: issued, Expires: expires, Prior: prior, Body: body}, s)
	if err != nil {
		return "", "", fmt.Errorf("sign operation: %w", err)
	}
	return item.Compact(), ref.String(), nil
}

// Create signs the operation that creates the identity's DID, linked by its chain
// key to an account on each of the chains (CAIP-2), with rewards paid out on the
// chain payout, if that is not empty.
func (s Signer) Create(chains []string, payout string) (jws string, err error) {
	body := &ops.DIDCreate{Document: s.identity.Document()}
	if payout != "" && !slices.Contains(chains, payout) {
		return "", fmt.Errorf("payout on %s needs a link to an account there", payout)
	}
	for _, chain := range chains {
		link, err := s.ownLink(chain, newDID)
		if err != nil {
			return "", err
		}
		body.Links = append(body.Links, link)
		if chain == payout {
			body.Payout = link.Account
		}
	}
	jws, _, err = s.Operation(body, "")
	return jws, err
}

// Account returns the account of the identity's chain key on a chain (CAIP-2).
func (i *Identity) Account(chain string) (canon.Account, error) {
	address, ok := i.Address()
	if !ok {
		return canon.Account{}, errNoChainKey
	}
	if _, err := canon.ChainNumber(chain); err != nil {
		return canon.Account{}, err
	}
	return canon.Account{Chain: chain, Address: address}, nil
}

// Network returns the name of the signer's network.
func (s Signer) Network() string { return s.network }

// ChainKey returns the 32 bytes of the identity's key for public chains.
func (s Signer) ChainKey() ([]byte, error) { return s.identity.ChainKey() }

// Account returns the account of the identity's chain key on a chain (CAIP-2).
func (s Signer) Account(chain string) (canon.Account, error) { return s.identity.Account(chain) }
