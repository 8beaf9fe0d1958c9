package govern

import (
	"bytes"
	"slices"
	"strings"

	"github.com/killick-ledger/killick/chaincode/canon"
	"github.com/killick-ledger/killick/chaincode/did"
	"github.com/killick-ledger/killick/chaincode/fault"
	"github.com/killick-ledger/killick/chaincode/ledger"
)

const operatorPrefix = "role/operator/"

// LicencesKey is the state key of all licences. They stand under one key because whoever
// draws a committee reads all of them, and no update reads a range.
const LicencesKey = "role/licences"

// OperatorKey returns the state key of a TEE operator's accreditation.
func OperatorKey(id ledger.ID) string { return operatorPrefix + id.String() }

// Operator returns the member for which a DID runs jobs. As with verifiers of
// identities, an accreditation for an organisation that has left counts for nothing.
// Errors: fault.NotAccredited.
func (n *Network) Operator(tx *ledger.Tx, id ledger.ID) (organisation string, err error) {
	var v Verifier
	if err := readJSON(tx, OperatorKey(id), &v); err != nil {
		return "", err
	}
	if !n.isMember(v.Organisation) {
		return "", fault.New(fault.NotAccredited, "%s is not an accredited TEE operator of a member", did.String(n.Name, id))
	}
	return v.Organisation, nil
}

// Operators returns the accredited TEE operators of members in the order of their ids.
func (n *Network) Operators(tx *ledger.Tx) ([]Verifier, error) {
	return n.ofMembers(tx, operatorPrefix)
}

// Licence lets a DID judge evidence on behalf of an organisation. Pay is the DID that is
// paid for it, Epoch the current one when it was given: it gets seats in later epochs.
type Licence struct {
	DID          string `json:"did"`
	Organisation string `json:"organisation"`
	Pay          string `json:"pay"`
	Epoch        uint64 `json:"epoch"`
}

// Holder returns the id of the DID that has the licence.
func (l *Licence) Holder() (ledger.ID, error) {
	_, id, err := did.Parse(l.DID)
	return id, err
}

// Payee returns the id of the DID that is paid.
func (l *Licence) Payee() (ledger.ID, error) {
	_, id, err := did.Parse(l.Pay)
	return id, err
}

// Licences returns all licences in the order of their DIDs, also those for organisations
// that have left, which have no seats.
func Licences(tx *ledger.Tx) ([]Licence, error) {
	list := []Licence{}
	err := readJSON(tx, LicencesKey, &list)
	return list, err
}

// licenceTerms is what a proposal says of a licence.
type licenceTerms struct {
	Organisation string `json:"organisation"`
	Pay          string `json:"pay"`
}

// licences are the licences of DIDs, none when one has none.
type licences struct{}

func (licences) find(tx *ledger.Tx, holder string) (list []Licence, at int, found bool, err error) {
	if list, err = Licences(tx); err != nil {
		return nil, 0, false, err
	}
	at, found = slices.BinarySearchFunc(list, holder, func(l Licence, holder string) int { return strings.Compare(l.DID, holder) })
	return list, at, found, nil
}

func (s licences) read(tx *ledger.Tx, n *Network, id string) ([]byte, error) {
	list, at, found, err := s.find(tx, "did:killick:"+n.Name+":"+id)
	if err != nil {
		return nil, err
	}
	if !found {
		return []byte(none), nil
	}
	return canon.Marshal(licenceTerms{list[at].Organisation, list[at].Pay})
}

// set gives, changes or takes away a licence. Who is licensed for another organisation
// than before begins anew; another DID to be paid changes nothing else.
// Errors: fault.InvalidValue, fault.WrongNetwork and the codes of bad forms.
func (s licences) set(tx *ledger.Tx, n *Network, clock Clock, id string, value []byte) ([]byte, error) {
	holder := "did:killick:" + n.Name + ":" + id
	list, at, found, err := s.find(tx, holder)
	if err != nil {
		return nil, err
	}
	if string(bytes.Join(bytes.Fields(value), nil)) == none {
		if found {
			list = slices.Delete(list, at, at+1)
		}
		return []byte(none), putJSON(tx, LicencesKey, list)
	}
	var v licenceTerms
	if err := canon.Decode(value, &v, "organisation", "pay"); err != nil {
		return nil, err
	}
	if _, _, err := n.Member(v.Organisation); err != nil {
		return nil, fault.New(fault.InvalidValue, "organisation: %s", fault.Text(err))
	}
	if _, err := did.ParseOn(n.Name, v.Pay); err != nil {
		return nil, err
	}
	epoch, err := clock.Epoch()
	if err != nil {
		return nil, err
	}
	l := Licence{holder, v.Organisation, v.Pay, epoch}
	switch {
	case !found && len(list) >= maxAccredited:
		return nil, fault.New(fault.InvalidValue, "%d are licensed, the most that are allowed", maxAccredited)
	case !found:
		list = slices.Insert(list, at, l)
	default:
		if list[at].Organisation == l.Organisation {
			l.Epoch = list[at].Epoch
		}
		list[at] = l
	}
	if err := putJSON(tx, LicencesKey, list); err != nil {
		return nil, err
	}
	return canon.Marshal(v)
}
