package api

import (
	"context"
	"errors"
	"net/http"
	"strings"

	"github.com/killick-ledger/killick/chaincode/canon"
	"github.com/killick-ledger/killick/chaincode/did"
	"github.com/killick-ledger/killick/gateway/certificate"
	"github.com/killick-ledger/killick/gateway/login"
	"github.com/killick-ledger/killick/gateway/openid"
	"github.com/killick-ledger/killick/gateway/vc"
)

// OpenID is what is offered to wallets, and who may ask them.
type OpenID struct {
	Configurations []openid.Configuration
	Verifiers      []string            // DIDs
	Certificate    *openid.Certificate // may be nil
}

// mount serves logins and what needs them, if the gateway has a URL.
func (s *Server) mount(mux *http.ServeMux) error {
	if s.login == nil {
		return nil
	}
	cfg := openid.Config{
		URL: s.cfg.Credentials.URL, Login: s.login, Method: s.certificates.Method, Configurations: s.cfg.OpenID.Configurations,
		Issuer: issuing{s.certificates}, Verifier: issuing{s.certificates}, Verifiers: s.cfg.OpenID.Verifiers,
		Signer: s.certificates.Signer(), Certificate: s.cfg.OpenID.Certificate,
	}
	wallets, err := openid.New(cfg)
	if err != nil {
		return err
	}
	guarded := func(next http.Handler) http.Handler { return s.guard(next) }
	s.login.Register(mux, guarded)
	wallets.Register(mux, guarded)
	mux.Handle("GET "+mePath, s.guard(s.login.Protect(s.serveMe)))
	return nil
}

const mePath = "/v1/me"

// isOpenID says that a request is for a login or for OpenID: apps in browsers send
// those too.
func isOpenID(r *http.Request) bool {
	for _, prefix := range []string{login.ChallengePath, login.TokenPath, login.MetadataPath, openid.IssuerMetadataPath, mePath} {
		if r.URL.Path == prefix {
			return true
		}
	}
	return strings.HasPrefix(r.URL.Path, "/openid/") || strings.HasPrefix(r.URL.Path, "/v1/openid/")
}

// shared lets pages of every origin send such requests: no cookie vouches for anybody
// here, so another site's page can do no more than a program.
func shared(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Access-Control-Allow-Origin", "*")
		h.Set("Access-Control-Expose-Headers", "DPoP-Nonce, WWW-Authenticate, Retry-After")
		h.Set("X-Content-Type-Options", "nosniff")
		if r.Method == http.MethodOptions {
			h.Set("Access-Control-Allow-Methods", "GET, POST, DELETE, OPTIONS")
			h.Set("Access-Control-Allow-Headers", "Authorization, Content-Type, DPoP")
			h.Set("Access-Control-Max-Age", "86400")
			w.WriteHeader(http.StatusNoContent)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// me is what a gateway knows of whoever is logged in, and tells nobody else.
type me struct {
	DID     string `json:"did"`
	Key     string `json:"key"` // DID URL of the key that logged in
	Expires int64  `json:"expires"`
	// Waiting are the DID's operations that this gateway has taken and that are not in a
	// block, and how many it takes at most.
	Waiting waiting `json:"waiting"`
}

type waiting struct {
	Operations     int `json:"operations"`
	Bytes          int `json:"bytes"`
	MostOperations int `json:"most_operations"`
	MostBytes      int `json:"most_bytes"`
}

// serveMe answers who is logged in, and what of theirs waits here.
func (s *Server) serveMe(w http.ResponseWriter, _ *http.Request, caller *login.Caller) {
	answer := me{DID: caller.DID, Key: caller.Method, Expires: caller.Until.Unix()}
	if id, err := did.ParseOn(s.cfg.Network, caller.DID); err == nil {
		share := s.cfg.Submitter.Share(id)
		answer.Waiting = waiting(share)
	}
	login.Answer(w, http.StatusOK, answer)
}

// issuing is what openid needs of the gateway's issuers and checks.
type issuing struct{ *certificate.Service }

// IssueJWT implements openid.Issuer.
func (i issuing) IssueJWT(ctx context.Context, credential canon.Object, c *openid.Configuration) (string, error) {
	issuer, err := i.Issuer(c.Issuer)
	if err != nil {
		return "", err
	}
	made, err := i.Issue(ctx, issuer, certificate.Request{Credential: credential, Format: certificate.JWT, Schema: c.Schema, Evidence: c.Evidence, Endorser: c.Endorser})
	if err != nil {
		return "", err
	}
	envelope, _ := made.Credential.(canon.Object)
	id, _ := envelope.Find("id")
	url, _ := id.(string)
	_, compact, ok := strings.Cut(url, ",")
	if !ok {
		return "", errors.New("a vc+jwt that is not enveloped")
	}
	return compact, nil
}

// IssueSelective implements openid.Issuer.
func (i issuing) IssueSelective(ctx context.Context, claims canon.Object, paths [][]string, holder *did.PublicKey, c *openid.Configuration) (string, error) {
	issuer, err := i.Issuer(c.Issuer)
	if err != nil {
		return "", err
	}
	made, err := i.Issue(ctx, issuer, certificate.Request{
		Credential: claims, Format: certificate.SDJWT, Disclose: paths, Holder: holder, Schema: c.Schema, Evidence: c.Evidence, Endorser: c.Endorser,
	})
	if err != nil {
		return "", err
	}
	compact, ok := made.Credential.(string)
	if !ok {
		return "", errors.New("an SD-JWT that is no text")
	}
	return compact, nil
}

// Selective implements openid.Verifier.
func (i issuing) Selective(ctx context.Context, compact []byte, expect vc.Expectation) (*vc.Selective, error) {
	// The tilde is what tells an SD-JWT from a JWT.
	if !strings.Contains(string(compact), "~") {
		compact = append(compact, '~')
	}
	found, err := i.Verify(ctx, string(compact), certificate.Options{Challenge: expect.Challenge, Domain: expect.Domain})
	if err != nil {
		return nil, err
	}
	return found.Selective, nil
}

// Presentation implements openid.Verifier.
func (i issuing) Presentation(ctx context.Context, secured []byte, expect vc.Expectation) (*vc.Presentation, error) {
	var presentation any = string(secured)
	if len(secured) > 0 && secured[0] == '{' {
		o, err := canon.ParseObject(secured)
		if err != nil {
			return nil, err
		}
		presentation = o
	}
	found, err := i.VerifyPresentation(ctx, presentation, certificate.Options{Challenge: expect.Challenge, Domain: expect.Domain})
	if err != nil {
		return nil, err
	}
	return found.Presentation, nil
}
