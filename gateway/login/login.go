package login

import (
	"context"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/killick-ledger/killick/chaincode/canon"
	"github.com/killick-ledger/killick/chaincode/fault"
	"github.com/killick-ledger/killick/gateway/jose"
	"github.com/killick-ledger/killick/gateway/vc"
)

const (
	// bearerGrant is the grant of RFC 7523, whose assertion is the signed challenge.
	bearerGrant = "urn:ietf:params:oauth:grant-type:jwt-bearer"
	// assertionType is the typ of the signed challenge, so that no other JWS of the key
	// can be taken for one.
	assertionType = "killick-login"

	challengeKind Kind = "login"
	challengeLife      = 2 * time.Minute
	// assertionLife is how long an assertion may be valid.
	assertionLife = 5 * 60
	maxAssertion  = 8 << 10
)

// challengeAnswer is what a client has to sign.
type challengeAnswer struct {
	Challenge string `json:"challenge"` // goes into nonce
	Audience  string `json:"audience"`  // goes into aud
	ExpiresIn int    `json:"expires_in"`
	Time      int64  `json:"time"` // the gateway's clock, in seconds
}

// challenge hands a challenge out, and a DPoP nonce with it.
func (s *Service) challenge(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("DPoP-Nonce", s.nonce())
	Answer(w, http.StatusOK, challengeAnswer{
		Challenge: s.Tickets.New(challengeKind, challengeLife, nil), Audience: s.url, ExpiresIn: int(challengeLife.Seconds()), Time: time.Now().Unix(),
	})
}

// assertion is the payload of a signed challenge.
type assertion struct {
	Issuer       string       `json:"iss"`
	Subject      string       `json:"sub"`
	Audience     string       `json:"aud"`
	Nonce        string       `json:"nonce"`
	IssuedAt     int64        `json:"iat"`
	Expires      int64        `json:"exp"`
	Confirmation confirmation `json:"cnf"`
}

type confirmation struct {
	Thumbprint string `json:"jkt"`
}

// decodeAssertion reads a signed challenge. It says nothing of who signed.
func decodeAssertion(compact string) (*jose.JWS, *assertion, error) {
	if len(compact) > maxAssertion {
		return nil, nil, fault.New(fault.TooLarge, "an assertion of %d bytes, at most %d are taken", len(compact), maxAssertion)
	}
	j, err := jose.Parse(compact)
	if err != nil {
		return nil, nil, err
	}
	if err := j.Check(assertionType); err != nil {
		return nil, nil, err
	}
	a := new(assertion)
	if err := canon.Decode(j.Payload, a, "iss", "sub", "aud", "nonce", "iat", "exp", "cnf"); err != nil {
		return nil, nil, err
	}
	return j, a, nil
}

// login is the grant of a signed challenge.
func (s *Service) login(ctx context.Context, form url.Values, proof *Proof) (*Access, error) {
	compact := form.Get("assertion")
	switch {
	case compact == "":
		return nil, Refuse(invalidRequest, "assertion is missing")
	case proof == nil:
		return nil, Refuse(invalidProof, "a login needs a DPoP proof")
	}
	j, a, err := decodeAssertion(compact)
	if err != nil {
		return nil, ofFault(err, invalidGrant)
	}
	kid := j.Text("kid")
	ticket, err := s.checkAssertion(a, kid, proof)
	if err != nil {
		return nil, err
	}
	m, err := s.cfg.Method(ctx, kid, vc.Authentication)
	if err != nil {
		return nil, ofFault(err, invalidGrant)
	}
	if err := j.Verify(m.Key); err != nil {
		return nil, ofFault(err, invalidGrant)
	}
	content, err := canon.Marshal(holder{kid, m.Key.String()})
	if err != nil {
		return nil, err
	}
	return &Access{Kind: loginKind, Content: content, Use: func() error {
		if err := s.Tickets.Spend(ticket); err != nil {
			return Refuse(invalidGrant, "the challenge is %s", err)
		}
		return nil
	}}, nil
}

// checkAssertion looks at everything that the assertion says by itself.
func (s *Service) checkAssertion(a *assertion, kid string, proof *Proof) (*Ticket, error) {
	now := time.Now()
	did, fragment, _ := strings.Cut(kid, "#")
	switch {
	case fragment == "" || did != a.Issuer || a.Subject != a.Issuer:
		return nil, Refuse(invalidGrant, "iss and sub must be the DID of the header's kid, which names its key")
	case a.Audience != s.url:
		return nil, Refuse(invalidGrant, "aud is %.200q, want %.200q", a.Audience, s.url)
	case !near(float64(a.IssuedAt), now):
		return nil, Refuse(invalidGrant, "iat is more than %s from this gateway's clock, which says %d", skew, now.Unix())
	case a.Expires <= now.Unix():
		return nil, Refuse(invalidGrant, "the assertion has expired")
	case a.Expires <= a.IssuedAt || a.Expires > a.IssuedAt+assertionLife:
		return nil, Refuse(invalidGrant, "exp must be after iat, and at most %d seconds", assertionLife)
	case a.Confirmation.Thumbprint != proof.Thumbprint:
		return nil, Refuse(invalidGrant, "cnf names another key than the DPoP proof is signed with")
	}
	ticket, err := s.Tickets.Read(challengeKind, a.Nonce)
	if err != nil {
		return nil, Refuse(invalidGrant, "the challenge is %s", err)
	}
	return ticket, nil
}
