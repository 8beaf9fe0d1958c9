package openid

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/killick-ledger/killick/chaincode/canon"
	"github.com/killick-ledger/killick/chaincode/did"
	"github.com/killick-ledger/killick/chaincode/fault"
	"github.com/killick-ledger/killick/gateway/login"
	"github.com/killick-ledger/killick/gateway/vc"
)

// Paths of the service. Those of partner apps need a login.
const (
	IssuerMetadataPath = "/.well-known/openid-credential-issuer"
	// ResponsePath is where wallets send presentations.
	ResponsePath = "/openid/response"

	offersPath     = "/v1/openid/offers"   // of partner apps
	requestsPath   = "/v1/openid/requests" // of partner apps
	offerPath      = "/openid/offer/"
	noncePath      = "/openid/nonce"
	credentialPath = "/openid/credential"
	notifyPath     = "/openid/notification"
	requestPath    = "/openid/request/"
)

// MaxResponse bounds the body of a wallet's answer to a request for presentations.
const MaxResponse = 2 << 20

// Formats of credentials.
const (
	FormatSelective = "dc+sd-jwt"
	FormatJWT       = "vc+jwt" // VC Data Model 2.0 secured by VC-JOSE-COSE
	FormatIntegrity = "ldp_vc" // Data Integrity; presented only
)

// Issuer makes credentials in the name of a configuration's issuer, and puts what the
// ledger holds of them there before it returns them.
type Issuer interface {
	// IssueJWT secures a credential of VC Data Model 2.0 as vc+jwt.
	IssueJWT(ctx context.Context, credential canon.Object, c *Configuration) (string, error)
	// IssueSelective secures claims as dc+sd-jwt: those at the paths can be disclosed
	// one by one, and presentations have to be signed with the holder's key.
	IssueSelective(ctx context.Context, claims canon.Object, paths [][]string, holder *did.PublicKey, c *Configuration) (string, error)
}

// Verifier verifies what wallets present, including whether it was revoked.
type Verifier interface {
	Selective(ctx context.Context, compact []byte, expect vc.Expectation) (*vc.Selective, error)
	Presentation(ctx context.Context, secured []byte, expect vc.Expectation) (*vc.Presentation, error)
}

// Config is what a Service works with.
type Config struct {
	URL   string // the gateway's public origin, as login has it
	Login *login.Service
	// Method finds keys of wallets by DID URL, as login.Config has it.
	Method func(ctx context.Context, id string, purpose vc.Purpose) (*vc.Method, error)

	Issuer         Issuer
	Configurations []Configuration // what may be offered; none: no credentials are issued

	Verifier Verifier   // nil: no presentations are asked for
	Signer   *vc.Signer // signs requests as a DID; nil: nobody does
	// Certificate signs requests for wallets that know its authority; nil: nobody does.
	Certificate *Certificate
	Verifiers   []string // DIDs that may ask for presentations, beside the issuers
}

// Service issues to wallets and verifies what they present. Make it with New.
type Service struct {
	cfg      Config
	offers   *table[offer]
	requests *table[request]
}

// New returns a service, and adds its grant to the login's token endpoint. It returns
// every mistake of the configurations.
func New(cfg Config) (*Service, error) {
	s := &Service{cfg: cfg, offers: newTable[offer](), requests: newTable[request]()}
	var errs []error
	for i := range cfg.Configurations {
		errs = append(errs, cfg.Configurations[i].check(cfg.Configurations[:i]))
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	if s.issues() {
		cfg.Login.Grant(codeGrant, s.redeem, map[string]any{"pre-authorized_grant_anonymous_access_supported": true})
	}
	return s, nil
}

func (s *Service) issues() bool { return len(s.cfg.Configurations) > 0 }

// issuer says that a DID issues credentials here.
func (s *Service) issuer(did string) bool {
	return slices.ContainsFunc(s.cfg.Configurations, func(c Configuration) bool { return c.Issuer == did })
}

// Register adds the service's paths.
func (s *Service) Register(mux *http.ServeMux, wrap func(http.Handler) http.Handler) {
	handlers := map[string]http.Handler{}
	protect := s.cfg.Login.Protect
	if s.issues() {
		handlers["POST "+offersPath] = protect(s.createOffer)
		handlers["GET "+offersPath+"/{id}"] = protect(s.showOffer)
		handlers["DELETE "+offersPath+"/{id}"] = protect(s.withdrawOffer)
		handlers["GET "+IssuerMetadataPath] = http.HandlerFunc(s.metadata)
		handlers["GET "+offerPath+"{ref}"] = http.HandlerFunc(s.serveOffer)
		handlers["POST "+noncePath] = http.HandlerFunc(s.nonce)
		handlers["POST "+credentialPath] = http.HandlerFunc(s.credential)
		handlers["POST "+notifyPath] = http.HandlerFunc(s.notification)
	}
	if s.cfg.Verifier != nil {
		handlers["POST "+requestsPath] = protect(s.createRequest)
		handlers["GET "+requestsPath+"/{id}"] = protect(s.showRequest)
		handlers["DELETE "+requestsPath+"/{id}"] = protect(s.dropRequest)
		handlers["GET "+requestPath+"{ref}"] = http.HandlerFunc(s.serveRequest)
		handlers["POST "+requestPath+"{ref}"] = http.HandlerFunc(s.serveRequest)
		handlers["POST "+ResponsePath] = http.HandlerFunc(s.response)
	}
	for pattern, h := range handlers {
		mux.Handle(pattern, wrap(h))
	}
}

// Configuration is a kind of credential that may be offered.
type Configuration struct {
	ID     string // credential_configuration_id
	Issuer string // the DID that issues it, and offers it
	Format string // FormatSelective or FormatJWT
	// Type is vct of an SD-JWT, and the type beside VerifiableCredential otherwise.
	Type string
	// Context is the context that defines Type, of FormatJWT.
	Context string
	Name    string // for people
	// Schema, Evidence and Endorser are as credential.issue has them; empty for an issuer
	// that is not on the ledger.
	Schema, Evidence, Endorser string
	Life                       time.Duration
	// Claims are the names of the claims that an offer may give. Of an SD-JWT each can
	// be disclosed by itself.
	Claims []string
}

// reserved are claims that the gateway sets.
var reserved = []string{"iss", "iat", "nbf", "exp", "cnf", "vct", "vct#integrity", "status", "sub", "jti", "aud", "_sd", "_sd_alg", "...", "id", "type", "@context"}

func (c *Configuration) check(before []Configuration) error {
	var errs []error
	bad := func(format string, args ...any) {
		errs = append(errs, fmt.Errorf("credential %.64q: %s", c.ID, fmt.Sprintf(format, args...)))
	}
	if c.ID == "" || len(c.ID) > 64 || strings.Trim(c.ID, nameChars) != "" {
		bad("id must be 1 to 64 of A-Z a-z 0-9 . _ -")
	}
	if slices.ContainsFunc(before, func(o Configuration) bool { return o.ID == c.ID }) {
		bad("there are two")
	}
	if c.Format != FormatSelective && c.Format != FormatJWT {
		bad("format %.32q; %s and %s are issued", c.Format, FormatSelective, FormatJWT)
	}
	if c.Issuer == "" || c.Type == "" || c.Name == "" || c.Life <= 0 || len(c.Claims) == 0 {
		bad("issuer, type, name, a lifetime and claims are needed")
	}
	for i, name := range c.Claims {
		if name == "" || slices.Contains(reserved, name) || slices.Contains(c.Claims[:i], name) {
			bad("the claim %.64q is the gateway's own, empty or listed twice", name)
		}
	}
	return errors.Join(errs...)
}

const nameChars = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-"

func (s *Service) configuration(id string) *Configuration {
	for i := range s.cfg.Configurations {
		if s.cfg.Configurations[i].ID == id {
			return &s.cfg.Configurations[i]
		}
	}
	return nil
}

// write answers with a refusal.
func (s *Service) write(w http.ResponseWriter, r *http.Request, err error) {
	s.cfg.Login.Write(w, r, err)
}

// body reads a JSON object. Errors: *login.Error with the code.
func body(r *http.Request, limit int64, code string) (canon.Object, error) {
	kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil || kind != "application/json" {
		return nil, login.Refuse(code, "the body must be application/json")
	}
	data, err := io.ReadAll(http.MaxBytesReader(nil, r.Body, limit))
	if err != nil {
		return nil, login.Refuse(code, "the body is not whole, or longer than %d bytes", limit)
	}
	o, err := canon.ParseObject(data)
	if err != nil {
		return nil, login.Refuse(code, "%s", err)
	}
	return o, nil
}

// refusal makes a refusal with the code of an error of another package; what nobody
// could find out stays open.
func refusal(err error, code string) error {
	var e *login.Error
	switch {
	case errors.As(err, &e):
		return err
	case fault.Of(err) == fault.Internal:
		return err
	case fault.Of(err) == fault.Unavailable, fault.Of(err) == fault.Overloaded, fault.Of(err) == fault.Unknown:
		return login.Later("%s", fault.Text(err))
	}
	return login.Refuse(code, "%s", err)
}

// text returns a member that is a string, empty otherwise.
func text(o canon.Object, name string) string {
	value, _ := o.Find(name)
	s, _ := value.(string)
	return s
}

// only refuses members that the partner's requests do not have.
func only(o canon.Object, names ...string) error {
	for _, m := range o {
		if !slices.Contains(names, m.Name) {
			return login.Refuse(invalidRequest, "%.64q is not known here", m.Name)
		}
	}
	return nil
}

// lifetime reads expires_in, in seconds.
func lifetime(o canon.Object, usual, most time.Duration) (time.Duration, error) {
	value, ok := o.Find("expires_in")
	if !ok {
		return usual, nil
	}
	seconds, ok := value.(float64)
	if !ok || seconds < 1 || seconds > most.Seconds() || seconds != float64(int64(seconds)) {
		return 0, login.Refuse(invalidRequest, "expires_in must be 1 to %d seconds", int(most.Seconds()))
	}
	return time.Duration(seconds) * time.Second, nil
}

// raw is an object as JSON carries it.
func raw(o canon.Object) json.RawMessage { return json.RawMessage(o.JCS()) }
