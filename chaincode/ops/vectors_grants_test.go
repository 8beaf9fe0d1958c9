package ops_test

import (
	"github.com/killick-ledger/killick/chaincode/canon"
	"github.com/killick-ledger/killick/chaincode/ops"
	"github.com/killick-ledger/killick/chaincode/ops/opstest"
	"github.com/killick-ledger/killick/chaincode/record"
	"github.com/killick-ledger/killick/chaincode/reward"
)

// grantSteps are a grant, an offer, and uses of both.
func (m *maker) grantSteps(owner, client *opstest.User) {
	content := opstest.Submit("granted")
	ref := m.step("submit what is granted", m.sign(owner, content, ""))
	uses := uint64(2)
	allow := &ops.RecordAllow{
		Record: ref.String(), Client: client.DID, Operation: "read", Scope: []string{"/lab/2026", "/note"}, Asset: "usd", Price: 250_000,
		Expires: opstest.Start + 7200, Uses: &uses,
	}
	m.step("allow, another's record", m.sign(client, &ops.RecordAllow{
		Record: ref.String(), Client: record.Anyone, Operation: "read", Scope: []string{"/"}, Asset: "usd", Expires: 1,
	}, ""))
	grant := m.step("allow", m.sign(owner, allow, ""))
	use := func(change func(*ops.AttestUse)) ops.Item {
		u := &ops.AttestUse{
			Grant: grant.String(), Record: ref.String(), Version: 1, Owner: owner.DID, Operation: "read", Path: "/lab/2026/blood", Asset: "usd", Price: 250_000,
		}
		change(u)
		return m.sign(client, u, "")
	}
	m.step("use, no funds", use(func(*ops.AttestUse) {}))
	before := m.Store.Clone()
	fund := &reward.Fund{ID: canon.Hex(opstest.Seed("vector fund of the client")), Asset: "usd", To: client.DID, Amount: 600_000}
	m.Must(m.Members[0].Caller(), "reward:Fund", fund)
	m.v.Steps = append(m.v.Steps, vectorStep{Name: "fund the client", Fund: fund, Writes: writesSince(before, m.Store)})
	first := use(func(*ops.AttestUse) {})
	m.step("use", first)
	m.step("use again: the first result", first)
	m.step("use, out of scope", use(func(u *ops.AttestUse) { u.Path = "/lab" }))
	m.step("use, another operation", use(func(u *ops.AttestUse) { u.Operation = "copy" }))
	m.step("use, another price", use(func(u *ops.AttestUse) { u.Price = 1 }))
	m.step("use, another version", use(func(u *ops.AttestUse) { u.Version = 2 }))
	m.step("use of the last", use(func(u *ops.AttestUse) { u.For = "second opinion" }))
	m.step("use, none left", use(func(u *ops.AttestUse) { u.For = "third opinion" }))
	allow.Client, allow.Scope, allow.Price, allow.Uses, allow.Expires = record.Anyone, []string{"/"}, 0, nil, opstest.Start+7200
	grant = m.step("offer", m.sign(owner, allow, ""))
	free := func(u *ops.AttestUse) { u.Path, u.Price = "/", 0 }
	m.step("use of the offer", use(free))
	m.step("withdraw, another's", m.sign(client, &ops.RecordWithdraw{Grant: grant.String()}, ""))
	m.step("withdraw", m.sign(owner, &ops.RecordWithdraw{Grant: grant.String()}, ""))
	m.step("use, withdrawn", use(free))
}
