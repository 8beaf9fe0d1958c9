package openid

import (
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/killick-ledger/killick/chaincode/canon"
	"github.com/killick-ledger/killick/gateway/jose"
	"github.com/killick-ledger/killick/gateway/login"
)

const (
	// presentKind are nonces of requests for presentations. They are of the same store
	// as those of logins.
	presentKind login.Kind = "openid:present"

	requestLife    = 5 * time.Minute
	maxRequestLife = login.MaxLife
	// answerLife is how long an answer can be read.
	answerLife = 10 * time.Minute
	maxRequest = 64 << 10
	// anyWallet is the audience of a request to a wallet that is not known beforehand.
	anyWallet = "https://self-issued.me/v2"
	// anyIssuer stands for all issuers.
	anyIssuer = "*"
)

// The states of a request.
const (
	Waiting  State = "waiting"
	Answered State = "answered"
	Declined State = "declined" // somebody who knows the request answered with an error
)

// request is a request for presentations of one partner app.
type request struct {
	owner   string // DID
	state   State
	ref     string // the request's state parameter; it names no answer
	nonce   string
	client  string // client_id
	query   *query
	issuers map[string][]string // whom the app trusts, by query id
	// redirect is where the wallet sends its user afterwards, with a code that the app
	// must show to get the answer; empty: the app polls.
	redirect, code string
	until          time.Time

	refused  string // why the newest answer was not taken
	declined string // the wallet's error
	shown    map[string][]shown
}

// createRequest makes a request for a partner app.
func (s *Service) createRequest(w http.ResponseWriter, r *http.Request, caller *login.Caller) {
	answer, err := s.makeRequest(r, caller)
	if err != nil {
		s.write(w, r, err)
		return
	}
	login.Answer(w, http.StatusCreated, answer)
}

// requestAnswer is what the app gets of a request it made.
type requestAnswer struct {
	ID        string `json:"id"`
	ClientID  string `json:"client_id"`
	URI       string `json:"uri"`
	ExpiresIn int    `json:"expires_in"`
}

func (s *Service) makeRequest(r *http.Request, caller *login.Caller) (*requestAnswer, error) {
	if !slices.Contains(s.cfg.Verifiers, caller.DID) && !s.issuer(caller.DID) {
		return nil, login.Forbidden("%s may not ask for presentations here", caller.DID)
	}
	o, err := body(r, maxRequest, invalidRequest)
	if err == nil {
		err = only(o, "dcql_query", "issuers", "redirect_uri", "expires_in", "client_id_prefix")
	}
	if err != nil {
		return nil, err
	}
	life, err := lifetime(o, requestLife, maxRequestLife)
	if err != nil {
		return nil, err
	}
	made := request{owner: caller.DID, state: Waiting, redirect: text(o, "redirect_uri"), until: time.Now().Add(life)}
	if err := made.read(o); err != nil {
		return nil, refusal(err, invalidRequest)
	}
	if made.client, err = s.clientID(text(o, "client_id_prefix")); err != nil {
		return nil, err
	}
	id := newName()
	made.nonce = s.cfg.Login.Tickets.New(presentKind, life, nil)
	made.ref = s.cfg.Login.Tickets.New(presentKind+":ref", life, []byte(id))
	if err := s.requests.add(id, made.owner, made, len(o.JCS()), made.until); err != nil {
		return nil, err
	}
	return &requestAnswer{ID: id, ClientID: made.client, URI: s.requestURI(&made), ExpiresIn: int(life.Seconds())}, nil
}

// read reads the query and what belongs to it.
func (q *request) read(o canon.Object) error {
	value, _ := o.Find("dcql_query")
	source, ok := value.(canon.Object)
	if !ok {
		return login.Refuse(invalidRequest, "dcql_query is missing, or no object")
	}
	var err error
	if q.query, err = parseQuery(source); err != nil {
		return err
	}
	value, _ = o.Find("issuers")
	issuers, _ := value.(canon.Object)
	q.issuers = map[string][]string{}
	for _, c := range q.query.credentials {
		if q.issuers[c.id], err = names(issuers, c.id, maxClaims); err != nil {
			return login.Refuse(invalidRequest, "issuers.%s: the DIDs whose credentials you take are needed, or %q for all", c.id, anyIssuer)
		}
	}
	if len(issuers) != len(q.query.credentials) {
		return login.Refuse(invalidRequest, "issuers: a member that is no id of the query")
	}
	if _, given := o.Find("redirect_uri"); given {
		u, err := url.Parse(q.redirect)
		if err != nil || !u.IsAbs() || u.Fragment != "" || len(q.redirect) > 2048 {
			return login.Refuse(invalidRequest, "redirect_uri must be an absolute URI without a fragment")
		}
	}
	return nil
}

// Prefixes of client identifiers (OpenID4VP section 5.9.3).
const (
	prefixDID      = "decentralized_identifier"
	prefixHash     = "x509_hash"
	prefixDNS      = "x509_san_dns"
	prefixRedirect = "redirect_uri"
)

// clientID is who asks, in a wallet's eyes: the gateway's DID or certificate, whose key
// signs the request, or an address alone, which no key vouches for.
func (s *Service) clientID(prefix string) (string, error) {
	if prefix == "" {
		prefix = prefixRedirect
		if s.cfg.Signer != nil {
			prefix = prefixDID
		}
	}
	switch {
	case prefix == prefixRedirect:
		return prefixRedirect + ":" + s.cfg.URL + ResponsePath, nil
	case prefix == prefixDID && s.cfg.Signer != nil:
		holder, _, _ := strings.Cut(s.cfg.Signer.Method, "#")
		return prefixDID + ":" + holder, nil
	case (prefix == prefixHash || prefix == prefixDNS) && s.cfg.Certificate != nil:
		return s.cfg.Certificate.clientID(prefix), nil
	}
	return "", login.Refuse(invalidRequest, "client_id_prefix: this gateway has no %.64s", prefix)
}

func (q *request) signed() bool { return !strings.HasPrefix(q.client, prefixRedirect+":") }

// parameters are those of the authorization request.
func (s *Service) parameters(q *request) canon.Object {
	return canon.Object{}.With("client_id", q.client).With("response_type", "vp_token").With("response_mode", "direct_post").
		With("response_uri", s.cfg.URL+ResponsePath).With("nonce", q.nonce).With("state", q.ref).
		With("dcql_query", q.query.source).With("client_metadata", clientMetadata())
}

// clientMetadata says what this verifier takes.
func clientMetadata() canon.Object {
	var algs, cryptosuites []any
	for _, a := range algorithms() {
		algs = append(algs, a)
	}
	for _, name := range integritySuites {
		cryptosuites = append(cryptosuites, name)
	}
	return canon.Object{}.With("vp_formats_supported", canon.Object{}.
		With(FormatSelective, canon.Object{}.With("kb-jwt_alg_values", algs).With("sd-jwt_alg_values", algs)).
		With(FormatJWT, canon.Object{}.With("alg_values", algs)).
		With(FormatIntegrity, canon.Object{}.With("cryptosuite_values", cryptosuites).
			With("proof_type_values", []any{"DataIntegrityProof"})))
}

// requestURI is what the app shows to the wallet: the request by reference when it is
// signed, and by value when it is not, as the prefixes have it.
func (s *Service) requestURI(q *request) string {
	form := url.Values{"client_id": {q.client}}
	if q.signed() {
		form.Set("request_uri", s.cfg.URL+requestPath+q.ref)
		form.Set("request_uri_method", "post")
		return link("openid4vp", form)
	}
	for _, m := range s.parameters(q) {
		switch v := m.Value.(type) {
		case string:
			form.Set(m.Name, v)
		case canon.Object:
			form.Set(m.Name, string(v.JCS()))
		}
	}
	return link("openid4vp", form)
}

// link writes an address that opens a wallet. Some of those that read it know a plus
// sign as nothing but that.
func link(scheme string, form url.Values) string {
	return scheme + "://?" + strings.ReplaceAll(form.Encode(), "+", "%20")
}

const requestType = "oauth-authz-req+jwt"

// serveRequest gives a wallet the signed request (RFC 9101). A wallet that posts may
// state a nonce of its own.
func (s *Service) serveRequest(w http.ResponseWriter, r *http.Request) {
	compact, err := s.requestObject(r)
	if err != nil {
		s.write(w, r, err)
		return
	}
	w.Header().Set("Content-Type", "application/"+requestType)
	w.Header().Set("Cache-Control", "no-store")
	_, _ = w.Write([]byte(compact)) // the client is gone if this fails
}

func (s *Service) requestObject(r *http.Request) (string, error) {
	walletNonce := ""
	if r.Method == http.MethodPost {
		form, err := login.Form(r, maxRequest)
		if err != nil {
			return "", err
		}
		if walletNonce = form.Get("wallet_nonce"); len(walletNonce) > 512 {
			return "", login.Refuse(invalidRequest, "wallet_nonce has more than 512 bytes")
		}
	}
	var payload canon.Object
	var client string
	s.byReference(r.PathValue("ref"), func(q *request) {
		if q.state != Answered && q.signed() {
			client = q.client
			payload = s.parameters(q).With("exp", float64(q.until.Unix()))
		}
	})
	if payload == nil {
		return "", errNoSuch
	}
	payload = payload.With("aud", anyWallet).With("iat", float64(time.Now().Unix()))
	if walletNonce != "" {
		payload = payload.With("wallet_nonce", walletNonce)
	}
	if !strings.HasPrefix(client, prefixDID+":") {
		return s.cfg.Certificate.sign(payload)
	}
	header := canon.Object{}.With("alg", string(s.cfg.Signer.Algorithm)).With("kid", s.cfg.Signer.Method).With("typ", requestType)
	return jose.Sign(header, payload, s.cfg.Signer.Sign)
}

// byReference runs f on the request whose state parameter this is, and returns its id.
func (s *Service) byReference(ref string, f func(*request)) (id string, found bool) {
	ticket, err := s.cfg.Login.Tickets.Read(presentKind+":ref", ref)
	if err != nil {
		return "", false
	}
	id = string(ticket.Content)
	return id, s.requests.with(id, f)
}

// showRequest tells the app how far its request is, and what the wallet showed. An app
// that named a redirect_uri has to name the code that came with it, which says that the
// user it talks to is the one whose wallet answered.
func (s *Service) showRequest(w http.ResponseWriter, r *http.Request, caller *login.Caller) {
	var answer struct {
		ID            string             `json:"id"`
		State         State              `json:"state"`
		Refused       string             `json:"refused,omitempty"`
		Declined      string             `json:"declined,omitempty"`
		Presentations map[string][]shown `json:"presentations,omitempty"`
	}
	var err error = errNoSuch
	s.requests.with(r.PathValue("id"), func(q *request) {
		if q.owner != caller.DID {
			return
		}
		err = nil
		answer.ID, answer.State, answer.Refused, answer.Declined = r.PathValue("id"), q.state, q.refused, q.declined
		switch {
		case q.state != Answered:
		case q.code != "" && q.code != r.URL.Query().Get("response_code"):
			err = login.Refuse(invalidRequest, "response_code is not the one that came with the redirect_uri")
		default:
			answer.Presentations = q.shown
		}
	})
	if err != nil {
		s.write(w, r, err)
		return
	}
	login.Answer(w, http.StatusOK, answer)
}

// dropRequest forgets a request and its answer.
func (s *Service) dropRequest(w http.ResponseWriter, r *http.Request, caller *login.Caller) {
	mine := false
	s.requests.with(r.PathValue("id"), func(q *request) { mine = q.owner == caller.DID })
	if mine {
		s.requests.remove(r.PathValue("id"))
	}
	w.WriteHeader(http.StatusNoContent)
}

// shown is a presentation that was verified.
type shown struct {
	Format string   `json:"format"`
	Issuer string   `json:"issuer"`
	Types  []string `json:"types"`
	// Holder is the DID that presented; empty for an SD-JWT, which is bound to a key.
	Holder string `json:"holder,omitempty"`
	// Key is the thumbprint of the key that an SD-JWT is bound to.
	Key string `json:"holder_key,omitempty"`
	// Claims are those of an SD-JWT that were disclosed, or the whole credential.
	Claims json.RawMessage `json:"claims"`
}
