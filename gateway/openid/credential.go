package openid

import (
	"context"
	"net/http"
	"slices"
	"time"

	"github.com/killick-ledger/killick/chaincode/canon"
	"github.com/killick-ledger/killick/gateway/login"
	"github.com/killick-ledger/killick/gateway/vc"
)

const (
	invalidCredential = "invalid_credential_request"
	invalidProof      = "invalid_proof"
	invalidNonce      = "invalid_nonce"
	denied            = "credential_request_denied"

	nonceKind login.Kind = "openid"
	// nonceLife is how long a wallet may use a c_nonce, and a request's nonce lives.
	nonceLife     = 5 * time.Minute
	maxCredential = 96 << 10
)

// nonce is the nonce endpoint.
func (s *Service) nonce(w http.ResponseWriter, _ *http.Request) {
	login.Answer(w, http.StatusOK, map[string]string{"c_nonce": s.cfg.Login.Tickets.New(nonceKind, nonceLife, nil)})
}

// credential is the credential endpoint.
func (s *Service) credential(w http.ResponseWriter, r *http.Request) {
	content, _, err := s.cfg.Login.Access(w, r, tokenKind)
	if err != nil {
		s.write(w, r, err)
		return
	}
	answer, err := s.issue(r, string(content))
	if err != nil {
		s.write(w, r, err)
		return
	}
	login.Answer(w, http.StatusOK, answer)
}

// issuedAnswer is the answer of the credential endpoint.
type issuedAnswer struct {
	Credentials  []issuedCredential `json:"credentials"`
	Notification string             `json:"notification_id"`
}

type issuedCredential struct {
	Credential string `json:"credential"`
}

func (s *Service) issue(r *http.Request, id string) (*issuedAnswer, error) {
	o, err := body(r, maxCredential, invalidCredential)
	if err != nil {
		return nil, err
	}
	c, proofs, err := s.readCredentialRequest(o)
	if err != nil {
		return nil, err
	}
	keys, tickets, err := s.checkProofs(r.Context(), proofs)
	if err != nil {
		return nil, err
	}
	claims, err := s.begin(id, c)
	if err != nil {
		return nil, err
	}
	// From here on nobody else issues this credential of the offer. If the process ends,
	// the offer is forgotten; what was put on the ledger then is a credential nobody has.
	answer, err := s.make(r.Context(), c, claims, keys, tickets)
	s.offers.with(id, func(o *offer) { o.end(c, answer) })
	return answer, err
}

// make uses the nonces up and makes a credential for each key.
func (s *Service) make(ctx context.Context, c *Configuration, claims canon.Object, keys []holderKey, nonces []*login.Ticket) (*issuedAnswer, error) {
	for _, n := range nonces {
		if err := s.cfg.Login.Tickets.Spend(n); err != nil {
			return nil, login.Refuse(invalidNonce, "the nonce is %s", err)
		}
	}
	answer := &issuedAnswer{Notification: newName()}
	for _, key := range keys {
		secured, err := s.secure(ctx, c, claims, key)
		if err != nil {
			return nil, refusal(err, denied)
		}
		answer.Credentials = append(answer.Credentials, issuedCredential{secured})
	}
	return answer, nil
}

// readCredentialRequest reads what a wallet asks for. Parameters that are not known are
// ignored, as the specification has it.
func (s *Service) readCredentialRequest(o canon.Object) (*Configuration, []any, error) {
	if _, ok := o.Find("credential_response_encryption"); ok {
		return nil, nil, login.Refuse("invalid_encryption_parameters", "answers are not encrypted here")
	}
	if _, ok := o.Find("credential_identifier"); ok {
		return nil, nil, login.Refuse("unknown_credential_identifier", "the token answer named no credential_identifiers; use credential_configuration_id")
	}
	id := text(o, "credential_configuration_id")
	if id == "" {
		return nil, nil, login.Refuse(invalidCredential, "credential_configuration_id is missing")
	}
	c := s.configuration(id)
	if c == nil {
		return nil, nil, login.Refuse("unknown_credential_configuration", "%.64q is not issued here", id)
	}
	value, _ := o.Find("proofs")
	proofs, ok := value.(canon.Object)
	if !ok || len(proofs) != 1 || proofs[0].Name != "jwt" {
		return nil, nil, login.Refuse(invalidProof, "proofs must have jwt, and nothing else")
	}
	list, _ := proofs[0].Value.([]any)
	if len(list) == 0 || len(list) > batchSize {
		return nil, nil, login.Refuse(invalidProof, "proofs.jwt must be a list of 1 to %d", batchSize)
	}
	return c, list, nil
}

// begin takes a credential of an offer, which is issued once.
func (s *Service) begin(id string, c *Configuration) (claims canon.Object, err error) {
	err = login.Refuse(denied, "the offer was withdrawn, or is too old")
	s.offers.with(id, func(o *offer) {
		i := o.find(c)
		switch {
		case i == nil:
			err = login.Refuse("unknown_credential_configuration", "%s is not in the offer", c.ID)
		case i.state != Offered:
			err = login.Refuse(denied, "%s was issued, or is being issued", c.ID)
		default:
			i.state, claims, err = Accepted, i.claims, nil
		}
	})
	return claims, err
}

func (o *offer) find(c *Configuration) *item {
	at := slices.IndexFunc(o.items, func(i item) bool { return i.configuration == c })
	if at < 0 {
		return nil
	}
	return &o.items[at]
}

// end notes that a credential was issued, and forgets its claims, or that it can be
// asked for again.
func (o *offer) end(c *Configuration, answer *issuedAnswer) {
	i := o.find(c)
	if answer == nil {
		i.state = Offered
		return
	}
	i.state, i.notification, i.claims = Issued, answer.Notification, nil
	if !slices.ContainsFunc(o.items, func(i item) bool { return i.state != Issued }) {
		o.state = Issued
	}
}

// secure makes one credential, bound to a key.
func (s *Service) secure(ctx context.Context, c *Configuration, claims canon.Object, key holderKey) (string, error) {
	now := time.Now()
	until := now.Add(c.Life)
	if c.Format == FormatJWT {
		subject := claims.With("id", key.did)
		document := canon.Object{}.With("@context", c.contexts()).With("type", c.types()).
			With("issuer", c.Issuer).With("credentialSubject", subject).
			With("validFrom", now.UTC().Format(time.RFC3339)).With("validUntil", until.UTC().Format(time.RFC3339))
		return s.cfg.Issuer.IssueJWT(ctx, document, c)
	}
	document, paths := c.selective(claims)
	document = document.With("iat", float64(now.Unix())).With("nbf", float64(now.Unix())).With("exp", float64(until.Unix()))
	return s.cfg.Issuer.IssueSelective(ctx, document, paths, key.key, c)
}

// selective is an SD-JWT with the claims, before it is dated, and the paths of what can
// be disclosed: each claim by itself.
func (c *Configuration) selective(claims canon.Object) (document canon.Object, paths [][]string) {
	for _, m := range claims {
		paths = append(paths, []string{m.Name})
	}
	return claims.With("iss", c.Issuer).With("vct", c.Type), paths
}

// types are those of a credential of the data model.
func (c *Configuration) types() []any {
	if c.Type == "VerifiableCredential" {
		return []any{c.Type}
	}
	return []any{"VerifiableCredential", c.Type}
}

func (c *Configuration) contexts() []any {
	out := []any{vc.BaseContext}
	if c.Context != "" {
		out = append(out, c.Context)
	}
	return out
}

// notification is the notification endpoint: what the wallet says of what it got.
func (s *Service) notification(w http.ResponseWriter, r *http.Request) {
	content, _, err := s.cfg.Login.Access(w, r, tokenKind)
	if err == nil {
		err = s.note(r, string(content))
	}
	if err != nil {
		s.write(w, r, err)
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

func (s *Service) note(r *http.Request, id string) error {
	const invalid = "invalid_notification_request"
	o, err := body(r, maxCredential, invalid)
	if err != nil {
		return err
	}
	name, event := text(o, "notification_id"), text(o, "event")
	if name == "" || !slices.Contains([]string{"credential_accepted", "credential_failure", "credential_deleted"}, event) {
		return login.Refuse(invalid, "notification_id, and event with one of its three values, are needed")
	}
	err = login.Refuse("invalid_notification_id", "no credential of this token has the id")
	s.offers.with(id, func(o *offer) {
		for i := range o.items {
			if o.items[i].notification == name {
				o.items[i].event, err = event, nil
			}
		}
	})
	return err
}
