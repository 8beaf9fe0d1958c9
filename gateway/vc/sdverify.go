package vc

import (
	"context"
	"time"

	"github.com/killick-ledger/killick/chaincode/canon"
	"github.com/killick-ledger/killick/chaincode/did"
	"github.com/killick-ledger/killick/chaincode/fault"
	"github.com/killick-ledger/killick/gateway/jose"
)

// Selective is an SD-JWT credential that was verified.
type Selective struct {
	Type   string // vct
	Issuer string
	// Claims are those that are always seen and those that were disclosed, without
	// digests.
	Claims canon.Object
	// Payload is what the issuer signed: the claims that are always seen, and digests.
	Payload canon.Object
	// Holder is the key that presentations are signed with, nil for none.
	Holder *did.PublicKey
	Proof  Proof
}

// Selective verifies an SD-JWT credential (dc+sd-jwt): the issuer's signature, times,
// that each disclosure is one that the issuer signed, and with expect the key binding
// of the holder, whose time may be five minutes from now. Without expect it is a
// credential as its holder receives it, and a key binding is refused: what is asked
// for decides, not what is sent. Claims must not be taken for complete. Whether the
// credential was revoked is for the caller to look up.
// Errors: fault.Malformed, DuplicateKey, TooLarge and others of canon.ParseObject;
// those of the Resolver; fault.AlgMismatch, BadSignature, Expired, InvalidValue,
// KeyPurpose, KidMismatch, MissingField, NotYetValid, WrongType.
func (v *Verifier) Selective(ctx context.Context, compact []byte, expect *Expectation, now time.Time) (*Selective, error) {
	s, err := parseSelective(string(compact))
	if err != nil {
		return nil, err
	}
	payload, proof, err := v.verifyJWS(ctx, s.jwt, selectiveJWT, AssertionMethod)
	if err != nil {
		return nil, err
	}
	if err := proof.checkTimes(payload, now); err != nil {
		return nil, err
	}
	out := &Selective{Proof: *proof, Issuer: proof.Controller, Payload: payload}
	if iss, _ := text(payload, "iss"); iss != out.Issuer {
		return nil, fault.New(fault.KidMismatch, "iss is %.200q, the key is of %.200s", iss, out.Issuer)
	}
	if out.Type, _ = text(payload, "vct"); out.Type == "" {
		return nil, fault.New(fault.MissingField, "vct is missing")
	}
	if out.Claims, err = s.open(payload); err != nil {
		return nil, err
	}
	if out.Holder, err = holderKey(payload); err != nil {
		return nil, err
	}
	return out, s.checkBinding(out.Holder, expect, now)
}

// open returns the claims that the disclosures show, all of which must be good.
func (s *selective) open(payload canon.Object) (canon.Object, error) {
	o, err := newOpener(s.disclosures)
	if err != nil {
		return nil, err
	}
	claims, err := o.open(payload)
	if err != nil {
		return nil, err
	}
	return claims, o.unused()
}

// holderKey reads the confirmation of RFC 7800, which must be a JWK.
func holderKey(payload canon.Object) (*did.PublicKey, error) {
	value, ok := payload.Find("cnf")
	if !ok {
		return nil, nil
	}
	cnf, _ := value.(canon.Object)
	key, _ := cnf.Find("jwk")
	jwk, ok := key.(canon.Object)
	if !ok || len(cnf) != 1 {
		return nil, fault.New(fault.InvalidValue, "cnf must be a jwk and nothing else")
	}
	return jose.ParseKey(jwk)
}

// checkBinding verifies the key binding JWT, if one is asked for.
func (s *selective) checkBinding(holder *did.PublicKey, expect *Expectation, now time.Time) error {
	if expect == nil {
		if s.binding != "" {
			return fault.New(fault.InvalidValue, "the SD-JWT is bound to a request that is not ours")
		}
		return nil
	}
	if holder == nil || s.binding == "" {
		return fault.New(fault.MissingField, "the SD-JWT has no key binding, or no cnf")
	}
	j, err := jose.Parse(s.binding)
	if err == nil {
		err = j.Check(bindingJWT)
	}
	if err == nil {
		err = j.Verify(holder)
	}
	if err != nil {
		return fault.New(fault.Of(err), "key binding: %s", fault.Text(err))
	}
	claims, err := canon.ParseObject(j.Payload)
	if err != nil {
		return err
	}
	p := &Proof{}
	if err := p.checkTimes(claims, now); err != nil {
		return err
	}
	if p.Created.IsZero() || now.Sub(p.Created) > skew {
		return fault.New(fault.Expired, "key binding: iat is missing, or more than %s old", skew)
	}
	if hash, _ := text(claims, "sd_hash"); hash != digest(s.String()) {
		return fault.New(fault.BadSignature, "key binding: made for other disclosures")
	}
	nonce, _ := text(claims, "nonce")
	audience, _ := text(claims, "aud") // RFC 9901: one string, no list
	return expect.check(nonce, audience)
}
