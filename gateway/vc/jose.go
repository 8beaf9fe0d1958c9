package vc

import (
	"context"
	"strings"
	"time"

	"github.com/killick-ledger/killick/chaincode/canon"
	"github.com/killick-ledger/killick/chaincode/did"
	"github.com/killick-ledger/killick/chaincode/fault"
)

// Types of JWS, as VC-JOSE-COSE names them.
const (
	credentialJWT   = "vc+jwt"
	presentationJWT = "vp+jwt"
)

// jws is a compact JWS whose signature is not checked yet.
type jws struct {
	header    canon.Object
	payload   []byte
	input     []byte // what is signed
	signature []byte
}

// parseJWS reads the compact serialization. Errors: fault.Malformed, and those of
// canon.ParseObject for the header.
func parseJWS(compact string) (*jws, error) {
	header, rest, _ := strings.Cut(compact, ".")
	payload, signature, ok := strings.Cut(rest, ".")
	if !ok {
		return nil, fault.New(fault.Malformed, "not a compact JWS of three parts")
	}
	var raw [3][]byte
	for i, part := range []string{header, payload, signature} {
		var err error
		if raw[i], err = canon.UnB64(part); err != nil {
			return nil, fault.New(fault.Malformed, "part %d of the JWS: %s", i+1, fault.Text(err))
		}
	}
	h, err := canon.ParseObject(raw[0])
	if err != nil {
		return nil, err
	}
	return &jws{h, raw[1], []byte(compact[:len(header)+1+len(payload)]), raw[2]}, nil
}

// signJWS makes a JWS of the type. The header carries what a verifier needs and
// nothing else.
func signJWS(signer *Signer, typ string, payload canon.Object) (string, error) {
	header := canon.Object{}.With("alg", string(signer.Algorithm)).With("kid", signer.Method).With("typ", typ)
	input := canon.B64(header.JCS()) + "." + canon.B64(payload.JCS())
	signature, err := signer.Sign([]byte(input))
	if err != nil {
		return "", err
	}
	return input + "." + canon.B64(signature), nil
}

// verifyJWS checks the header and the signature, and returns the payload's claims.
func (v *Verifier) verifyJWS(ctx context.Context, compact, typ string, purpose Purpose) (canon.Object, *Proof, error) {
	j, err := parseJWS(compact)
	if err != nil {
		return nil, nil, err
	}
	for _, name := range []string{"crit", "b64"} {
		if _, ok := j.header.Find(name); ok {
			return nil, nil, fault.New(fault.UnknownField, "header: no extension named by %s is taken", name)
		}
	}
	alg, _ := text(j.header, "alg")
	kid, _ := text(j.header, "kid")
	if got, _ := text(j.header, "typ"); got != typ {
		return nil, nil, fault.New(fault.InvalidValue, "header: typ is %.64q, want %s", got, typ)
	}
	if cty, ok := j.header.Find("cty"); ok && cty != strings.TrimSuffix(typ, "+jwt") {
		return nil, nil, fault.New(fault.InvalidValue, "header: cty is %.64v", cty)
	}
	// Before any key is looked up: "none" and the HMAC algorithms have no key of a
	// document.
	if !did.Algorithm(alg).Known() {
		return nil, nil, fault.New(fault.AlgMismatch, "header: alg is %.64q, want one of %s", alg, did.Algorithms)
	}
	m, err := v.method(ctx, kid, purpose)
	if err != nil {
		return nil, nil, err
	}
	if string(m.Key.Algorithm()) != alg {
		return nil, nil, fault.New(fault.AlgMismatch, "header: alg is %s, the key %.200s is for %s", alg, kid, m.Key.Algorithm())
	}
	if !m.Key.Verify(j.input, j.signature) {
		return nil, nil, fault.New(fault.BadSignature, "not the signature of %.200s", kid)
	}
	claims, err := canon.ParseObject(j.payload)
	return claims, &Proof{Suite: alg, Method: kid, Controller: m.Controller}, err
}

// checkClaims looks at the claims of RFC 7519 beside those of the data model, which
// must not contradict the document.
func checkClaims(claims canon.Object, p *Proof, now time.Time) error {
	for _, name := range []string{"vc", "vp", "proof"} {
		if _, ok := claims.Find(name); ok {
			return fault.New(fault.UnknownField, "%s: the payload is the document itself", name)
		}
	}
	if err := p.checkTimes(claims, now); err != nil {
		return err
	}
	if iss, ok := claims.Find("iss"); ok && iss != p.Controller {
		return fault.New(fault.KidMismatch, "iss is %.200v, the key is of %.200s", iss, p.Controller)
	}
	if jti, ok := claims.Find("jti"); ok {
		if id, _ := text(claims, "id"); jti != id {
			return fault.New(fault.InvalidValue, "jti and id differ")
		}
	}
	return nil
}

// checkTimes reads iat, nbf and exp, and says whether the JWT is valid now.
func (p *Proof) checkTimes(claims canon.Object, now time.Time) error {
	var times [3]time.Time
	for i, name := range []string{"iat", "nbf", "exp"} {
		value, ok := claims.Find(name)
		if !ok {
			continue
		}
		// Beyond the year 9999 a time cannot be written, nor a float be converted.
		seconds, ok := value.(float64)
		if !ok || seconds < 0 || seconds > 253402300799 {
			return fault.New(fault.InvalidValue, "%s is not a time in seconds", name)
		}
		times[i] = time.Unix(int64(seconds), 0)
	}
	p.Created, p.Expires = times[0], times[2]
	if times[0].After(now.Add(skew)) || times[1].After(now) {
		return fault.New(fault.NotYetValid, "the JWT is not valid yet")
	}
	if !p.Expires.IsZero() && !p.Expires.After(now) {
		return fault.New(fault.Expired, "the JWT expired at %s", stamp(p.Expires))
	}
	return nil
}

// seconds is a time as JWT has it.
func seconds(t time.Time) float64 { return float64(t.Unix()) }
