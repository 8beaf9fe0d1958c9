package node

import (
	"encoding/hex"
	"math"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/state"
	"github.com/ethereum/go-ethereum/core/tracing"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/fbsobreira/gotron-sdk/pkg/proto/api"
	"github.com/fbsobreira/gotron-sdk/pkg/proto/core"
	"google.golang.org/protobuf/proto"
)

// Limits of permissions, from java-tron.
const (
	maxActive         = 8
	maxPermissionName = 32
	operationsBytes   = 32
	firstActiveID     = 2 // 0 is the owner permission, 1 the witness permission
)

// Operations are bits by contract type. The default active permission may do all
// but change permissions.
var (
	defaultOperations = operations("7fff1fc0033e")
	knownOperations   = operations("7fff1fc0037e")
)

func operations(s string) []byte {
	b, err := hex.DecodeString(s)
	if err != nil {
		panic(err) // a constant
	}
	return append(b, make([]byte, operationsBytes-len(b))...)
}

// permissionBook is the address whose code holds an account's permissions, once
// it has changed them: so they are part of the state and follow a block, a fork
// and a replay. Nobody has its key.
func permissionBook(a common.Address) common.Address {
	return common.BytesToAddress(crypto.Keccak256([]byte("killick permissions"), a[:]))
}

// permissionsOf returns the owner permission and the active ones of an account,
// which need not exist.
func permissionsOf(db *state.StateDB, a common.Address) *core.AccountPermissionUpdateContract {
	p := &core.AccountPermissionUpdateContract{}
	if b := db.GetCode(permissionBook(a)); len(b) > 0 && proto.Unmarshal(b, p) == nil {
		return p
	}
	only := []*core.Key{{Address: wire(a), Weight: 1}}
	p.Owner = &core.Permission{Type: core.Permission_Owner, PermissionName: "owner", Threshold: 1, Keys: only}
	p.Actives = []*core.Permission{{
		Type: core.Permission_Active, Id: firstActiveID, PermissionName: "active", Threshold: 1,
		Operations: defaultOperations, Keys: only,
	}}
	return p
}

func badSignature(format string, args ...any) *Refusal {
	return refuse(api.Return_SIGERROR, "Validate signature error: "+format, args...)
}

// checkSignatures asks for signatures by distinct keys of the permission that the
// transaction names, whose weights reach its threshold.
func (t *transaction) checkSignatures(db *state.StateDB) *Refusal {
	sigs, contracts := t.msg.GetSignature(), t.msg.GetRawData().GetContract()
	if len(sigs) == 0 || len(contracts) == 0 {
		return badSignature("miss sig or contract")
	}
	if len(sigs) > maxSignatures {
		return badSignature("too many signatures")
	}
	p, refusal := permitted(permissionsOf(db, t.owner), contracts[0].GetPermissionId(), t.kind)
	if refusal != nil {
		return refusal
	}
	if len(sigs) > len(p.GetKeys()) {
		return badSignature("Signature count is %d more than key counts of permission : %d", len(sigs), len(p.GetKeys()))
	}
	if refusal := t.recover(); refusal != nil {
		return refusal
	}
	weights := map[common.Address]int64{}
	for _, k := range p.GetKeys() {
		weights[common.BytesToAddress(k.GetAddress())] = k.GetWeight()
	}
	signed := map[common.Address]bool{}
	var sum int64
	for _, a := range t.signers {
		if weights[a] == 0 {
			return badSignature("%x is signed by %s but it is not contained of permission.", t.id, Base58(a))
		}
		if signed[a] {
			return badSignature("%s has signed twice!", Base58(a))
		}
		signed[a] = true
		sum += weights[a]
	}
	if sum < p.GetThreshold() {
		return badSignature("sig error")
	}
	return nil
}

// permitted finds the permission and checks that it covers a contract type.
func permitted(all *core.AccountPermissionUpdateContract, id int32, kind core.Transaction_Contract_ContractType) (*core.Permission, *Refusal) {
	if id == 0 {
		return all.GetOwner(), nil
	}
	for _, p := range all.GetActives() {
		if p.GetId() != id {
			continue
		}
		if ops := p.GetOperations(); ops[kind/8]&(1<<(kind%8)) == 0 {
			return nil, badSignature("Permission denied")
		}
		return p, nil
	}
	return nil, badSignature("permission isn't exit")
}

// recover finds out who has signed, once.
func (t *transaction) recover() *Refusal {
	if t.signers != nil {
		return nil
	}
	var signers []common.Address
	for _, sig := range t.msg.GetSignature() {
		a, err := recoverSigner(t.id, sig)
		if err != nil {
			return badSignature("%v", err)
		}
		signers = append(signers, a)
	}
	t.signers = signers
	return nil
}

// permit gives an account new permissions in place of all it had.
func (x *execution) permit(c *core.AccountPermissionUpdateContract) *Refusal {
	switch {
	case c.GetOwner() == nil:
		return invalid("owner permission is missed")
	case c.GetWitness() != nil:
		return invalid("account isn't witness can't set witness permission")
	case len(c.GetActives()) == 0:
		return invalid("active permission is missed")
	case len(c.GetActives()) > maxActive:
		return invalid("active permission is too many")
	case c.GetOwner().GetType() != core.Permission_Owner:
		return invalid("owner permission type is error")
	}
	if r := validPermission(c.GetOwner()); r != nil {
		return r
	}
	for _, p := range c.GetActives() {
		if p.GetType() != core.Permission_Active {
			return invalid("active permission type is error")
		}
		if r := validPermission(p); r != nil {
			return r
		}
	}
	if !x.charge(permissionFee) {
		return refuse(api.Return_CONTRACT_EXE_ERROR, "Contract execute error : %s cannot pay for the change of permissions", Base58(x.t.owner))
	}
	next := proto.Clone(c).(*core.AccountPermissionUpdateContract)
	next.Owner.Id = 0
	for i, p := range next.Actives {
		p.Id = int32(i) + firstActiveID
	}
	x.db.SetCode(permissionBook(x.t.owner), marshal(next), tracing.CodeChangeUnspecified)
	x.t.setResult(core.Transaction_Result_SUCCESS)
	return nil
}

func validPermission(p *core.Permission) *Refusal {
	switch {
	case len(p.GetKeys()) > maxSignatures:
		return invalid("number of keys in permission should not be greater than %d", maxSignatures)
	case len(p.GetKeys()) == 0:
		return invalid("key's count should be greater than 0")
	case p.GetThreshold() <= 0:
		return invalid("permission's threshold should be greater than 0")
	case len(p.GetPermissionName()) > maxPermissionName:
		return invalid("permission's name is too long")
	case p.GetParentId() != 0:
		return invalid("permission's parent should be owner")
	}
	seen := map[common.Address]bool{}
	var sum int64
	for _, k := range p.GetKeys() {
		a, err := unwire(k.GetAddress())
		switch {
		case err != nil:
			return invalid("key is not a validate address")
		case seen[a]:
			return invalid("address should be distinct in permission %s", p.GetType())
		case k.GetWeight() <= 0:
			return invalid("key's weight should be greater than 0")
		case k.GetWeight() > math.MaxInt64-sum:
			return refuse(api.Return_CONTRACT_VALIDATE_ERROR, "long overflow")
		}
		seen[a] = true
		sum += k.GetWeight()
	}
	if sum < p.GetThreshold() {
		return invalid("sum of all key's weight should not be less than threshold in permission %s", p.GetType())
	}
	return validOperations(p)
}

func validOperations(p *core.Permission) *Refusal {
	if p.GetType() != core.Permission_Active {
		if len(p.GetOperations()) != 0 {
			return invalid("%s permission needn't operations", p.GetType())
		}
		return nil
	}
	if len(p.GetOperations()) != operationsBytes {
		return invalid("operations size must 32")
	}
	for i, b := range p.GetOperations() {
		if b&^knownOperations[i] != 0 {
			return invalid("operations of permission hold an unknown contract type")
		}
	}
	return nil
}
