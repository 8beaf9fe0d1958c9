package vc

import (
	"context"
	"strings"
	"time"

	"github.com/killick-ledger/killick/chaincode/canon"
	"github.com/killick-ledger/killick/chaincode/fault"
	"github.com/killick-ledger/killick/gateway/jose"
)

// Types of JWS, as VC-JOSE-COSE names them.
const (
	credentialJWT   = "vc+jwt"
	presentationJWT = "vp+jwt"
)

// signJWS makes a JWS of the type. The header carries what a verifier needs and
// nothing else.
func signJWS(signer *Signer, typ string, payload canon.Object) (string, error) {
	header := canon.Object{}.With("alg", string(signer.Algorithm)).With("kid", signer.Method).With("typ", typ)
	return jose.Sign(header, payload, signer.Sign)
}

// verifyJWS checks the header and the signature, and returns the payload's claims.
func (v *Verifier) verifyJWS(ctx context.Context, compact, typ string, purpose Purpose) (canon.Object, *Proof, error) {
	j, err := jose.Parse(compact)
	if err != nil {
		return nil, nil, err
	}
	if err := j.Check(typ); err != nil {
		return nil, nil, err
	}
	if cty, ok := j.Header.Find("cty"); ok && cty != strings.TrimSuffix(typ, "+jwt") {
		return nil, nil, fault.New(fault.InvalidValue, "header: cty is %.64v", cty)
	}
	alg, kid := j.Text("alg"), j.Text("kid")
	m, err := v.Method(ctx, kid, purpose)
	if err != nil {
		return nil, nil, err
	}
	if err := j.Verify(m.Key); err != nil {
		return nil, nil, fault.New(fault.Of(err), "%.200s: %s", kid, fault.Text(err))
	}
	claims, err := canon.ParseObject(j.Payload)
	return claims, &Proof{Suite: alg, Method: kid, Controller: m.Controller}, err
}

// checkClaims looks at the claims of RFC 7519 beside those of the data model, which
// must not contradict the document.
func checkClaims(claims canon.Object, p *Proof, now time.Time) error {
	if err := checkForms(claims, p.Controller); err != nil {
		return err
	}
	return p.checkTimes(claims, now)
}

// checkForms refuses claims beside those of the data model that are good at no time, for
// the signer with the DID.
func checkForms(claims canon.Object, signer string) error {
	for _, name := range []string{"vc", "vp", "proof"} {
		if _, ok := claims.Find(name); ok {
			return fault.New(fault.UnknownField, "%s: the payload is the document itself", name)
		}
	}
	if iss, ok := claims.Find("iss"); ok && iss != signer {
		return fault.New(fault.KidMismatch, "iss is %.200v, the key is of %.200s", iss, signer)
	}
	if jti, ok := claims.Find("jti"); ok {
		if id, _ := text(claims, "id"); jti != id {
			return fault.New(fault.InvalidValue, "jti and id differ")
		}
	}
	_, err := timesOf(claims)
	return err
}

// timesOf reads iat, nbf and exp; what is not there is the zero time.
func timesOf(claims canon.Object) (times [3]time.Time, err error) {
	for i, name := range []string{"iat", "nbf", "exp"} {
		value, ok := claims.Find(name)
		if !ok {
			continue
		}
		// Beyond the year 9999 a time cannot be written, nor a float be converted.
		seconds, ok := value.(float64)
		if !ok || seconds < 0 || seconds > 253402300799 {
			return times, fault.New(fault.InvalidValue, "%s is not a time in seconds", name)
		}
		times[i] = time.Unix(int64(seconds), 0)
	}
	return times, nil
}

// checkTimes reads iat, nbf and exp, and says whether the JWT is valid now.
func (p *Proof) checkTimes(claims canon.Object, now time.Time) error {
	times, err := timesOf(claims)
	if err != nil {
		return err
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
