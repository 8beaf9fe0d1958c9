package api

import (
	"context"
	"errors"
	"io"
	"net/http"

	"github.com/go-json-experiment/json"
	"github.com/killick-ledger/killick/chaincode/canon"
	"github.com/killick-ledger/killick/chaincode/credential"
	"github.com/killick-ledger/killick/chaincode/fault"
	"github.com/killick-ledger/killick/gateway/certificate"
)

// The paths of the VC-API.
const (
	issuePath              = "/credentials/issue"
	verifyPath             = "/credentials/verify"
	presentPath            = "/presentations/prove"
	verifyPresentationPath = "/presentations/verify"
)

// isCredentials says that a request is for the VC-API.
func isCredentials(r *http.Request) bool {
	switch r.URL.Path {
	case issuePath, verifyPath, presentPath, verifyPresentationPath:
		return true
	}
	return false
}

// maxCredential bounds the body of a request of the VC-API: a credential of 1 MiB and
// options.
const maxCredential = 1<<20 + 64<<10

// serveVerify verifies a credential: POST /credentials/verify of the VC-API.
func (s *Server) serveVerify(w http.ResponseWriter, r *http.Request) {
	body, err := readObject(r, "verifiableCredential", "options")
	if err == nil {
		var found *certificate.Finding
		if found, err = s.verify(r.Context(), body); err == nil {
			s.writeCredential(w, http.StatusOK, mediaJSON, verdict{Verified: true, Checks: found.Checks, Ledger: found.Ledger, Problems: []vcProblem{}})
			return
		}
	}
	s.refuseCredential(w, r, err, true)
}

func (s *Server) verify(ctx context.Context, body canon.Object) (*certificate.Finding, error) {
	secured, ok := body.Find("verifiableCredential")
	if !ok {
		return nil, fault.New(fault.MissingField, "verifiableCredential")
	}
	options, err := verifyOptions(body)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, queryLimit)
	defer cancel()
	return s.certificates.Verify(ctx, secured, options)
}

// serveVerifyPresentation verifies a presentation: POST /presentations/verify of the
// VC-API.
func (s *Server) serveVerifyPresentation(w http.ResponseWriter, r *http.Request) {
	body, err := readObject(r, "verifiablePresentation", "options")
	if err == nil {
		var found *certificate.PresentationFinding
		if found, err = s.verifyPresentation(r.Context(), body); err == nil {
			answer := verdict{Verified: true, Checks: []string{certificate.CheckProof}, Holder: found.Presentation.Holder, Problems: []vcProblem{}}
			for _, f := range found.Credentials {
				answer.Credentials = append(answer.Credentials, verdict{Verified: true, Checks: f.Checks, Ledger: f.Ledger, Problems: []vcProblem{}})
			}
			s.writeCredential(w, http.StatusOK, mediaJSON, answer)
			return
		}
	}
	s.refuseCredential(w, r, err, true)
}

func (s *Server) verifyPresentation(ctx context.Context, body canon.Object) (*certificate.PresentationFinding, error) {
	secured, ok := body.Find("verifiablePresentation")
	if !ok {
		return nil, fault.New(fault.MissingField, "verifiablePresentation")
	}
	options, err := verifyOptions(body)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, queryLimit)
	defer cancel()
	return s.certificates.VerifyPresentation(ctx, secured, options)
}

// verifyOptions reads checks, challenge and domain. What a verifier asks for must not be
// passed over, so unknown options are refused.
func verifyOptions(body canon.Object) (certificate.Options, error) {
	var out certificate.Options
	options, err := optionsOf(body)
	if err != nil {
		return out, err
	}
	for _, m := range options {
		text, isText := m.Value.(string)
		list, isList := m.Value.([]any)
		switch {
		case m.Name == "challenge" && isText:
			out.Challenge = text
		case m.Name == "domain" && isText:
			out.Domain = text
		case m.Name == "checks" && isList:
			for _, e := range list {
				check, _ := e.(string)
				if check != certificate.CheckProof && check != certificate.CheckStatus {
					return out, fault.New(fault.InvalidValue, "options: checks are %s and %s", certificate.CheckProof, certificate.CheckStatus)
				}
				out.Checks = append(out.Checks, check)
			}
		default:
			return out, fault.New(fault.UnknownField, "options: there is no option %.64q of that type", m.Name)
		}
	}
	return out, nil
}

func optionsOf(body canon.Object) (canon.Object, error) {
	if _, ok := body.Find("options"); !ok {
		return nil, nil
	}
	return member(body, "options")
}

// readObject reads a body: one JSON object with the members and no others.
func readObject(r *http.Request, members ...string) (canon.Object, error) {
	data, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, tooLarge(err)
	}
	body, err := canon.ParseObject(data)
	if err != nil {
		return nil, err
	}
	for _, m := range body {
		known := false
		for _, name := range members {
			known = known || m.Name == name
		}
		if !known {
			return nil, fault.New(fault.UnknownField, "%.64q", m.Name)
		}
	}
	return body, nil
}

// member returns a member that is an object.
func member(body canon.Object, name string) (canon.Object, error) {
	value, ok := body.Find(name)
	if !ok {
		return nil, fault.New(fault.MissingField, "%s", name)
	}
	o, ok := value.(canon.Object)
	if !ok {
		return nil, fault.New(fault.WrongType, "%s must be an object", name)
	}
	return o, nil
}

// verdict is the answer of a verification.
type verdict struct {
	Verified bool     `json:"verified"`
	Checks   []string `json:"checks,omitempty"` // that were made
	// Ledger is what the ledger holds of a credential of its own.
	Ledger *credential.View `json:"ledger,omitempty"`
	// Holder signed the presentation.
	Holder      string      `json:"holder,omitempty"`
	Credentials []verdict   `json:"credentialResults,omitempty"`
	Problems    []vcProblem `json:"problemDetails"`
}

// vcProblem is a problem in the words of the credentials' specifications (RFC 9457).
type vcProblem struct {
	Type     string `json:"type"`
	Title    string `json:"title"`
	Status   int    `json:"status"`
	Detail   string `json:"detail,omitempty"`
	Code     string `json:"code,omitempty"` // ours, docs/formats/codes.md
	Instance string `json:"instance"`
}

// refuseCredential answers with an error. One of the document is a problem of the
// specifications' and status 400; a verifier reads within its verdict that it is not
// verified. Others (no ledger, no memory) say nothing of the document.
func (s *Server) refuseCredential(w http.ResponseWriter, r *http.Request, err error, verdictWanted bool) {
	refused := s.refuse(r.Context(), err)
	kind, title := problemType(err)
	if kind == "" {
		s.writeProblem(r.Context(), w, refused)
		return
	}
	status := http.StatusBadRequest
	if refused.code == fault.TooLarge {
		status = http.StatusRequestEntityTooLarge
	}
	p := vcProblem{Type: kind, Title: title, Status: status, Detail: refused.text, Code: refused.code.String(), Instance: "urn:killick:answer:" + refused.instance}
	if verdictWanted {
		s.writeCredential(w, status, mediaJSON, verdict{Problems: []vcProblem{p}})
		return
	}
	s.writeCredential(w, status, mediaProblem, p)
}

// dataModel begins the problem types of VC Data Model 2.0.
const dataModel = "https://www.w3.org/TR/vc-data-model#"

// problemType returns the type and title of the specifications for an error; none for
// one that is no matter of the document.
func problemType(err error) (kind, words string) {
	var named *certificate.Problem
	if errors.As(err, &named) {
		return named.Type, named.Title
	}
	switch fault.Of(err) {
	case fault.Malformed, fault.DuplicateKey, fault.TrailingData, fault.NumberRange, fault.TooLarge:
		return dataModel + "PARSING_ERROR", "Parsing error"
	case fault.UnknownField, fault.WrongType, fault.MissingField, fault.InvalidValue, fault.NotFound, fault.WrongNetwork:
		return dataModel + "MALFORMED_VALUE_ERROR", "Malformed value"
	case fault.Expired, fault.NotYetValid:
		return dataModel + "RANGE_ERROR", "Not valid at this time"
	case fault.AlgMismatch, fault.KidMismatch, fault.KeyUnknown, fault.KeyPurpose, fault.DIDUnknown, fault.DIDDeactivated, fault.BadSignature, fault.MethodUnsupported:
		return dataModel + "CRYPTOGRAPHIC_SECURITY_ERROR", "Cryptographic security error"
	case fault.Revoked, fault.Suspended:
		return "urn:killick:problem:" + fault.Of(err).String(), title(fault.Of(err).String())
	}
	return "", ""
}

func (s *Server) writeCredential(w http.ResponseWriter, status int, as media, v any) {
	body, err := json.Marshal(v)
	if err != nil { // cannot be: every value is one of ours
		w.WriteHeader(http.StatusInternalServerError)
		return
	}
	h := w.Header()
	h.Set("Content-Type", as.String())
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(status)
	_, _ = w.Write(body) // the client is gone if this fails
}
