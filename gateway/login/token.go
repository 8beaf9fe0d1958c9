package login

import (
	"context"
	"net/http"
	"strings"
	"time"

	"github.com/killick-ledger/killick/chaincode/canon"
	"github.com/killick-ledger/killick/gateway/vc"
)

const (
	loginKind Kind = "access:login"
	// tokenLife is how long an access token lives.
	tokenLife = 5 * time.Minute
)

// holder is what the token of a login carries.
type holder struct {
	Method string `json:"method"` // DID URL of the key that logged in
	Key    string `json:"key"`    // Multikey
}

// sealed is what every access token carries.
type sealed struct {
	// Thumbprint of the key that the token is bound to; empty for a bearer token.
	Thumbprint string `json:"jkt,omitempty"`
	Content    string `json:"content"` // base64url
}

func (s *Service) newToken(a *Access, proof *Proof) (*TokenAnswer, error) {
	answer := &TokenAnswer{TokenType: "Bearer", ExpiresIn: int(tokenLife.Seconds())}
	token := sealed{Content: canon.B64(a.Content)}
	if proof != nil {
		token.Thumbprint, answer.TokenType = proof.Thumbprint, "DPoP"
	}
	content, err := canon.Marshal(token)
	if err != nil {
		return nil, err
	}
	answer.AccessToken = s.Tickets.New(a.Kind, tokenLife, content)
	return answer, nil
}

// Caller is who sends a request.
type Caller struct {
	DID    string
	Method string // DID URL of the key that logged in
	Until  time.Time
}

// Authenticate returns the DID that logged in and sends this request. Its key is still
// listed under authentication in its document. The proof is used up. Errors: *Error.
func (s *Service) Authenticate(w http.ResponseWriter, r *http.Request) (*Caller, error) {
	content, until, err := s.Access(w, r, loginKind)
	if err != nil {
		return nil, err
	}
	var h holder
	if err := canon.Decode(content, &h, "method", "key"); err != nil {
		return nil, err // it was sealed by this process
	}
	if err := s.current(r.Context(), h); err != nil {
		return nil, err
	}
	did, _, _ := strings.Cut(h.Method, "#")
	return &Caller{DID: did, Method: h.Method, Until: until}, nil
}

// current says whether the key that logged in still speaks for its DID.
func (s *Service) current(ctx context.Context, h holder) error {
	m, err := s.cfg.Method(ctx, h.Method, vc.Authentication)
	if err != nil {
		if known(err) {
			return rejected("the key that logged in does not stand for its DID any more: %s", err)
		}
		return ofFault(err, invalidToken)
	}
	if m.Key.String() != h.Key {
		return rejected("the key that logged in was replaced")
	}
	return nil
}

// Access checks the access token of a request, and the DPoP proof when the token is
// bound to a key; the proof is used up, and the answer gets a new nonce. It returns
// what the token carries and until when it does. Errors: *Error.
func (s *Service) Access(w http.ResponseWriter, r *http.Request, kind Kind) (content []byte, until time.Time, err error) {
	headers := r.Header.Values("Authorization")
	if len(headers) == 0 {
		return nil, until, &Error{Status: http.StatusUnauthorized, Scheme: "DPoP"}
	}
	scheme, token, _ := strings.Cut(headers[0], " ")
	bound := strings.EqualFold(scheme, "DPoP")
	if len(headers) > 1 || !bound && !strings.EqualFold(scheme, "Bearer") {
		return nil, until, unauthorized(Refuse(invalidRequest, "one Authorization header is needed, with DPoP or Bearer"))
	}
	defer func() {
		if e, ok := err.(*Error); ok && !bound { // in the words of the scheme that was tried
			e.Scheme = "Bearer"
		}
	}()
	ticket, err := s.Tickets.Read(kind, token)
	if err != nil {
		return nil, until, rejected("the access token is %s", err)
	}
	var t sealed
	if err := canon.Decode(ticket.Content, &t, "content"); err != nil {
		return nil, until, err // it was sealed by this process
	}
	// A token that is bound to a key is worth nothing without the key, whatever the
	// scheme says (RFC 9449 section 7.2).
	if bound != (t.Thumbprint != "") {
		return nil, until, rejected("the token is of the other type: DPoP, or Bearer")
	}
	if bound {
		if err := s.bound(w, r, token, t.Thumbprint); err != nil {
			return nil, until, unauthorized(err)
		}
	}
	content, err = canon.UnB64(t.Content)
	return content, ticket.Expires, err
}

// bound wants a proof of the key that a token is bound to, for this request.
func (s *Service) bound(w http.ResponseWriter, r *http.Request, token, thumbprint string) error {
	proof, err := s.proof(r, token)
	if err != nil {
		return err
	}
	if proof.Thumbprint != thumbprint {
		return Refuse(invalidProof, "the token is bound to another key")
	}
	w.Header().Set("DPoP-Nonce", s.nonce())
	return s.Spend(proof)
}

// Protect serves only whoever is logged in.
func (s *Service) Protect(next func(http.ResponseWriter, *http.Request, *Caller)) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		caller, err := s.Authenticate(w, r)
		if err != nil {
			s.Write(w, r, err)
			return
		}
		next(w, r, caller)
	})
}
