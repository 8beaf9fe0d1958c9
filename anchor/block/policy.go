package block

import (
	"errors"
	"fmt"
	"slices"
)

// Policy is a signature policy of Fabric: who must have endorsed.
type Policy struct {
	rule       rule
	principals []principal
	unchecked  error // why it cannot be evaluated here; ErrUnchecked
}

// rule is either one principal or so many of several rules.
type rule struct {
	by    int // index of a principal; -1: it is a gate
	least int
	rules []rule
}

type principal struct {
	msp  string
	role int32
}

// Roles of members, as in Fabric's msp.MSPRole.
const (
	roleMember  = 0
	roleAdmin   = 1
	roleClient  = 2
	rolePeer    = 3
	roleOrderer = 4
)

// Roles is a set of roles.
type Roles uint8

// RolesOf is the set of these roles, numbered as in Fabric's msp.MSPRole.
func RolesOf(roles ...int32) (r Roles) {
	for _, role := range roles {
		r |= 1 << role
	}
	return r
}

func (r Roles) has(role int32) bool { return r&RolesOf(role) != 0 }

// maxDepth bounds gates within gates.
const maxDepth = 16

// ApplicationPolicy reads the policy of a chaincode (common.ApplicationPolicy). One that
// refers to a policy of the channel's configuration is an error.
func ApplicationPolicy(msg []byte) (*Policy, error) {
	var envelope []byte
	var reference string
	if err := into(msg, sink{1: toBytes(&envelope), 2: toString(&reference)}); err != nil {
		return nil, fmt.Errorf("policy: %w", err)
	}
	if reference != "" {
		return nil, fmt.Errorf("policy: it refers to %q of the configuration", reference)
	}
	return signaturePolicy(envelope)
}

// signaturePolicy reads a common.SignaturePolicyEnvelope.
func signaturePolicy(msg []byte) (*Policy, error) {
	p := &Policy{}
	var top []byte
	var principals [][]byte
	if err := into(msg, sink{2: toBytes(&top), 3: toList(&principals)}); err != nil {
		return nil, fmt.Errorf("policy: %w", err)
	}
	for _, m := range principals {
		var class int32
		var content []byte
		var one principal
		err := into(m, sink{1: toNumber(&class), 2: toBytes(&content)})
		if err == nil {
			err = into(content, sink{1: toString(&one.msp), 2: toNumber(&one.role)})
		}
		if err != nil {
			return nil, fmt.Errorf("policy: %w", err)
		}
		if class != 0 || one.role < roleMember || one.role > roleOrderer {
			p.unchecked = fmt.Errorf("it asks for what is no role (principal of class %d, role %d): %w", class, one.role, ErrUnchecked)
		}
		p.principals = append(p.principals, one)
	}
	if err := p.rule.decode(top, len(principals), 0); err != nil {
		return nil, fmt.Errorf("policy: %w", err)
	}
	return p, nil
}

func (r *rule) decode(msg []byte, principals, depth int) error {
	r.by = -1
	var by int32 = -1
	var gate bool
	var least int32
	var rules [][]byte
	err := into(msg, sink{1: toNumber(&by), 2: toMessage(&gate, sink{1: toNumber(&least), 2: toList(&rules)})})
	switch {
	case err != nil:
		return err
	case gate == (by >= 0) || depth > maxDepth || int(by) >= principals:
		return fmt.Errorf("a rule that is none")
	case !gate:
		r.by = int(by)
		return nil
	}
	r.least, r.rules = int(least), make([]rule, len(rules))
	for i := range rules {
		if err := r.rules[i].decode(rules[i], principals, depth+1); err != nil {
			return err
		}
	}
	return nil
}

// Endorser is a member whose endorsement of a transaction is good.
type Endorser struct {
	MSP   string
	Roles Roles
	id    [32]byte
}

// Endorsements returns whose endorsements of a transaction are good, each identity once,
// whatever its validation code is. Members of any organisation of the channel may endorse,
// if a policy asks for them.
func (m Members) Endorsements(t *Tx) ([]Endorser, error) {
	e, err := t.endorsed()
	if err != nil {
		return nil, err
	}
	var out []Endorser
	for _, msg := range e.endorsements {
		var endorser, signature []byte
		if err := into(msg, sink{1: toBytes(&endorser), 2: toBytes(&signature)}); err != nil {
			return nil, fmt.Errorf("endorsement: %w", err)
		}
		by, err := m.all.identify(endorser)
		if errors.Is(err, ErrUnchecked) {
			return nil, fmt.Errorf("endorsement: %w", err)
		}
		one := Endorser{MSP: by.msp, Roles: by.roles, id: by.id}
		// What does not verify is not counted, as Fabric does.
		if err == nil && !slices.Contains(out, one) && signedBy(by.key, by.hash, signature, e.response, endorser) {
			out = append(out, one)
		}
	}
	return out, nil
}

// Satisfied evaluates the policy as Fabric does: each endorsement counts for one
// principal at most, in their order. Its only error is ErrUnchecked.
func (p *Policy) Satisfied(by []Endorser) (bool, error) {
	return p.met(&p.rule, by, make([]bool, len(by))), p.unchecked
}

func (p *Policy) met(r *rule, by []Endorser, used []bool) bool {
	if r.by >= 0 {
		want := p.principals[r.by]
		for i, e := range by {
			if !used[i] && e.MSP == want.msp && e.Roles.has(want.role) {
				used[i] = true
				return true
			}
		}
		return false
	}
	met := 0
	for i := range r.rules {
		try := slices.Clone(used)
		if p.met(&r.rules[i], by, try) {
			met++
			copy(used, try)
		}
	}
	return met >= r.least
}

// Organisations returns how many organisations must endorse at the least to satisfy the
// policy; 0 when that cannot be said of it (gates in gates).
func (p *Policy) Organisations() int {
	var msps []string
	for _, r := range p.rule.rules {
		if r.by < 0 || slices.Contains(msps, p.principals[r.by].msp) {
			return 0
		}
		msps = append(msps, p.principals[r.by].msp)
	}
	return p.rule.least
}

// LifecyclePolicy returns the policy of chaincode definitions from a configuration block
// on, nil when the configuration has none of signatures.
func (b *Block) LifecyclePolicy() (*Policy, error) {
	t := b.Txs[0]
	config, err := t.headers()
	if err != nil {
		return nil, err
	}
	groups, policies := entries{}, entries{}
	if err := into(config, sink{1: toMessage(nil, sink{2: toMessage(nil, sink{2: groups.add})})}); err != nil {
		return nil, err
	}
	if err := into(groups["Application"], sink{4: policies.add}); err != nil {
		return nil, err
	}
	var kind int32
	var value []byte
	policy := toMessage(nil, sink{1: toNumber(&kind), 2: toBytes(&value)})
	if err := into(policies["LifecycleEndorsement"], sink{2: policy}); err != nil || kind != 1 {
		return nil, err
	}
	return signaturePolicy(value)
}

// ChaincodePolicy reads the policy of a chaincode from what the channel's state has under
// namespaces/fields/<chaincode>/ValidationInfo in _lifecycle.
func ChaincodePolicy(stored []byte) (*Policy, error) {
	var info, policy []byte
	if err := into(stored, sink{2: toBytes(&info)}); err != nil {
		return nil, fmt.Errorf("validation info: %w", err)
	}
	if err := into(info, sink{2: toBytes(&policy)}); err != nil {
		return nil, fmt.Errorf("validation info: %w", err)
	}
	return ApplicationPolicy(policy)
}
