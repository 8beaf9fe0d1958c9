package node_test

import (
	"bytes"
	"context"
	"strings"
	"testing"

	"github.com/ethereum/go-ethereum/crypto"
	"github.com/fbsobreira/gotron-sdk/pkg/proto/api"
	"github.com/fbsobreira/gotron-sdk/pkg/proto/core"

	"github.com/killick-ledger/killick/anchor/tronnode/node"
)

// weighted makes a permission of people whose weights are 1, 2, 3 and so on.
func weighted(kind core.Permission_PermissionType, threshold int64, people ...person) *core.Permission {
	p := &core.Permission{Type: kind, PermissionName: "p", Threshold: threshold}
	for i, who := range people {
		p.Keys = append(p.Keys, &core.Key{Address: wire(who.address()), Weight: int64(i + 1)})
	}
	if kind == core.Permission_Active {
		p.Operations = make([]byte, 32)
		p.Operations[0] = 1 << core.Transaction_Contract_TransferContract
	}
	return p
}

// permit makes alice's transaction that changes her permissions.
func (n *network) permit(owner *core.Permission, actives ...*core.Permission) *core.Transaction {
	n.t.Helper()
	ext, err := n.Client.AccountPermissionUpdate(context.Background(), &core.AccountPermissionUpdateContract{
		OwnerAddress: wire(alice.address()), Owner: owner, Actives: actives,
	})
	if err != nil {
		n.t.Fatal(err)
	}
	return ext.GetTransaction()
}

// also adds a signature.
func also(tx *core.Transaction, people ...person) *core.Transaction {
	id := node.TransactionID(tx.GetRawData())
	for _, p := range people {
		sig, err := crypto.Sign(id[:], p.key)
		if err != nil {
			panic(err)
		}
		tx.Signature = append(tx.Signature, sig)
	}
	return tx
}

func (n *network) refuses(tx *core.Transaction, code api.ReturnResponseCode, because string) {
	n.t.Helper()
	got, err := n.Client.BroadcastTransaction(context.Background(), tx)
	if err != nil {
		n.t.Fatal(err)
	}
	if got.GetCode() != code || !strings.Contains(string(got.GetMessage()), because) {
		n.t.Errorf("answered %v %q, want %v about %q", got.GetCode(), got.GetMessage(), code, because)
	}
}

func TestPermissionWeights(t *testing.T) {
	n := start(t, t.TempDir())
	n.produce(3)
	m1, m2, m3 := named("m1"), named("m2"), named("m3")
	before := n.land(sign(n.permit(
		weighted(core.Permission_Owner, 5, m1, m2, m3),
		weighted(core.Permission_Active, 3, m1, m2),
	), alice))
	if before.GetFee() != 100*trx {
		t.Errorf("fee %d", before.GetFee())
	}
	a, err := n.GetAccount(alice.base58())
	if err != nil || a.GetOwnerPermission().GetThreshold() != 5 || len(a.GetActivePermission()) != 1 || a.GetActivePermission()[0].GetId() != 2 {
		t.Errorf("permissions %v %v, %v", a.GetOwnerPermission(), a.GetActivePermission(), err)
	}
	sun := int64(0)
	as := func(permission int32) *core.Transaction {
		t.Helper()
		sun++
		tx := n.transfer(alice, bob, sun)
		tx.RawData.Contract[0].PermissionId = permission
		return tx
	}
	sig := func(name string, tx *core.Transaction, because string) {
		t.Helper()
		t.Run(name, func(t *testing.T) { n.refuses(tx, api.Return_SIGERROR, because) })
	}
	sig("no signature", as(0), "miss sig")
	sig("a key that it was", also(as(0), alice), "not contained of permission")
	sig("weight below the threshold", also(as(0), m1, m3), "sig error")
	sig("signed twice", also(as(0), m3, m3), "has signed twice")
	two := also(as(0), m3, m3)
	two.Signature[1][64] += 27
	sig("signed twice, written otherwise", two, "has signed twice")
	sig("more signatures than keys", also(as(2), m1, m2, m3), "more than key counts")
	sig("six signatures", also(as(0), m1, m2, m3, m1, m2, m3), "too many")
	sig("a short signature", func() *core.Transaction {
		tx := also(as(0), m3)
		tx.Signature[0] = tx.Signature[0][:64]
		return tx
	}(), "64 bytes")
	sig("a permission that is not there", also(as(3), m1, m2), "permission isn't exit")
	sig("another permission's key", also(as(2), m3), "not contained of permission")
	many := n.permit(weighted(core.Permission_Owner, 1, alice), weighted(core.Permission_Active, 1, alice))
	many.RawData.Contract[0].PermissionId = 2
	sig("an operation that it does not cover", also(many, m1, m2), "Permission denied")

	info := n.land(also(as(0), m2, m3))
	if info.GetFee() != 1*trx+info.GetReceipt().GetNetFee() {
		t.Errorf("two signatures of the owner permission: fee %d, %v", info.GetFee(), info.GetReceipt())
	}
	if info := n.land(also(as(2), m1, m2)); info.GetFee() != 1*trx+info.GetReceipt().GetNetFee() {
		t.Errorf("two signatures of the active permission: fee %d", info.GetFee())
	}
	// They are in the state: a restart keeps them, a fork takes them back.
	n.restart()
	n.refuses(also(as(0), alice), api.Return_SIGERROR, "not contained of permission")
	n.send(also(as(0), m1, m2, m3), api.Return_SUCCESS)
	n.fork(2, nil, nil, nil)
	n.land(also(as(0), m2, m3))
}

func TestForkTakesPermissionsBack(t *testing.T) {
	n := start(t, t.TempDir())
	n.produce(3)
	change := sign(n.permit(weighted(core.Permission_Owner, 1, carol), weighted(core.Permission_Active, 1, carol)), alice)
	n.land(change)
	head, _ := n.chain.Height()
	// The side chain has a block of alice's before hers is moved out of reach.
	if err := n.chain.Fork(head-1, []*core.Transaction{sign(n.transfer(alice, bob, 1), alice)}, nil); err != nil {
		t.Fatal(err)
	}
	late := sign(n.transfer(alice, bob, 2), alice)
	n.refuses(late, api.Return_SIGERROR, "not contained of permission") // the change waits again, ahead of it
	n.produce(1)
	if n.known(change) != "mined" {
		t.Errorf("the change is %s", n.known(change))
	}
	n.land(sign(n.transfer(alice, bob, 3), carol))
}

// TestPermissionChangesWhileATransactionWaits: it was well signed when it was
// taken, and is not in its block.
func TestPermissionChangesWhileATransactionWaits(t *testing.T) {
	n := start(t, t.TempDir())
	n.produce(3)
	waits := sign(n.transfer(alice, bob, 1), alice)
	n.send(waits, api.Return_SUCCESS)
	change := sign(n.permit(weighted(core.Permission_Owner, 1, carol), weighted(core.Permission_Active, 1, carol)), alice)
	head, _ := n.chain.Height()
	if err := n.chain.Fork(head, []*core.Transaction{change}); err != nil {
		t.Fatal(err)
	}
	if got := n.known(waits); got != "unknown" {
		t.Errorf("it %s", got)
	}
}

func TestPermissionsThatAreNone(t *testing.T) {
	n := start(t, t.TempDir())
	good := func() (*core.Permission, *core.Permission) {
		return weighted(core.Permission_Owner, 3, bob, carol), weighted(core.Permission_Active, 1, bob)
	}
	for _, tt := range []struct {
		name, want string
		change     func(owner, active *core.Permission)
	}{
		{"no keys", "count", func(o, _ *core.Permission) { o.Keys = nil }},
		{"six keys", "greater than 5", func(o, _ *core.Permission) {
			o.Keys = weighted(core.Permission_Owner, 1, alice, bob, carol, named("4"), named("5"), named("6")).Keys
		}},
		{"no threshold", "threshold", func(o, _ *core.Permission) { o.Threshold = 0 }},
		{"threshold above all weights", "less than threshold", func(_, a *core.Permission) { a.Threshold = 2 }},
		{"a key twice", "distinct", func(o, _ *core.Permission) { o.Keys[1].Address = o.Keys[0].Address }},
		{"weight zero", "weight", func(o, _ *core.Permission) { o.Keys[0].Weight = 0 }},
		{"weights that overflow", "overflow", func(o, _ *core.Permission) { o.Keys[0].Weight = 1<<63 - 1 }},
		{"an address that is none", "address", func(o, _ *core.Permission) { o.Keys[0].Address = []byte{1} }},
		{"a long name", "too long", func(o, _ *core.Permission) { o.PermissionName = strings.Repeat("n", 33) }},
		{"another parent", "parent", func(_, a *core.Permission) { a.ParentId = 2 }},
		{"an owner with operations", "needn't operations", func(o, _ *core.Permission) { o.Operations = make([]byte, 32) }},
		{"short operations", "must 32", func(_, a *core.Permission) { a.Operations = []byte{1} }},
		{"unknown operations", "unknown", func(_, a *core.Permission) { a.Operations = bytes.Repeat([]byte{255}, 32) }},
		{"owner of another type", "owner permission type", func(o, _ *core.Permission) { o.Type = core.Permission_Witness }},
		{"active of another type", "active permission type", func(_, a *core.Permission) { a.Type = core.Permission_Owner }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			owner, active := good()
			tt.change(owner, active)
			n.refuses(sign(n.permit(owner, active), alice), api.Return_CONTRACT_VALIDATE_ERROR, tt.want)
		})
	}
	owner, active := good()
	n.refuses(sign(n.permit(nil, active), alice), api.Return_CONTRACT_VALIDATE_ERROR, "owner permission is missed")
	n.refuses(sign(n.permit(owner), alice), api.Return_CONTRACT_VALIDATE_ERROR, "active permission is missed")
	n.refuses(sign(n.permit(owner, active, active, active, active, active, active, active, active, active), alice), api.Return_CONTRACT_VALIDATE_ERROR, "too many")
}
