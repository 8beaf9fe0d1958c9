package openid

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"encoding/json"
	"fmt"
	"math/big"
	"net/http"
	"net/url"
	"time"

	"github.com/killick-ledger/killick/chaincode/canon"
	"github.com/killick-ledger/killick/chaincode/fault"
	"github.com/killick-ledger/killick/gateway/login"
	"github.com/killick-ledger/killick/gateway/vc"
)

const (
	codeGrant      = "urn:ietf:params:oauth:grant-type:pre-authorized_code"
	invalidRequest = "invalid_request"
	invalidGrant   = "invalid_grant"

	codeKind  login.Kind = "offer:code"
	refKind   login.Kind = "offer:reference"
	tokenKind login.Kind = "access:offer"

	offerLife    = 10 * time.Minute
	maxOfferLife = 24 * time.Hour
	// tokenLife is how long an offer lives on once its code was redeemed: the access
	// token's time and some.
	tokenLife = 6 * time.Minute
	maxOffer  = 96 << 10
	// maxAttempts is how many wrong transaction codes end an offer.
	maxAttempts = 5
	txDigits    = 6
)

// State is how far an offer or a request is.
type State string

// The states of an offer.
const (
	Offered  State = "offered"  // no wallet has come yet
	Accepted State = "accepted" // a wallet has redeemed the code
	Issued   State = "issued"   // a wallet has all credentials
	Ended    State = "ended"    // too many wrong transaction codes
)

// offer is an offer of credentials to one user.
type offer struct {
	owner    string // DID of the issuer
	state    State
	items    []item
	code     string // pre-authorized code
	txCode   string // empty: none is asked for
	attempts int
	until    time.Time
}

// item is one credential of an offer.
type item struct {
	configuration *Configuration
	claims        canon.Object
	state         State // Offered, or Accepted while it is being issued, or Issued
	notification  string
	event         string // what the wallet said of it
}

// createOffer makes an offer for the issuer.
func (s *Service) createOffer(w http.ResponseWriter, r *http.Request, caller *login.Caller) {
	answer, err := s.makeOffer(r, caller)
	if err != nil {
		s.write(w, r, err)
		return
	}
	login.Answer(w, http.StatusCreated, answer)
}

// offerAnswer is what the issuer's app gets of an offer it made.
type offerAnswer struct {
	ID             string          `json:"id"`
	Offer          json.RawMessage `json:"credential_offer"`
	URI            string          `json:"uri"`
	URIByReference string          `json:"uri_by_reference"`
	TxCode         string          `json:"tx_code,omitempty"`
	ExpiresIn      int             `json:"expires_in"`
}

func (s *Service) makeOffer(r *http.Request, caller *login.Caller) (*offerAnswer, error) {
	if !s.issuer(caller.DID) {
		return nil, login.Forbidden("%s issues nothing here", caller.DID)
	}
	o, err := body(r, maxOffer, invalidRequest)
	if err == nil {
		err = only(o, "credentials", "tx_code", "expires_in")
	}
	if err != nil {
		return nil, err
	}
	life, err := lifetime(o, offerLife, maxOfferLife)
	if err != nil {
		return nil, err
	}
	made := offer{owner: caller.DID, state: Offered, until: time.Now().Add(life)}
	if made.items, err = s.items(o, caller.DID); err != nil {
		return nil, err
	}
	value, given := o.Find("tx_code")
	wanted, isBool := value.(bool)
	if given && !isBool {
		return nil, login.Refuse(invalidRequest, "tx_code is true or false: the gateway draws the code")
	}
	if wanted {
		made.txCode = drawDigits()
	}
	id := newName()
	made.code = s.cfg.Login.Tickets.New(codeKind, life, []byte(id))
	if err := s.offers.add(id, made.owner, made, len(o.JCS()), made.until); err != nil {
		return nil, err
	}
	object := raw(s.offerObject(&made))
	reference := s.cfg.URL + offerPath + s.cfg.Login.Tickets.New(refKind, life, []byte(id))
	return &offerAnswer{
		ID: id, Offer: object, TxCode: made.txCode, ExpiresIn: int(life.Seconds()),
		URI:            link("openid-credential-offer", url.Values{"credential_offer": {string(object)}}),
		URIByReference: link("openid-credential-offer", url.Values{"credential_offer_uri": {reference}}),
	}, nil
}

// items reads the credentials of an offer, all of which the issuer must issue.
func (s *Service) items(o canon.Object, issuer string) ([]item, error) {
	value, _ := o.Find("credentials")
	list, _ := value.([]any)
	if len(list) == 0 || len(list) > len(s.cfg.Configurations) {
		return nil, login.Refuse(invalidRequest, "credentials: a list of 1 to %d is needed", len(s.cfg.Configurations))
	}
	var items []item
	for _, entry := range list {
		e, _ := entry.(canon.Object)
		if err := only(e, "configuration", "claims"); err != nil {
			return nil, err
		}
		c := s.configuration(text(e, "configuration"))
		if c == nil {
			return nil, login.Refuse("unknown_credential_configuration", "%.64q is not offered here", text(e, "configuration"))
		}
		if c.Issuer != issuer {
			return nil, login.Forbidden("%s is another issuer's", c.ID)
		}
		for _, other := range items {
			if other.configuration == c {
				return nil, login.Refuse(invalidRequest, "%s is offered twice", c.ID)
			}
		}
		value, _ := e.Find("claims")
		claims, ok := value.(canon.Object)
		if !ok || len(claims) == 0 {
			return nil, login.Refuse(invalidRequest, "%s: claims must be an object with members", c.ID)
		}
		if err := only(claims, c.Claims...); err != nil {
			return nil, err
		}
		if c.Format == FormatSelective {
			// What cannot be hidden would be refused when the wallet asks, too late.
			document, paths := c.selective(claims)
			if _, err := vc.Hide(document.JCS(), paths, nil); err != nil {
				return nil, login.Refuse(invalidRequest, "%s: %s", c.ID, fault.Text(err))
			}
		}
		items = append(items, item{configuration: c, claims: claims, state: Offered})
	}
	return items, nil
}

// drawDigits returns a transaction code.
func drawDigits() string {
	limit := int64(1)
	for range txDigits {
		limit *= 10
	}
	n, err := rand.Int(rand.Reader, big.NewInt(limit))
	if err != nil {
		panic(err) // crypto/rand never fails
	}
	return fmt.Sprintf("%0*d", txDigits, n)
}

// offerObject is the offer as wallets see it.
func (s *Service) offerObject(o *offer) canon.Object {
	var ids []any
	for _, i := range o.items {
		ids = append(ids, i.configuration.ID)
	}
	grant := canon.Object{}.With("pre-authorized_code", o.code)
	if o.txCode != "" {
		grant = grant.With("tx_code", canon.Object{}.With("input_mode", "numeric").With("length", float64(txDigits)))
	}
	return canon.Object{}.With("credential_issuer", s.cfg.URL).With("credential_configuration_ids", ids).
		With("grants", canon.Object{}.With(codeGrant, grant))
}

// serveOffer gives a wallet an offer by its reference.
func (s *Service) serveOffer(w http.ResponseWriter, r *http.Request) {
	var object canon.Object
	if ticket, err := s.cfg.Login.Tickets.Read(refKind, r.PathValue("ref")); err == nil {
		s.offers.with(string(ticket.Content), func(o *offer) {
			if o.state == Offered {
				object = s.offerObject(o)
			}
		})
	}
	if object == nil {
		s.write(w, r, &login.Error{Status: http.StatusNotFound, Code: invalidRequest, Text: "no such offer, or no longer"})
		return
	}
	login.Answer(w, http.StatusOK, raw(object))
}

// showOffer tells the issuer's app how far an offer is.
func (s *Service) showOffer(w http.ResponseWriter, r *http.Request, caller *login.Caller) {
	type credential struct {
		Configuration string `json:"configuration"`
		State         State  `json:"state"`
		Event         string `json:"event,omitempty"`
	}
	var answer struct {
		ID          string       `json:"id"`
		State       State        `json:"state"`
		Credentials []credential `json:"credentials"`
	}
	mine := false
	s.offers.with(r.PathValue("id"), func(o *offer) {
		if mine = o.owner == caller.DID; !mine {
			return
		}
		answer.ID, answer.State = r.PathValue("id"), o.state
		for _, i := range o.items {
			answer.Credentials = append(answer.Credentials, credential{i.configuration.ID, i.state, i.event})
		}
	})
	if !mine {
		s.write(w, r, errNoSuch)
		return
	}
	login.Answer(w, http.StatusOK, answer)
}

var errNoSuch = &login.Error{Status: http.StatusNotFound, Code: invalidRequest, Text: "no such thing, or no longer"}

// withdrawOffer ends an offer. What was issued stays issued.
func (s *Service) withdrawOffer(w http.ResponseWriter, r *http.Request, caller *login.Caller) {
	mine := false
	s.offers.with(r.PathValue("id"), func(o *offer) { mine = o.owner == caller.DID })
	if mine {
		s.offers.remove(r.PathValue("id"))
	}
	w.WriteHeader(http.StatusNoContent)
}

// redeem is the grant of a pre-authorized code. A wallet may do without DPoP, and gets
// a bearer token then.
func (s *Service) redeem(_ context.Context, form url.Values, _ *login.Proof) (*login.Access, error) {
	code := form.Get("pre-authorized_code")
	if code == "" {
		return nil, login.Refuse(invalidRequest, "pre-authorized_code is missing")
	}
	ticket, err := s.cfg.Login.Tickets.Read(codeKind, code)
	if err != nil {
		return nil, login.Refuse(invalidGrant, "the code is %s", err)
	}
	id, given := string(ticket.Content), form.Get("tx_code")
	// Looked at before the code is used up: a wallet that forgets the transaction code
	// has not lost its offer.
	if err := s.attempt(id, given); err != nil {
		return nil, err
	}
	return &login.Access{Kind: tokenKind, Content: []byte(id), Use: func() error { return s.accept(id) }}, nil
}

// attempt compares a transaction code, of which few may be wrong.
func (s *Service) attempt(id, given string) error {
	err := login.Refuse(invalidGrant, "no such offer, or no longer")
	s.offers.with(id, func(o *offer) {
		switch {
		case o.state != Offered:
			err = login.Refuse(invalidGrant, "the code was used before")
		case o.txCode == "" && given != "":
			err = login.Refuse(invalidRequest, "no transaction code is expected")
		case o.txCode != "" && given == "":
			err = login.Refuse(invalidRequest, "a transaction code is expected")
		case o.txCode != "" && subtle.ConstantTimeCompare([]byte(o.txCode), []byte(given)) != 1:
			err = login.Refuse(invalidGrant, "the transaction code is wrong")
			if o.attempts++; o.attempts >= maxAttempts {
				o.state = Ended
			}
		default:
			err = nil
		}
	})
	return err
}

// accept uses the code up. Of several wallets one is let pass.
func (s *Service) accept(id string) error {
	err := login.Refuse(invalidGrant, "no such offer, or no longer")
	s.offers.with(id, func(o *offer) {
		if err = nil; o.state != Offered {
			err = login.Refuse(invalidGrant, "the code was used before")
			return
		}
		o.state = Accepted
	})
	if err == nil {
		s.offers.keep(id, time.Now().Add(tokenLife))
	}
	return err
}
