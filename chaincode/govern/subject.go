package govern

import (
	"errors"
	"slices"
	"strings"

	"github.com/killick-ledger/killick/chaincode/canon"
	"github.com/killick-ledger/killick/chaincode/did"
	"github.com/killick-ledger/killick/chaincode/fault"
	"github.com/killick-ledger/killick/chaincode/ledger"
)

// subject is something that the consortium decides. Its value is JSON.
type subject interface {
	// read returns the value in force, as canon writes it.
	read(tx *ledger.Tx, n *Network, name string) ([]byte, error)
	// set checks a value, puts it in force in the transaction, and returns it as canon
	// writes it. clock is what the newest checkpoint says.
	set(tx *ledger.Tx, n *Network, clock Clock, name string, value []byte) ([]byte, error)
}

// subjects is the table of docs/formats/govern.md section 1. Those that end with a slash
// take the id of a DID after it, a tag, or an MSP id.
var subjects = map[string]subject{
	"issuer/":   issuers,
	"verifier/": verifiers,
	"operator/": operators,
	"licence/":  licences{},
	"chain/":    chains{},
	"tag/":      tags{},
	"members":   members{},
	"bound":     setting[[]string]{of: func(n *Network) *[]string { return &n.Bound }},
	"treasuries": setting[[]string]{
		of: func(n *Network) *[]string { return &n.Treasuries },
	},
	"assets": setting[[]string]{
		of: func(n *Network) *[]string { return &n.Assets },
		check: func(now, next []string) error {
			// Balances and credits are in the assets there are; none can go away.
			if len(next) < len(now) || !slices.Equal(now, next[:len(now)]) {
				return fault.New(fault.InvalidValue, "assets are added behind those there are: %v", now)
			}
			return nil
		},
	},
	"epochSeconds":     setting[uint64]{of: func(n *Network) *uint64 { return &n.EpochSeconds }},
	"heartbeatSeconds": setting[uint64]{of: func(n *Network) *uint64 { return &n.HeartbeatSeconds }},
	"stopped":          setting[[]string]{of: func(n *Network) *[]string { return &n.Stopped }},
	"program":          program{},
	jobsSubject: document[Policy]{
		none: true, fields: policyFields, check: func(n *Network, p Policy) error { return p.Check(n.Name) },
	},
	emissionSubject:     document[Emission]{none: true, fields: emissionFields, check: checkEmission},
	measurementsSubject: document[[]Measurement]{founded: []Measurement{}, check: checkMeasurements},
	rootsSubject:        document[[]Root]{founded: []Root{}, check: checkRoots},
	statusesSubject:     document[TEEPolicy]{founded: foundedStatuses, fields: []string{"statuses", "minEvaluation"}, check: checkStatuses},
}

// findSubject splits a subject's text into its row and the name behind the slash.
// Errors: fault.InvalidValue.
func findSubject(text string) (subject, string, error) {
	row, name := text, ""
	s, ok := subjects[row]
	if i := strings.IndexByte(text, '/'); i >= 0 && !ok {
		row, name = text[:i+1], text[i+1:]
		s, ok = subjects[row]
	}
	if !ok {
		return nil, "", fault.New(fault.InvalidValue, "there is no subject %.80q", text)
	}
	var err error
	switch {
	case row == "tag/":
		if err := did.CheckTag(name); err != nil {
			return nil, "", fault.New(fault.InvalidValue, "subject %.80q: %s", text, fault.Text(err))
		}
	case row == "chain/":
		if !ledger.IsName(name, 64) {
			err = errors.New("not an MSP id")
		}
	case strings.HasSuffix(row, "/"):
		_, err = ledger.ParseID(name)
	}
	if err != nil {
		return nil, "", fault.New(fault.InvalidValue, "subject %.80q: %v", text, err)
	}
	return s, name, nil
}

// setting is a member of the network.
type setting[V any] struct {
	of    func(*Network) *V
	check func(now, next V) error // beyond Network.check; nil: nothing
}

func (s setting[V]) read(_ *ledger.Tx, n *Network, _ string) ([]byte, error) {
	return canon.Marshal(*s.of(n))
}

func (s setting[V]) set(tx *ledger.Tx, n *Network, _ Clock, _ string, value []byte) ([]byte, error) {
	v, err := decodeValue[V](value)
	if err != nil {
		return nil, err
	}
	if s.check != nil {
		if err := s.check(*s.of(n), v); err != nil {
			return nil, err
		}
	}
	next := *n
	*s.of(&next) = v
	if err := next.check(); err != nil {
		return nil, err
	}
	// A set that waits comes in force whatever is decided meanwhile, so the value must do
	// with it as well.
	waiting, err := NextSet(tx)
	if err != nil {
		return nil, err
	}
	if waiting != nil {
		if err := next.with(waiting).check(); err != nil {
			return nil, err
		}
	}
	if err := putJSON(tx, NetworkKey, next); err != nil {
		return nil, err
	}
	return canon.Marshal(v)
}

// decodeValue reads a value that need not be an object. Errors: the codes of bad
// forms.
func decodeValue[V any](value []byte) (V, error) {
	var v struct {
		Value V `json:"value"`
	}
	err := canon.Decode(slices.Concat([]byte(`{"value":`), value, []byte{'}'}), &v)
	return v.Value, err
}

// program is the chaincode program that all members are to run.
type program struct{}

func (program) read(tx *ledger.Tx, _ *Network, _ string) ([]byte, error) {
	c, err := CurrentProgram(tx)
	if err != nil {
		return nil, err
	}
	return canon.Marshal(c.Digest)
}

func (program) set(tx *ledger.Tx, _ *Network, _ Clock, _ string, value []byte) ([]byte, error) {
	digest, err := decodeValue[string](value)
	if err != nil {
		return nil, err
	}
	if err := checkProgram(digest); err != nil {
		return nil, err
	}
	c, err := CurrentProgram(tx)
	if err != nil {
		return nil, err
	}
	if err := accept(tx, Program{digest, c.Number + 1}); err != nil {
		return nil, err
	}
	return canon.Marshal(digest)
}
