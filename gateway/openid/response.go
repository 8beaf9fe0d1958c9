package openid

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"time"

	"github.com/killick-ledger/killick/chaincode/canon"
	"github.com/killick-ledger/killick/chaincode/did"
	"github.com/killick-ledger/killick/chaincode/fault"
	"github.com/killick-ledger/killick/gateway/jose"
	"github.com/killick-ledger/killick/gateway/login"
	"github.com/killick-ledger/killick/gateway/vc"
)

const (
	// maxShown bounds the presentations of one query, and maxAnswer those of an answer.
	maxShown  = 8
	maxAnswer = 32
	// verifyLimit is how long the presentations of an answer may take.
	verifyLimit = 20 * time.Second
)

// integritySuites are the cryptosuites that presentations and their credentials may have.
// They sign the names of claims, which queries go by; eddsa-rdfc-2022 does not.
var integritySuites = []string{"eddsa-jcs-2022", "ecdsa-jcs-2019"}

// response is where wallets send their answers (direct_post).
func (s *Service) response(w http.ResponseWriter, r *http.Request) {
	redirect, err := s.take(r)
	if err != nil {
		s.write(w, r, err)
		return
	}
	answer := map[string]string{}
	if redirect != "" {
		answer["redirect_uri"] = redirect
	}
	login.Answer(w, http.StatusOK, answer)
}

// take takes an answer, and returns where the wallet shall send its user. An answer that
// is refused leaves the request open, and so does an error, which anybody who has seen the
// request can send: nobody can shut a user out by answering first.
func (s *Service) take(r *http.Request) (redirect string, err error) {
	form, err := login.Form(r, MaxResponse)
	if err != nil {
		return "", err
	}
	var q request
	id, found := s.byReference(form.Get("state"), func(open *request) { q = *open })
	if !found || q.state == Answered {
		return "", login.Refuse(invalidRequest, "no open request has this state")
	}
	if code := form.Get("error"); code != "" {
		return s.finish(id, nil, 0, func(open *request) { open.state, open.declined = Declined, printable(code, 64) })
	}
	presented, err := s.verify(r.Context(), &q, form.Get("vp_token"))
	if err != nil {
		err = refusal(err, invalidRequest)
		var known *login.Error
		if errors.As(err, &known) {
			s.requests.with(id, func(open *request) { open.refused = known.Text })
		}
		return "", err
	}
	nonce, err := s.cfg.Login.Tickets.Read(presentKind, q.nonce)
	if err != nil {
		return "", login.Refuse(invalidRequest, "the request is too old")
	}
	size := 0
	for _, list := range presented {
		for _, p := range list {
			size += len(p.Claims)
		}
	}
	return s.finish(id, nonce, size, func(open *request) { open.state, open.shown, open.refused, open.declined = Answered, presented, "", "" })
}

// finish uses the request up, for an answer of about size bytes. Of several answers at the
// same time one is taken.
func (s *Service) finish(id string, nonce *login.Ticket, size int, f func(*request)) (redirect string, err error) {
	// The room first: an answer for which there is none may be sent again.
	if !s.requests.reserve(id, size) {
		return "", login.Later("too many answers are kept, or the request has ended")
	}
	defer func() {
		if err != nil {
			s.requests.reserve(id, -size)
		}
	}()
	if nonce != nil {
		if err := s.cfg.Login.Tickets.Spend(nonce); err != nil {
			return "", login.Refuse(invalidRequest, "the request is %s", err)
		}
	}
	err = login.Refuse(invalidRequest, "the request was answered")
	s.requests.with(id, func(open *request) {
		if open.state == Answered {
			return
		}
		f(open)
		err = nil
		if open.redirect != "" {
			open.code = newName()
			redirect = withCode(open.redirect, open.code)
		}
	})
	if err == nil {
		s.requests.keep(id, time.Now().Add(answerLife))
	}
	return redirect, err
}

// withCode adds the code to an address of the app.
func withCode(address, code string) string {
	u, err := url.Parse(address)
	if err != nil { // it was read when the request was made
		return ""
	}
	values := u.Query()
	values.Set("response_code", code)
	u.RawQuery = values.Encode()
	return u.String()
}

// verify checks a VP Token against the request (OpenID4VP section 8.6): its form, each
// presentation, and that together they are what was asked for.
func (s *Service) verify(ctx context.Context, q *request, token string) (map[string][]shown, error) {
	if token == "" {
		return nil, fault.New(fault.MissingField, "vp_token is missing")
	}
	entries, err := canon.ParseObject([]byte(token))
	if err != nil {
		return nil, fault.New(fault.Of(err), "vp_token: %s", fault.Text(err))
	}
	ctx, cancel := context.WithTimeout(ctx, verifyLimit)
	defer cancel()
	expect := vc.Expectation{Challenge: q.nonce, Domain: q.client}
	count := 0
	out, has := map[string][]shown{}, map[string]bool{}
	for _, entry := range entries {
		c := q.query.find(entry.Name)
		list, _ := entry.Value.([]any)
		switch {
		case c == nil:
			return nil, fault.New(fault.InvalidValue, "vp_token: %.64q was not asked for", entry.Name)
		case len(list) == 0 || len(list) > maxShown || len(list) > 1 && !c.multiple:
			return nil, fault.New(fault.InvalidValue, "%s: %d presentations", c.id, len(list))
		}
		if count += len(list); count > maxAnswer {
			return nil, fault.New(fault.TooLarge, "vp_token: more than %d presentations", maxAnswer)
		}
		for _, presentation := range list {
			p, err := s.verifyOne(ctx, c, presentation, expect)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", c.id, err)
			}
			if trusted := q.issuers[c.id]; !slices.Contains(trusted, p.Issuer) && !slices.Contains(trusted, anyIssuer) {
				return nil, fault.New(fault.NotAccredited, "%s: %.200s is no issuer that was asked for", c.id, p.Issuer)
			}
			out[c.id] = append(out[c.id], *p)
		}
		has[c.id] = true
	}
	return out, q.query.complete(has)
}

// verifyOne checks one presentation of the query's format.
func (s *Service) verifyOne(ctx context.Context, c *credentialQuery, presentation any, expect vc.Expectation) (*shown, error) {
	compact, isText := presentation.(string)
	document, isObject := presentation.(canon.Object)
	switch {
	case c.format == FormatSelective && isText:
		return s.verifySelective(ctx, c, compact, expect)
	case c.format == FormatJWT && isText && isJWS(compact):
		return s.verifyPresentation(ctx, c, []byte(compact), expect)
	case c.format == FormatIntegrity && isObject && proves(document):
		return s.verifyPresentation(ctx, c, document.JCS(), expect)
	}
	return nil, fault.New(fault.WrongType, "the presentation has not the form of %s", c.format)
}

// proves says that an object is secured by proofs of its own, and is no envelope.
func proves(document canon.Object) bool {
	_, ok := document.Find("proof")
	return ok
}

// isJWS tells a compact JWS from JSON in a string.
func isJWS(s string) bool { return s != "" && s[0] != '{' && s[0] > ' ' }

func (s *Service) verifySelective(ctx context.Context, c *credentialQuery, compact string, expect vc.Expectation) (*shown, error) {
	v, err := s.cfg.Verifier.Selective(ctx, []byte(compact), expect)
	if err != nil {
		return nil, err
	}
	if err := c.satisfied([]string{v.Type}, v.Claims); err != nil {
		return nil, err
	}
	return &shown{Format: c.format, Issuer: v.Issuer, Types: []string{v.Type}, Key: jose.Thumbprint(v.Holder), Claims: raw(v.Claims)}, nil
}

func (s *Service) verifyPresentation(ctx context.Context, c *credentialQuery, secured []byte, expect vc.Expectation) (*shown, error) {
	p, err := s.cfg.Verifier.Presentation(ctx, secured, expect)
	if err != nil {
		return nil, err
	}
	if len(p.Credentials) != 1 {
		return nil, fault.New(fault.InvalidValue, "a presentation of %d credentials; one is needed", len(p.Credentials))
	}
	credential := p.Credentials[0]
	for _, proof := range slices.Concat(p.Proofs, credential.Proofs) {
		if c.format == FormatJWT && !did.Algorithm(proof.Suite).Known() || c.format == FormatIntegrity && !slices.Contains(integritySuites, proof.Suite) {
			return nil, fault.New(fault.WrongType, "presentation or credential is secured by %.64s, which %s does not take", proof.Suite, c.format)
		}
	}
	// Whoever presents must be whom it is about: the data model leaves that to us.
	for _, subject := range credential.Subjects {
		if text(subject, "id") != p.Holder {
			return nil, fault.New(fault.NotOwner, "the credential is not about its holder %.200s", p.Holder)
		}
	}
	if err := c.satisfied(credential.Types, credential.Document); err != nil {
		return nil, err
	}
	return &shown{Format: c.format, Issuer: credential.Issuer, Types: credential.Types, Holder: p.Holder, Claims: raw(credential.Document)}, nil
}

// printable cuts a text of the wallet's down to what may be shown.
func printable(s string, most int) string {
	out := make([]byte, 0, most)
	for i := 0; i < len(s) && len(out) < most; i++ {
		if s[i] > ' ' && s[i] <= '~' {
			out = append(out, s[i])
		}
	}
	return string(out)
}
