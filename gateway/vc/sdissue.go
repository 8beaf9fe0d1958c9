package vc

import (
	"crypto/rand"
	"slices"
	"strconv"
	"strings"

	"github.com/killick-ledger/killick/chaincode/canon"
	"github.com/killick-ledger/killick/chaincode/did"
	"github.com/killick-ledger/killick/chaincode/fault"
	"github.com/killick-ledger/killick/gateway/jose"
)

// Types of JWS of SD-JWT VC and of key bindings.
const (
	selectiveJWT = "dc+sd-jwt"
	bindingJWT   = "kb+jwt"
)

// IssueSelective returns claims as dc+sd-jwt of their issuer, hidden as by Hide.
// Errors: those of Hide and of Hidden.Sign.
func IssueSelective(claims []byte, paths [][]string, holder *did.PublicKey, signer *Signer) (string, error) {
	hidden, err := Hide(claims, paths, holder)
	if err != nil {
		return "", err
	}
	return hidden.Sign(signer)
}

// Hidden are claims of which some can be disclosed one by one.
type Hidden struct {
	Payload     canon.Object // what the issuer signs
	disclosures []string
}

// Hide hides claims for selective disclosure: those that the
// paths name (names of members and indices of elements, from the top) can be
// disclosed one by one, the others are always seen. A path may lead into another.
// holder is the key that has to sign presentations, nil for none. Salts are of 128
// random bits.
// Errors: those of canon.ParseObject, fault.MissingField without vct,
// fault.InvalidValue for a path that leads nowhere or to a claim that must be seen, and
// for times and a cnf that are none.
func Hide(claims []byte, paths [][]string, holder *did.PublicKey) (*Hidden, error) {
	payload, err := parse(claims)
	if err != nil {
		return nil, err
	}
	if vct, _ := text(payload, "vct"); vct == "" {
		return nil, fault.New(fault.MissingField, "vct is missing")
	}
	if holder != nil {
		if _, ok := payload.Find("cnf"); ok {
			return nil, fault.New(fault.UnknownField, "cnf is set from the holder's key")
		}
		payload = payload.With("cnf", canon.Object{}.With("jwk", jose.FormatKey(holder)))
	}
	// What no verifier would take is not made.
	if _, err := holderKey(payload); err != nil {
		return nil, err
	}
	if _, err := timesOf(payload); err != nil {
		return nil, err
	}
	if slices.ContainsFunc(paths, func(path []string) bool { return len(path) == 0 }) {
		return nil, fault.New(fault.InvalidValue, "a path of no names leads nowhere")
	}
	h := &hider{}
	hidden, err := h.object(payload, sprout(paths), true)
	if err != nil {
		return nil, err
	}
	return &Hidden{hidden.With(sdAlgorithm, sdHash), h.disclosures}, nil
}

// Sign returns the claims as dc+sd-jwt with all disclosures.
// Errors: fault.KidMismatch when iss is not the signer's DID, those of the Signer.
func (h *Hidden) Sign(signer *Signer) (string, error) {
	if iss, _ := text(h.Payload, "iss"); iss != signer.controller() {
		return "", fault.New(fault.KidMismatch, "%.200s cannot sign for %.200s", signer.Method, iss)
	}
	jwt, err := signJWS(signer, selectiveJWT, h.Payload)
	if err != nil {
		return "", err
	}
	return (&selective{jwt: jwt, disclosures: h.disclosures}).String(), nil
}

// branch is a part of the tree of what is to be hidden.
type branch struct {
	hide bool
	into map[string]*branch
}

func sprout(paths [][]string) *branch {
	root := &branch{into: map[string]*branch{}}
	for _, path := range paths {
		at := root
		for _, name := range path {
			if at.into[name] == nil {
				at.into[name] = &branch{into: map[string]*branch{}}
			}
			at = at.into[name]
		}
		at.hide = true
	}
	return root
}

// hider replaces claims by digests, the innermost first.
type hider struct{ disclosures []string }

func (h *hider) value(value any, b *branch) (any, error) {
	switch v := value.(type) {
	case canon.Object:
		return h.object(v, b, false)
	case []any:
		return h.array(v, b)
	}
	if b != nil && len(b.into) > 0 {
		return nil, fault.New(fault.InvalidValue, "a path leads into a value that is neither object nor list")
	}
	return value, nil
}

func (h *hider) object(o canon.Object, b *branch, top bool) (canon.Object, error) {
	out := canon.Object{}
	var digests []any
	found := 0
	for _, m := range o {
		if m.Name == sdDigests || m.Name == sdElement || m.Name == sdAlgorithm {
			return nil, fault.New(fault.InvalidValue, "a claim cannot have the name %s", m.Name)
		}
		inner := b.at(m.Name)
		if inner != nil {
			found++
		}
		value, err := h.value(m.Value, inner)
		if err != nil {
			return nil, err
		}
		if inner == nil || !inner.hide {
			out = append(out, canon.Member{Name: m.Name, Value: value})
			continue
		}
		if top && slices.Contains(permanent, m.Name) {
			return nil, fault.New(fault.InvalidValue, "the claim %s must not be hidden", m.Name)
		}
		digests = append(digests, h.disclose(m.Name, value))
	}
	if b != nil && found < len(b.into) {
		return nil, fault.New(fault.InvalidValue, "a path leads to a claim that is not there")
	}
	if digests == nil {
		return out, nil
	}
	// In the order of their random values, which says nothing of the claims'.
	slices.SortFunc(digests, func(a, b any) int { return strings.Compare(a.(string), b.(string)) })
	return out.With(sdDigests, digests), nil
}

func (h *hider) array(list []any, b *branch) ([]any, error) {
	out := make([]any, 0, len(list))
	found := 0
	for i, element := range list {
		inner := b.at(strconv.Itoa(i))
		if inner != nil {
			found++
		}
		value, err := h.value(element, inner)
		if err != nil {
			return nil, err
		}
		if inner != nil && inner.hide {
			value = canon.Object{}.With(sdElement, h.disclose(value))
		}
		out = append(out, value)
	}
	if b != nil && found < len(b.into) {
		return nil, fault.New(fault.InvalidValue, "a path leads to an element that is not there")
	}
	return out, nil
}

func (b *branch) at(name string) *branch {
	if b == nil {
		return nil
	}
	return b.into[name]
}

// disclose makes a disclosure of a salt and what is given, and returns its digest.
func (h *hider) disclose(parts ...any) string {
	salt := make([]byte, 16)
	_, _ = rand.Read(salt) // never fails
	array := canon.JCSArray(append([]any{canon.B64(salt)}, parts...))
	text := canon.B64(array)
	h.disclosures = append(h.disclosures, text)
	return digest(text)
}

// PresentSelective returns of an issued SD-JWT what keep says, by the paths of
// IssueSelective (nil: everything), and binds it to one request of one verifier with the holder's key.
// What stands in a claim that is not kept is not kept either, nor what has no digest.
// The issuer's signature is not verified, and the signer's method not used.
// Errors: fault.Malformed and others of canon.ParseObject, fault.MissingField without
// challenge, domain or time, fault.InvalidValue for an SD-JWT that has a key binding
// already, and those of the Signer.
func PresentSelective(issued string, keep func(path []string) bool, holder *Signer, options ProofOptions) (string, error) {
	s, err := parseSelective(issued)
	if err != nil {
		return "", err
	}
	if s.binding != "" {
		return "", fault.New(fault.InvalidValue, "the SD-JWT has a key binding already")
	}
	if options.Challenge == "" || options.Domain == "" || options.Created.IsZero() {
		return "", fault.New(fault.MissingField, "a presentation needs a challenge, a domain and a time")
	}
	if s.disclosures, err = s.choose(keep); err != nil {
		return "", err
	}
	return s.bind(holder, options)
}

// choose returns the disclosures to keep.
func (s *selective) choose(keep func(path []string) bool) ([]string, error) {
	j, err := jose.Parse(s.jwt)
	if err != nil {
		return nil, err
	}
	payload, err := canon.ParseObject(j.Payload)
	if err != nil {
		return nil, err
	}
	o, err := newOpener(s.disclosures)
	if err != nil {
		return nil, err
	}
	o.keep = keep
	if _, err := o.open(payload); err != nil {
		return nil, err
	}
	var kept []string
	for _, text := range s.disclosures {
		if o.byDigest[digest(text)].used {
			kept = append(kept, text)
		}
	}
	return kept, nil
}

// bind appends the key binding.
func (s *selective) bind(holder *Signer, options ProofOptions) (string, error) {
	header := canon.Object{}.With("alg", string(holder.Algorithm)).With("typ", bindingJWT)
	payload := canon.Object{}.With("iat", seconds(options.Created)).With("aud", options.Domain).
		With("nonce", options.Challenge).With("sd_hash", digest(s.String()))
	if !options.Expires.IsZero() {
		payload = payload.With("exp", seconds(options.Expires))
	}
	binding, err := jose.Sign(header, payload, holder.Sign)
	if err != nil {
		return "", err
	}
	return s.String() + binding, nil
}
