package replay

import (
	"errors"
	"fmt"
	"slices"

	"github.com/killick-ledger/killick/anchor/block"
	"github.com/killick-ledger/killick/anchor/log"
)

// Validation codes that are recomputed exactly; others only say that it is not valid.
const (
	codeDuplicate = 9
	codeMVCC      = 11
	codePhantom   = 12
)

const lifecycle = "_lifecycle"

// examined is what can be said of a transaction without state.
type examined struct {
	improper error // why it cannot be valid
	by       []block.Endorser
	effects  []block.Effects
	asked    []string // namespaces whose chaincode's policy it has to satisfy
}

func examine(members block.Members, t *block.Tx) (x examined) {
	if t.Type != block.TypeEndorser {
		return x
	}
	if x.improper = members.Proper(t); x.improper != nil {
		return x
	}
	if x.by, x.improper = members.Endorsements(t); x.improper == nil {
		x.effects, x.improper = t.Effects()
		x.asked = t.Asked(x.effects)
	}
	return x
}

// ruling is what peers must have made of a transaction. A code of 0 is valid, anyCode any
// but that.
type ruling struct {
	code int
	why  string
}

const anyCode = -1

// before rules on a block's transactions as far as it goes before versions are compared:
// forms, duplicates, policies, all by the state before the block.
func (r *run) before(b *block.Block, xs []examined) []ruling {
	out := make([]ruling, len(b.Txs))
	own := map[string]bool{}
	for i := range b.Txs {
		t := &b.Txs[i]
		if out[i] = r.alone(b, t, &xs[i]); out[i].code != 0 || t.Type != block.TypeEndorser {
			continue
		}
		if own[t.ID] {
			out[i] = ruling{codeDuplicate, "its id is that of another one in the block"}
		}
		own[t.ID] = true
	}
	return out
}

func (r *run) alone(b *block.Block, t *block.Tx, x *examined) ruling {
	switch {
	case t.Type == block.TypeConfig && len(b.Txs) == 1:
		return ruling{} // the orderers' word; who signs blocks after it is followed
	case t.Type != block.TypeEndorser:
		return ruling{anyCode, fmt.Sprintf("it is of type %d", t.Type)}
	case x.improper != nil:
		if errors.Is(x.improper, block.ErrUnchecked) && t.Code == block.CodeValid {
			r.unread = fmt.Errorf("transaction %d (%s): %w", t.Index, t.ID, x.improper)
		}
		return ruling{anyCode, x.improper.Error()}
	case r.seen(t.ID):
		return ruling{codeDuplicate, "its id is that of an earlier one"}
	}
	var names []string
	for _, e := range x.effects {
		if slices.Contains(names, e.Namespace) {
			return ruling{anyCode, "it has a namespace twice"}
		}
		names = append(names, e.Namespace)
	}
	if err := r.endorsed(t, x); err != nil {
		return ruling{anyCode, err.Error()}
	}
	return ruling{}
}

// endorsed evaluates the policies that a transaction has to satisfy: that of Killick's
// chaincode, as the channel's state has it, and that of definitions. Other chaincodes,
// defined or not, collections besides that of contents, and keys with policies of their
// own are not executed again: nothing is asked for them. Peers' refusals are believed, if
// they are none that is recomputed: they may be for a policy, a definition, a plugin or a
// state database (Fabric's plugindispatcher.Dispatch and validation.validateWriteset), or
// for a form of which this program reads only what it needs.
func (r *run) endorsed(t *block.Tx, x *examined) error {
	for _, namespace := range x.asked {
		var policy *block.Policy
		switch namespace {
		case log.Namespace:
			p, err := r.chaincodePolicy()
			if err != nil {
				return err
			}
			policy = p
		case lifecycle:
			policy = r.definitions
		default:
			continue
		}
		if policy != nil {
			met, err := policy.Satisfied(x.by)
			if err != nil {
				r.unread = fmt.Errorf("the policy of %s: %w", namespace, err)
				return r.unread
			}
			if !met {
				return fmt.Errorf("%d good endorsements do not satisfy the policy of %s", len(x.by), namespace)
			}
		}
		if len(x.by) == 0 {
			return fmt.Errorf("no endorsement is good")
		}
	}
	if t.Code != block.CodeValid && !slices.Contains([]uint8{codeDuplicate, codeMVCC, codePhantom}, t.Code) && x.foreign(t) {
		r.report.Believed++
		return fmt.Errorf("its peers say so")
	}
	return nil
}

// foreign says whether a transaction concerns more than the keys of Killick's chaincode and
// its collection of contents.
func (x *examined) foreign(t *block.Tx) bool {
	if t.Chaincode != log.Namespace {
		return true
	}
	for _, e := range x.effects {
		other := e.Namespace != log.Namespace
		if other && len(e.Writes)+len(e.Metadata) > 0 {
			return true
		}
		for _, p := range e.Private {
			if (other || p.Collection != collection) && len(p.Writes)+len(p.Metadata) > 0 {
				return true
			}
		}
	}
	return false
}

// chaincodePolicy is that of Killick's chaincode in the channel's state. One of a kind that
// this program does not evaluate says nothing against anybody: it ends the replay.
func (r *run) chaincodePolicy() (*block.Policy, error) {
	stored := r.state.in(space{namespace: lifecycle}).values["namespaces/fields/"+log.Namespace+"/ValidationInfo"].bytes
	if stored == nil {
		return nil, fmt.Errorf("no chaincode %s is defined", log.Namespace)
	}
	if r.policyOf != string(stored) {
		p, err := block.ChaincodePolicy(stored)
		if err != nil {
			r.unread = fmt.Errorf("what %s asks for cannot be told: %w", log.Namespace, err)
			return nil, r.unread
		}
		r.policy, r.policyOf = p, string(stored)
	}
	return r.policy, nil
}

// nowhere is where private reads without the name of a collection look: what is written so
// goes to the public keys.
var nowhere = space{collection: "nowhere"}

// versions compares what a transaction read with the state that it comes to.
func (r *run) versions(x *examined) ruling {
	for _, e := range x.effects {
		public := space{namespace: e.Namespace}
		if key, ok := r.state.unchanged(public, e.Reads); !ok {
			return ruling{codeMVCC, fmt.Sprintf("%s has changed since it was read", printable(key))}
		}
		for _, q := range e.Ranges {
			if !r.state.same(public, q) {
				return ruling{codePhantom, fmt.Sprintf("keys from %s on have changed since they were read", printable(q.Start))}
			}
		}
		for _, p := range e.Private {
			of := space{e.Namespace, p.Collection}
			if p.Collection == "" {
				of = nowhere
			}
			if key, ok := r.state.unchanged(of, p.Reads); !ok {
				return ruling{codeMVCC, fmt.Sprintf("the private key %x has changed since it was read", key)}
			}
		}
	}
	return ruling{}
}

// unchanged says whether keys have the heights that were read, and have not been written
// in this block.
func (s *state) unchanged(of space, reads []block.Read) (key string, ok bool) {
	if len(reads) == 0 {
		return "", true
	}
	k := s.in(of)
	for _, read := range reads {
		v, present := k.values[read.Key]
		_, touched := s.written[of][read.Key]
		if touched || present != read.Present || present && v.at != read.Height {
			return read.Key, false
		}
	}
	return "", true
}

// same says whether a range of keys is what it was when it was read.
func (s *state) same(of space, q block.Range) bool {
	now := make([]block.Read, 0, len(q.Reads))
	s.in(of).between(q.Start, q.End, !q.Exhausted, func(key string, v value) bool {
		now = append(now, block.Read{Key: key, Present: true, Height: v.at})
		return true
	})
	if q.Summary == nil {
		return slices.Equal(now, q.Reads)
	}
	got := block.Summarise(now, q.Summary.Degree)
	return got != nil && got.Level == q.Summary.Level && slices.EqualFunc(got.Hashes, q.Summary.Hashes, slices.Equal)
}

// printable shows a key to people.
func printable(key string) string {
	if len(key) > 200 {
		key = key[:200] + "..."
	}
	for i := range len(key) {
		if key[i] < ' ' || key[i] > '~' {
			return fmt.Sprintf("%x", key)
		}
	}
	return key
}
