package client

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/killick-ledger/killick/chaincode/canon"
	"github.com/killick-ledger/killick/chaincode/did"
	"github.com/killick-ledger/killick/chaincode/fault"
	"github.com/killick-ledger/killick/gateway/jose"
)

// Session is a login at a gateway's REST service: it signs challenges with the
// identity's key, keeps the access token, which a key of its own binds to it (DPoP, RFC
// 9449), and logs in again when the token has ended. It is safe for concurrent use. A
// token is good at the gateway that gave it and nowhere else.
type Session struct {
	signer Signer
	url    string
	http   *http.Client
	key    signingKey
	jwk    canon.Object
	jkt    string

	mu    sync.Mutex
	token string
	nonce string
}

// LoginError is a refusal in the words of OAuth 2.0: of a login, or of what needs one.
type LoginError struct {
	Status int // of HTTP
	Code   string
	Text   string
}

// Error renders "code: text".
func (e *LoginError) Error() string { return e.Code + ": " + e.Text }

// Session returns a session at the gateway with the URL, https://host[:port], which must
// be the one that the gateway knows itself by. Nothing is sent before the first call.
// client may be nil.
func (s Signer) Session(gateway string, client *http.Client) (*Session, error) {
	u, err := url.Parse(gateway)
	if err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "" || u.Path != "" || u.RawQuery != "" {
		return nil, fmt.Errorf("%q is not the URL of a gateway: https://host[:port]", gateway)
	}
	if client == nil {
		client = &http.Client{Timeout: time.Minute}
	}
	key, err := drawKey(did.EdDSA)
	if err != nil {
		return nil, fmt.Errorf("draw key: %w", err)
	}
	public, err := did.ParseKey(key.public)
	if err != nil {
		return nil, err
	}
	return &Session{signer: s, url: gateway, http: client, key: key, jwk: jose.FormatKey(public), jkt: jose.Thumbprint(public)}, nil
}

// maxCall bounds what is read of an answer.
const maxCall = 32 << 20

// Call sends a request as the identity: body is JSON, or nil. It returns the body of an
// answer of 200 to 299. Errors: *LoginError, *Error for the gateway's other refusals.
func (s *Session) Call(ctx context.Context, method, path string, body []byte) ([]byte, error) {
	answer, err := s.call(ctx, method, path, body)
	var refused *LoginError
	if errors.As(err, &refused) && refused.Status == http.StatusUnauthorized && refused.Code == "invalid_token" {
		s.mu.Lock()
		s.token = "" // it has ended, or the gateway has been started again
		s.mu.Unlock()
		return s.call(ctx, method, path, body)
	}
	return answer, err
}

func (s *Session) call(ctx context.Context, method, path string, body []byte) ([]byte, error) {
	token, err := s.Token(ctx)
	if err != nil {
		return nil, err
	}
	return s.proved(func(nonce string) (*http.Response, error) {
		r, err := http.NewRequestWithContext(ctx, method, s.url+path, bytes.NewReader(body))
		if err != nil {
			return nil, err
		}
		if body != nil {
			r.Header.Set("Content-Type", "application/json")
		}
		return s.send(r, token, nonce)
	})
}

// Token returns an access token, after a login if there is none. It is of use only with
// proofs of this session's key. Errors: *LoginError.
func (s *Session) Token(ctx context.Context) (string, error) {
	s.mu.Lock()
	token := s.token
	s.mu.Unlock()
	if token != "" {
		return token, nil
	}
	var challenge struct{ Challenge, Audience string }
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, s.url+"/v1/login", nil)
	if err != nil {
		return "", err
	}
	answer, err := s.read(s.http.Do(r))
	if err == nil {
		err = json.Unmarshal(answer, &challenge)
	}
	if err != nil {
		return "", fmt.Errorf("log in at %s: %w", s.url, err)
	}
	// What is signed names whom it is for: a gateway that passes on another one's
	// challenge gets nothing that the other would take.
	if challenge.Audience != s.url {
		return "", fmt.Errorf("log in at %s: the gateway calls itself %.200q", s.url, challenge.Audience)
	}
	assertion, err := s.assertion(challenge.Challenge)
	if err != nil {
		return "", err
	}
	form := url.Values{"grant_type": {"urn:ietf:params:oauth:grant-type:jwt-bearer"}, "assertion": {assertion}}.Encode()
	answer, err = s.proved(func(nonce string) (*http.Response, error) {
		r, err := http.NewRequestWithContext(ctx, http.MethodPost, s.url+"/v1/token", strings.NewReader(form))
		if err != nil {
			return nil, err
		}
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		return s.send(r, "", nonce)
	})
	if err != nil {
		return "", fmt.Errorf("log in at %s: %w", s.url, err)
	}
	var granted struct {
		Token string `json:"access_token"`
		Type  string `json:"token_type"`
	}
	if err := json.Unmarshal(answer, &granted); err != nil || granted.Type != "DPoP" || granted.Token == "" {
		return "", fmt.Errorf("log in at %s: the gateway gave no token", s.url)
	}
	s.mu.Lock()
	s.token = granted.Token
	s.mu.Unlock()
	return granted.Token, nil
}

// assertion signs a challenge with the identity's key.
func (s *Session) assertion(challenge string) (string, error) {
	now := float64(time.Now().Unix())
	header := canon.Object{}.With("alg", string(s.signer.Algorithm())).With("kid", s.signer.KeyID()).With("typ", "killick-login")
	claims := canon.Object{}.With("iss", s.signer.DID()).With("sub", s.signer.DID()).With("aud", s.url).With("nonce", challenge).
		With("iat", now).With("exp", now+60).With("cnf", canon.Object{}.With("jkt", s.jkt))
	return jose.Sign(header, claims, s.signer.Sign)
}

// proved sends a request with a proof, once more when the gateway wants a newer nonce.
func (s *Session) proved(send func(nonce string) (*http.Response, error)) ([]byte, error) {
	for again := false; ; again = true {
		s.mu.Lock()
		nonce := s.nonce
		s.mu.Unlock()
		answer, err := s.read(send(nonce))
		var refused *LoginError
		if again || !errors.As(err, &refused) || refused.Code != "use_dpop_nonce" {
			return answer, err
		}
	}
}

// send adds a DPoP proof, and the token it is for.
func (s *Session) send(r *http.Request, token, nonce string) (*http.Response, error) {
	id := make([]byte, 16)
	_, _ = rand.Read(id) // never fails
	target := *r.URL
	target.RawQuery, target.Fragment = "", ""
	header := canon.Object{}.With("alg", string(s.key.alg)).With("typ", "dpop+jwt").With("jwk", s.jwk)
	claims := canon.Object{}.With("jti", canon.B64(id)).With("htm", r.Method).With("htu", target.String()).With("iat", float64(time.Now().Unix()))
	if nonce != "" {
		claims = claims.With("nonce", nonce)
	}
	if token != "" {
		sum := sha256.Sum256([]byte(token))
		claims = claims.With("ath", canon.B64(sum[:]))
		r.Header.Set("Authorization", "DPoP "+token)
	}
	proof, err := jose.Sign(header, claims, s.key.sign)
	if err != nil {
		return nil, err
	}
	r.Header.Set("DPoP", proof)
	return s.http.Do(r)
}

// read reads an answer, and keeps the newest nonce.
func (s *Session) read(response *http.Response, err error) ([]byte, error) {
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	if nonce := response.Header.Get("DPoP-Nonce"); nonce != "" {
		s.mu.Lock()
		s.nonce = nonce
		s.mu.Unlock()
	}
	body, err := io.ReadAll(io.LimitReader(response.Body, maxCall+1))
	if err != nil {
		return nil, fmt.Errorf("answer of the gateway: %w", err)
	}
	if len(body) > maxCall {
		return nil, fmt.Errorf("answer of the gateway: more than %d bytes", maxCall)
	}
	if response.StatusCode >= 200 && response.StatusCode < 300 {
		return body, nil
	}
	var problem struct{ Code, Detail, Instance string }
	if json.Unmarshal(body, &problem) == nil && problem.Code != "" {
		code, _ := fault.ByName(problem.Code)
		return nil, &Error{Fault: fault.Error{Code: code, Text: problem.Detail}, Instance: problem.Instance}
	}
	var refused struct {
		Error string
		Text  string `json:"error_description"`
	}
	if json.Unmarshal(body, &refused) != nil || refused.Error == "" {
		return nil, fmt.Errorf("the gateway answers %s", response.Status)
	}
	return nil, &LoginError{response.StatusCode, refused.Error, refused.Text}
}
