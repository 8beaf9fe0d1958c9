package api

import (
	"net/http"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/killick-ledger/killick/chaincode/canon"
	"github.com/killick-ledger/killick/chaincode/fault"
	"github.com/killick-ledger/killick/gateway/certificate"
)

// servePresent presents credentials that one of the gateway's issuers holds:
// POST /presentations/prove of the VC-API.
func (s *Server) servePresent(w http.ResponseWriter, r *http.Request) {
	body, err := readObject(r, "presentation", "options")
	if err != nil {
		s.refuseCredential(w, r, err, false)
		return
	}
	holding, err := presentOptions(body)
	if err != nil {
		s.refuseCredential(w, r, err, false)
		return
	}
	holder, err := s.certificates.Issuer(certificate.HolderOf(holding.Presentation))
	if err != nil {
		s.refuseCredential(w, r, err, false)
		return
	}
	if !shows(r, holder.Token) {
		s.refuseToken(w)
		return
	}
	made, err := s.certificates.Present(r.Context(), holder, holding)
	if err != nil {
		s.refuseCredential(w, r, err, false)
		return
	}
	s.writeCredential(w, http.StatusCreated, mediaJSON, presented{value(made)})
}

type presented struct {
	Presentation jsontext.Value `json:"verifiablePresentation"`
}

// presentOptions reads what is to be presented, in which format and to whom.
func presentOptions(body canon.Object) (out certificate.Holding, err error) {
	if out.Presentation, err = member(body, "presentation"); err != nil {
		return out, err
	}
	options, err := optionsOf(body)
	if err != nil {
		return out, err
	}
	into := map[string]*string{"format": &out.Format, "challenge": &out.Challenge, "domain": &out.Domain}
	for _, m := range options {
		value, ok := m.Value.(string)
		if into[m.Name] == nil || !ok {
			return out, fault.New(fault.UnknownField, "options: there is no option %.64q of that type", m.Name)
		}
		*into[m.Name] = value
	}
	return out, nil
}
