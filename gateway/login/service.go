package login

import (
	"context"
	"io"
	"log/slog"
	"mime"
	"net/http"
	"net/url"
	"unicode/utf8"

	"github.com/killick-ledger/killick/gateway/vc"
)

// Paths of the service.
const (
	ChallengePath = "/v1/login"
	TokenPath     = "/v1/token"
	MetadataPath  = "/.well-known/oauth-authorization-server"
)

// maxForm bounds the body of a request for a token.
const maxForm = 64 << 10

// Config is what a Service works with.
type Config struct {
	// URL is the gateway's public origin, https://host[:port], as its clients write it:
	// the issuer of tokens, and the audience of logins.
	URL string
	// Method finds the key of a DID that a DID URL names, and checks that the DID's
	// document lists it for the purpose now (vc.Verifier.Method). It is asked at each
	// login and with each use of a token.
	Method func(ctx context.Context, id string, purpose vc.Purpose) (*vc.Method, error)
	Log    *slog.Logger // default slog.Default()
}

// Service logs DIDs in, and knows them again. Make it with New.
type Service struct {
	Tickets *Tickets

	url      string
	cfg      Config
	log      *slog.Logger
	grants   map[string]Grant
	metadata map[string]any
}

// New returns a service.
func New(cfg Config) *Service {
	if cfg.Log == nil {
		cfg.Log = slog.Default()
	}
	s := &Service{Tickets: NewTickets(), url: cfg.URL, cfg: cfg, log: cfg.Log, metadata: map[string]any{
		"issuer": cfg.URL, "token_endpoint": cfg.URL + TokenPath, "login_challenge_endpoint": cfg.URL + ChallengePath,
		"response_types_supported": []string{}, "token_endpoint_auth_methods_supported": []string{"none"},
		"dpop_signing_alg_values_supported": algorithms(),
	}}
	s.grants = map[string]Grant{bearerGrant: s.login}
	return s
}

// Grant answers a request for a token: form has the parameters, each once; proof is
// nil when the request has no DPoP proof. A grant is used up by it, and the proof by the
// endpoint afterwards. Errors: *Error.
type Grant func(ctx context.Context, form url.Values, proof *Proof) (*Access, error)

// Access is what an access token gives.
type Access struct {
	Kind    Kind
	Content []byte // for whoever reads tokens of the kind
	// Use uses the grant up. Of several requests with the same grant it lets one pass.
	Use func() error
}

// Grant adds a grant type to the token endpoint, and members to the metadata. It is
// for the time before the service serves.
func (s *Service) Grant(name string, g Grant, metadata map[string]any) {
	s.grants[name] = g
	for k, v := range metadata {
		s.metadata[k] = v
	}
}

// Register adds the service's paths.
func (s *Service) Register(mux *http.ServeMux, wrap func(http.Handler) http.Handler) {
	for path, f := range map[string]http.HandlerFunc{
		"POST " + ChallengePath: s.challenge, "POST " + TokenPath: s.token, "GET " + MetadataPath: s.serveMetadata,
	} {
		mux.Handle(path, wrap(f))
	}
}

// serveMetadata describes the token endpoint (RFC 8414).
func (s *Service) serveMetadata(w http.ResponseWriter, _ *http.Request) {
	m := map[string]any{}
	for k, v := range s.metadata {
		m[k] = v
	}
	var grants []string
	for _, name := range []string{bearerGrant, "urn:ietf:params:oauth:grant-type:pre-authorized_code"} {
		if s.grants[name] != nil {
			grants = append(grants, name)
		}
	}
	m["grant_types_supported"] = grants
	Answer(w, http.StatusOK, m)
}

// token is the token endpoint (RFC 6749 section 3.2).
func (s *Service) token(w http.ResponseWriter, r *http.Request) {
	answer, err := s.exchange(w, r)
	if err != nil {
		s.Write(w, r, err)
		return
	}
	Answer(w, http.StatusOK, answer)
}

// TokenAnswer is the successful answer of the token endpoint.
type TokenAnswer struct {
	AccessToken string `json:"access_token"`
	TokenType   string `json:"token_type"` // DPoP or Bearer
	ExpiresIn   int    `json:"expires_in"` // seconds
}

func (s *Service) exchange(w http.ResponseWriter, r *http.Request) (*TokenAnswer, error) {
	form, err := Form(r, maxForm)
	if err != nil {
		return nil, err
	}
	name := form.Get("grant_type")
	grant := s.grants[name]
	switch {
	case name == "":
		return nil, Refuse(invalidRequest, "grant_type is missing")
	case grant == nil:
		return nil, Refuse("unsupported_grant_type", "%.100s is not granted here", name)
	}
	proof, err := s.Proof(r)
	if err != nil {
		return nil, err
	}
	access, err := grant(r.Context(), form, proof)
	if err != nil {
		return nil, err
	}
	// The proof first: a request that is sent again must not use the grant up. Both are
	// remembered at once and for good; if the answer is lost, so are they.
	if proof != nil {
		if err := s.Spend(proof); err != nil {
			return nil, err
		}
		w.Header().Set("DPoP-Nonce", s.nonce())
	}
	if err := access.Use(); err != nil {
		return nil, err
	}
	return s.newToken(access, proof)
}

// Form reads a body of application/x-www-form-urlencoded in UTF-8 of at most limit
// bytes. A parameter that occurs twice is refused, an empty one counts as absent (RFC
// 6749 section 3.2). Errors: *Error.
func Form(r *http.Request, limit int64) (url.Values, error) {
	kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil || kind != "application/x-www-form-urlencoded" {
		return nil, Refuse(invalidRequest, "the body must be application/x-www-form-urlencoded")
	}
	body, err := io.ReadAll(http.MaxBytesReader(nil, r.Body, limit))
	if err != nil {
		return nil, Refuse(invalidRequest, "the body is not whole, or longer than %d bytes", limit)
	}
	return ParseForm(string(body))
}

// ParseForm reads the parameters of a form, each of which may occur once.
// Errors: *Error.
func ParseForm(body string) (url.Values, error) {
	form, err := url.ParseQuery(body)
	if err != nil {
		return nil, Refuse(invalidRequest, "the body is not a form")
	}
	for name, values := range form {
		switch {
		case len(values) > 1:
			return nil, Refuse(invalidRequest, "%.64q occurs twice", name)
		case !utf8.ValidString(name) || !utf8.ValidString(values[0]):
			return nil, Refuse(invalidRequest, "the body is not UTF-8")
		case values[0] == "":
			delete(form, name)
		}
	}
	return form, nil
}
