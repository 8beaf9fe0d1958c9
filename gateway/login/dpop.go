package login

import (
	"crypto/sha256"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/killick-ledger/killick/chaincode/canon"
	"github.com/killick-ledger/killick/chaincode/fault"
	"github.com/killick-ledger/killick/gateway/jose"
)

const (
	// skew is how far clocks may be apart.
	skew = time.Minute
	// nonceKind are DPoP nonces, and nonceLife is how long a client may use one.
	nonceKind Kind = "dpop"
	nonceLife      = 5 * time.Minute
	// maxProof bounds a DPoP proof, and maxID its jti.
	maxProof = 8 << 10
	maxID    = 256
)

// Proof is a DPoP proof (RFC 9449) that was checked, except that it was not used
// before: Service.Spend does that, last of all, so that only requests that are good
// otherwise take a place in memory.
type Proof struct {
	Thumbprint string // of the client's key
	id         string // jti
	nonce      *Ticket
}

// Proof checks the DPoP proof of a request for a token, as RFC 9449 section 4.3 has it.
// nil stands for a request without one. Errors: *Error.
func (s *Service) Proof(r *http.Request) (*Proof, error) {
	if len(r.Header.Values("DPoP")) == 0 {
		return nil, nil
	}
	return s.proof(r, "")
}

// proof checks the DPoP proof of a request, which must be for the access token unless
// that is empty. Checks are in the order of the list in RFC 9449 section 4.3.
func (s *Service) proof(r *http.Request, token string) (*Proof, error) {
	headers := r.Header.Values("DPoP")
	if len(headers) != 1 || len(headers[0]) > maxProof {
		return nil, Refuse(invalidProof, "%d DPoP headers; one is needed, of at most %d bytes", len(headers), maxProof)
	}
	j, err := jose.Parse(headers[0])
	if err != nil {
		return nil, ofFault(err, invalidProof)
	}
	claims, err := canon.ParseObject(j.Payload)
	if err != nil {
		return nil, ofFault(err, invalidProof)
	}
	text := func(name string) string {
		value, _ := claims.Find(name)
		s, _ := value.(string)
		return s
	}
	id, method, target := text("jti"), text("htm"), text("htu")
	at, dated := claims.Find("iat")
	issued, isNumber := at.(float64)
	if id == "" || len(id) > maxID || method == "" || target == "" || !dated || !isNumber {
		return nil, Refuse(invalidProof, "jti (at most %d bytes), htm, htu and iat are needed", maxID)
	}
	if err := j.Check("dpop+jwt"); err != nil {
		return nil, ofFault(err, invalidProof)
	}
	value, _ := j.Header.Find("jwk")
	jwk, ok := value.(canon.Object)
	if !ok {
		return nil, Refuse(invalidProof, "header: jwk is missing")
	}
	key, err := jose.ParseKey(jwk)
	if err != nil {
		return nil, ofFault(err, invalidProof)
	}
	if err := j.Verify(key); err != nil {
		return nil, ofFault(err, invalidProof)
	}
	if method != r.Method {
		return nil, Refuse(invalidProof, "htm is %.16q, the request is %s", method, r.Method)
	}
	if own := s.url + r.URL.EscapedPath(); !sameURL(target, own) {
		return nil, Refuse(invalidProof, "htu is %.200q, the request is for %.200q", target, own)
	}
	nonce, err := s.readNonce(text("nonce"))
	if err != nil {
		return nil, err
	}
	if !near(issued, time.Now()) {
		return nil, Refuse(invalidProof, "iat is more than %s from this gateway's clock", skew)
	}
	if token != "" {
		sum := sha256.Sum256([]byte(token))
		if text("ath") != canon.B64(sum[:]) {
			return nil, Refuse(invalidProof, "ath is not the hash of the access token")
		}
	}
	return &Proof{Thumbprint: jose.Thumbprint(key), id: id, nonce: nonce}, nil
}

// readNonce wants a nonce of ours in every proof: without one a proof could have been
// made long before, or have been used at this gateway before it was started again.
func (s *Service) readNonce(nonce string) (*Ticket, error) {
	if nonce == "" {
		return nil, Refuse(useNonce, "a nonce of this gateway is needed")
	}
	ticket, err := s.Tickets.Read(nonceKind, nonce)
	if err != nil {
		return nil, Refuse(useNonce, "the nonce is %s", err)
	}
	return ticket, nil
}

// nonce returns a new DPoP nonce.
func (s *Service) nonce() string { return s.Tickets.New(nonceKind, nonceLife, nil) }

// Spend uses a proof up. Errors: *Error.
func (s *Service) Spend(p *Proof) error {
	switch err := s.Tickets.SpendProof(p.Thumbprint, p.id, p.nonce); err {
	case nil:
		return nil
	case ErrNonce:
		return Refuse(useNonce, "the nonce is %s", err)
	default:
		return Refuse(invalidProof, "the proof was %s", err)
	}
}

// near says that a time in seconds is within skew of another one.
func near(seconds float64, now time.Time) bool {
	at := float64(now.UnixMilli()) / 1000
	return seconds >= at-skew.Seconds() && seconds <= at+skew.Seconds()
}

// sameURL compares two http URLs after normalisation (RFC 3986 sections 6.2.2 and
// 6.2.3), without their queries and fragments.
func sameURL(a, b string) bool {
	x, ok := normalURL(a)
	y, known := normalURL(b)
	return ok && known && x == y
}

func normalURL(text string) (string, bool) {
	u, err := url.Parse(text)
	if err != nil || u.Opaque != "" || u.User != nil || u.Host == "" {
		return "", false
	}
	scheme := strings.ToLower(u.Scheme)
	host := strings.ToLower(u.Host)
	switch scheme {
	case "https":
		host = strings.TrimSuffix(host, ":443")
	case "http":
		host = strings.TrimSuffix(host, ":80")
	default:
		return "", false
	}
	if host = strings.TrimSuffix(host, ":"); host == "" { // an empty port is the scheme's
		return "", false
	}
	escaped, ok := normalEscapes(u.EscapedPath())
	if !ok {
		return "", false
	}
	return scheme + "://" + host + withoutDots("/"+strings.TrimPrefix(escaped, "/")), true
}

// withoutDots removes the dot segments of a path (RFC 3986 section 5.2.4).
func withoutDots(path string) string {
	segments := strings.Split(path, "/")[1:]
	var out []string
	for i, s := range segments {
		if s != "." && s != ".." {
			out = append(out, s)
			continue
		}
		if s == ".." && len(out) > 0 {
			out = out[:len(out)-1]
		}
		if i == len(segments)-1 {
			out = append(out, "")
		}
	}
	return "/" + strings.Join(out, "/")
}

// normalEscapes decodes what need not be percent-encoded, and writes the rest with
// capital letters.
func normalEscapes(path string) (string, bool) {
	const unreserved = "-._~"
	var out strings.Builder
	for i := 0; i < len(path); i++ {
		c := path[i]
		if c != '%' {
			out.WriteByte(c)
			continue
		}
		if i+2 >= len(path) {
			return "", false
		}
		hex := strings.ToLower(path[i+1 : i+3])
		raw, err := canon.UnHex(hex, 1)
		if err != nil {
			return "", false
		}
		i += 2
		if c := raw[0]; c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || strings.IndexByte(unreserved, c) >= 0 {
			out.WriteByte(c)
			continue
		}
		out.WriteString("%" + strings.ToUpper(hex))
	}
	return out.String(), true
}

// unauthorized makes a refusal of a token request one of a request to a resource.
func unauthorized(err error) error {
	e, ok := err.(*Error)
	if !ok || e.Status != http.StatusBadRequest {
		return err
	}
	return &Error{Status: http.StatusUnauthorized, Code: e.Code, Text: e.Text, Scheme: "DPoP"}
}

// rejected is an access token that is not taken.
func rejected(format string, args ...any) error {
	return unauthorized(Refuse(invalidToken, format, args...))
}

// known says that an error is one of a DID or key, and not that nobody could tell.
func known(err error) bool {
	switch fault.Of(err) {
	case fault.Internal, fault.Unavailable, fault.Overloaded:
		return false
	}
	return true
}
