package api

import (
	"context"
	"crypto/subtle"
	"net/http"
	"strings"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/killick-ledger/killick/chaincode/canon"
	"github.com/killick-ledger/killick/chaincode/fault"
	"github.com/killick-ledger/killick/gateway/certificate"
	"github.com/killick-ledger/killick/gateway/jose"
)

// serveIssue secures a credential: POST /credentials/issue of the VC-API.
func (s *Server) serveIssue(w http.ResponseWriter, r *http.Request) {
	body, err := readObject(r, "credential", "options")
	if err != nil {
		s.refuseCredential(w, r, err, false)
		return
	}
	credential, err := member(body, "credential")
	if err != nil {
		s.refuseCredential(w, r, err, false)
		return
	}
	request, err := issueOptions(body)
	if err != nil {
		s.refuseCredential(w, r, err, false)
		return
	}
	issuer, err := s.certificates.Issuer(issuerOf(credential, request.Format))
	if err != nil {
		s.refuseCredential(w, r, err, false)
		return
	}
	if !shows(r, issuer.Token) {
		s.refuseToken(w)
		return
	}
	request.Credential = credential
	s.answerIssued(w, r, func(ctx context.Context) (*certificate.Issued, error) {
		return s.certificates.Issue(ctx, issuer, request)
	})
}

// answerIssued answers with a credential that issue makes.
func (s *Server) answerIssued(w http.ResponseWriter, r *http.Request, issue func(context.Context) (*certificate.Issued, error)) {
	made, err := issue(r.Context())
	if err != nil {
		s.refuseCredential(w, r, err, false)
		return
	}
	if made.Reference != "" {
		w.Header().Set("Location", "/v1/credentials/"+made.Reference)
	}
	s.writeCredential(w, http.StatusCreated, mediaJSON, issued{value(made.Credential), made.Reference})
}

// value is the JSON of a value of canon.Object.
func value(v any) jsontext.Value {
	array := canon.JCSArray([]any{v})
	return jsontext.Value(array[1 : len(array)-1])
}

type issued struct {
	Credential jsontext.Value `json:"verifiableCredential"`
	// Reference of the credential on the ledger.
	Reference string `json:"reference,omitempty"`
}

// refuseToken answers who does not show an issuer's token.
func (s *Server) refuseToken(w http.ResponseWriter) {
	const status = http.StatusUnauthorized
	w.Header().Set("WWW-Authenticate", "Bearer")
	s.writeCredential(w, status, mediaProblem, vcProblem{
		Type: "about:blank", Title: http.StatusText(status), Status: status, Detail: "the issuer's token is needed", Instance: "urn:killick:answer:" + instance(),
	})
}

// serveRecordCertificate issues a certificate about a record:
// POST /v1/records/{reference}/certificate, with the options of /credentials/issue in
// the body, or none.
func (s *Server) serveRecordCertificate(w http.ResponseWriter, r *http.Request) {
	issuer, err := s.certificates.Registrar()
	if err != nil {
		s.writeProblem(r.Context(), w, err)
		return
	}
	if !shows(r, issuer.Token) {
		s.refuseToken(w)
		return
	}
	var request certificate.Request
	if r.ContentLength != 0 {
		body, err := readObject(r, "options")
		if err == nil {
			request, err = issueOptions(body)
		}
		if err == nil && (request.Schema != "" || request.Evidence != "" || request.Endorser != "") {
			err = fault.New(fault.UnknownField, "options: what a certificate about a record says is what the ledger says")
		}
		if err != nil {
			s.refuseCredential(w, r, err, false)
			return
		}
	}
	s.answerIssued(w, r, func(ctx context.Context) (*certificate.Issued, error) {
		return s.certificates.CertifyRecord(ctx, r.PathValue("reference"), request.Format)
	})
}

// shows says that a request carries the token, if there is one.
func shows(r *http.Request, token string) bool {
	if token == "" {
		return true
	}
	scheme, given, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	return strings.EqualFold(scheme, "Bearer") && subtle.ConstantTimeCompare([]byte(strings.TrimSpace(given)), []byte(token)) == 1
}

// issuerOf returns the issuer that a credential, or the claims of an SD-JWT, name.
func issuerOf(credential canon.Object, format string) string {
	if format != certificate.SDJWT {
		return certificate.IssuerOf(credential)
	}
	value, _ := credential.Find("iss")
	name, _ := value.(string)
	return name
}

// issueOptions reads what may be asked for: the format, the terms of an issuer on the
// ledger, and of an SD-JWT what can be disclosed (JSON pointers) and the holder's key.
func issueOptions(body canon.Object) (out certificate.Request, err error) {
	options, err := optionsOf(body)
	if err != nil {
		return out, err
	}
	into := map[string]*string{"format": &out.Format, "schema": &out.Schema, "evidence": &out.Evidence, "endorser": &out.Endorser}
	for _, m := range options {
		switch v := m.Value.(type) {
		case []any:
			if m.Name == "disclose" {
				if out.Disclose, err = pointers(v); err != nil {
					return out, err
				}
				continue
			}
		case canon.Object:
			if m.Name == "holder" {
				if out.Holder, err = jose.ParseKey(v); err != nil {
					return out, err
				}
				continue
			}
		}
		value, ok := m.Value.(string)
		if into[m.Name] == nil || !ok {
			return out, fault.New(fault.UnknownField, "options: there is no option %.64q of that type", m.Name)
		}
		*into[m.Name] = value
	}
	return out, nil
}

// pointers reads JSON pointers (RFC 6901) as paths.
func pointers(list []any) ([][]string, error) {
	out := [][]string{}
	for _, e := range list {
		text, _ := e.(string)
		rest, ok := strings.CutPrefix(text, "/")
		if !ok {
			return nil, fault.New(fault.InvalidValue, "options: disclose has JSON pointers to claims, not %.64q", e)
		}
		path := strings.Split(rest, "/")
		for i, part := range path {
			path[i] = strings.NewReplacer("~1", "/", "~0", "~").Replace(part)
		}
		out = append(out, path)
	}
	return out, nil
}
