package openid

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/killick-ledger/killick/chaincode/canon"
	"github.com/killick-ledger/killick/chaincode/did"
	"github.com/killick-ledger/killick/gateway/jose"
	"github.com/killick-ledger/killick/gateway/login"
	"github.com/killick-ledger/killick/gateway/vc"
)

const (
	proofType = "openid4vci-proof+jwt"
	maxProof  = 8 << 10
	// proofSkew is how far a wallet's clock may be off: the nonce says that a proof is
	// new, phones are less exact than servers.
	proofSkew = 5 * time.Minute
)

// holderKey is a key that a credential is bound to.
type holderKey struct {
	key *did.PublicKey
	did string
}

// keyProof is a proof of possession whose signature is not checked.
type keyProof struct {
	jws    *jose.JWS
	kid    string
	jwk    canon.Object // when kid is empty
	claims canon.Object
}

// checkProofs returns the keys that proofs are for, each different, and the nonces in
// them, each once.
func (s *Service) checkProofs(ctx context.Context, proofs []any) (keys []holderKey, nonces []*login.Ticket, err error) {
	var seen []string
	for _, entry := range proofs {
		compact, ok := entry.(string)
		if !ok {
			return nil, nil, login.Refuse(invalidProof, "a proof that is no string")
		}
		p, err := readProof(compact)
		if err != nil {
			return nil, nil, refusal(err, invalidProof)
		}
		nonce, err := s.checkClaims(p.claims)
		if err != nil {
			return nil, nil, err
		}
		key, err := s.proofKey(ctx, p)
		if err != nil {
			return nil, nil, refusal(err, invalidProof)
		}
		if err := p.jws.Verify(key.key); err != nil {
			return nil, nil, refusal(err, invalidProof)
		}
		if slices.ContainsFunc(keys, func(k holderKey) bool { return k.key.Equal(key.key) }) {
			return nil, nil, login.Refuse(invalidProof, "two proofs are of one key")
		}
		keys = append(keys, *key)
		if n := text(p.claims, "nonce"); !slices.Contains(seen, n) {
			seen, nonces = append(seen, n), append(nonces, nonce)
		}
	}
	return keys, nonces, nil
}

// readProof reads a proof of the type jwt (OpenID4VCI appendix F.1). Errors:
// *login.Error, and those of jose.
func readProof(compact string) (*keyProof, error) {
	if len(compact) > maxProof {
		return nil, login.Refuse(invalidProof, "a proof of %d bytes, at most %d are taken", len(compact), maxProof)
	}
	j, err := jose.Parse(compact)
	if err != nil {
		return nil, err
	}
	if err := j.Check(proofType); err != nil {
		return nil, err
	}
	p := &keyProof{jws: j}
	given := 0
	for _, name := range []string{"kid", "jwk", "x5c"} {
		if _, ok := j.Header.Find(name); ok {
			given++
		}
	}
	p.kid = j.Text("kid")
	value, _ := j.Header.Find("jwk")
	p.jwk, _ = value.(canon.Object)
	if given != 1 || p.kid == "" && p.jwk == nil {
		return nil, login.Refuse(invalidProof, "header: one of kid, a DID URL, and jwk is needed; x5c is not taken")
	}
	p.claims, err = canon.ParseObject(j.Payload)
	return p, err
}

// checkClaims looks at audience, time and nonce.
func (s *Service) checkClaims(claims canon.Object) (*login.Ticket, error) {
	if aud := text(claims, "aud"); aud != s.cfg.URL {
		return nil, login.Refuse(invalidProof, "aud is %.200q, want %.200q", aud, s.cfg.URL)
	}
	value, _ := claims.Find("iat")
	at, ok := value.(float64)
	now := float64(time.Now().Unix())
	if !ok || at < now-proofSkew.Seconds() || at > now+proofSkew.Seconds() {
		return nil, login.Refuse(invalidProof, "iat is missing, or more than %s from now", proofSkew)
	}
	nonce := text(claims, "nonce")
	if nonce == "" {
		return nil, login.Refuse(invalidProof, "nonce is missing")
	}
	ticket, err := s.cfg.Login.Tickets.Read(nonceKind, nonce)
	if err != nil {
		return nil, login.Refuse(invalidNonce, "the nonce is %s", err)
	}
	return ticket, nil
}

// proofKey finds the key that a proof names.
func (s *Service) proofKey(ctx context.Context, p *keyProof) (*holderKey, error) {
	if p.kid == "" {
		key, err := jose.ParseKey(p.jwk)
		if err != nil {
			return nil, err
		}
		return &holderKey{key, "did:key:" + key.String()}, nil
	}
	m, err := s.cfg.Method(ctx, p.kid, vc.Authentication)
	if err != nil {
		return nil, err
	}
	holder, _, _ := strings.Cut(p.kid, "#")
	return &holderKey{m.Key, holder}, nil
}
