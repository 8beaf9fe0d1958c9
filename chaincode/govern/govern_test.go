package govern_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/killick-ledger/killick/chaincode/fault"
	"github.com/killick-ledger/killick/chaincode/govern"
	"github.com/killick-ledger/killick/chaincode/ledger"
	"github.com/killick-ledger/killick/chaincode/ops"
	"github.com/killick-ledger/killick/chaincode/ops/opstest"
)

func TestInitHappensOnce(t *testing.T) {
	issuer := opstest.NewUser("issuer")
	w := opstest.New(t, issuer)
	if _, err := w.Invoke(w.Members[1].Caller(), "ops:Init", w.Founding()); fault.Of(err) != fault.AlreadyInitialised {
		t.Errorf("again: %v", err)
	}
	var n ops.NetworkView
	w.Read("ops:Network", nil, &n)
	if n.Name != opstest.Network || n.K != 3 || len(n.Members) != 4 || n.SetVersion != 1 || !slices.Equal(n.Issuers, []string{issuer.DID}) {
		t.Errorf("%+v", n)
	}
}

func TestInitRefuses(t *testing.T) {
	w := opstest.New(t)
	caller := w.Members[0].Caller()
	other := opstest.NewUser("x")
	for name, c := range map[string]struct {
		caller ledger.Caller
		change func(*govern.Init)
		code   fault.Code
	}{
		"a stranger":            {ledger.Caller{MSP: "Org9MSP", Role: "admin"}, func(*govern.Init) {}, fault.NotMember},
		"a peer":                {ledger.Caller{MSP: "Org1MSP", Role: "peer"}, func(*govern.Init) {}, fault.NotMember},
		"name without digits":   {caller, func(i *govern.Init) { i.Network = "main" }, fault.InvalidValue},
		"name with a slash":     {caller, func(i *govern.Init) { i.Network = "a/b-0011223344556677" }, fault.InvalidValue},
		"short log id":          {caller, func(i *govern.Init) { i.Log = "00" }, fault.InvalidValue},
		"other rules":           {caller, func(i *govern.Init) { i.Rules = 2 }, fault.InvalidValue},
		"no epoch":              {caller, func(i *govern.Init) { i.EpochSeconds = 0 }, fault.InvalidValue},
		"no heartbeat":          {caller, func(i *govern.Init) { i.HeartbeatSeconds = 0 }, fault.InvalidValue},
		"no members":            {caller, func(i *govern.Init) { i.Members = nil }, fault.InvalidValue},
		"k too small":           {caller, func(i *govern.Init) { i.K = 2 }, fault.InvalidValue},
		"k too large":           {caller, func(i *govern.Init) { i.K = 5 }, fault.InvalidValue},
		"member twice":          {caller, func(i *govern.Init) { i.Members[1] = i.Members[0] }, fault.InvalidValue},
		"address twice":         {caller, func(i *govern.Init) { i.Members[1].Address = i.Members[0].Address }, fault.InvalidValue},
		"address without 0x":    {caller, func(i *govern.Init) { i.Members[1].Address = i.Members[1].Address[2:] }, fault.InvalidValue},
		"key of another":        {caller, func(i *govern.Init) { i.Members[1].Cosign = i.Members[0].Cosign }, fault.InvalidValue},
		"key with another id":   {caller, func(i *govern.Init) { i.Members[1].Cosign = flip(i.Members[1].Cosign, "+") }, fault.InvalidValue},
		"msp with a slash":      {caller, func(i *govern.Init) { i.Members[1].MSP = "a/b" }, fault.InvalidValue},
		"treasury is no member": {caller, func(i *govern.Init) { i.Treasuries = []string{"Org9MSP"} }, fault.InvalidValue},
		"treasury twice":        {caller, func(i *govern.Init) { i.Treasuries = []string{"Org1MSP", "Org1MSP"} }, fault.InvalidValue},
		"asset twice":           {caller, func(i *govern.Init) { i.Assets = []string{"usd", "usd"} }, fault.InvalidValue},
		"too many assets": {caller, func(i *govern.Init) {
			for n := range 64 {
				i.Assets = append(i.Assets, fmt.Sprint("asset", n))
			}
		}, fault.InvalidValue},
		"asset with a slash":     {caller, func(i *govern.Init) { i.Assets = []string{"usd", "a/b"} }, fault.InvalidValue},
		"vault of unknown asset": {caller, func(i *govern.Init) { i.Vaults[0].Asset = "eur" }, fault.InvalidValue},
		"token on another chain": {caller, func(i *govern.Init) { i.Vaults[0].Token = i.Vaults[1].Token }, fault.InvalidValue},
		"vault twice":            {caller, func(i *govern.Init) { i.Vaults[1] = i.Vaults[0] }, fault.InvalidValue},
		"vault is no account":    {caller, func(i *govern.Init) { i.Vaults[0].ID = "x" }, fault.InvalidValue},
		"issuer elsewhere":       {caller, func(i *govern.Init) { i.Issuers = []string{strings.Replace(other.DID, "main", "test", 1)} }, fault.WrongNetwork},
	} {
		w.Store = new(ledger.Memory)
		founding := w.Founding()
		c.change(&founding)
		if _, err := w.Invoke(c.caller, "ops:Init", founding); fault.Of(err) != c.code {
			t.Errorf("%s: %v, want %v", name, err, c.code)
		}
		if len(w.Store.Entries()) != 0 {
			t.Errorf("%s: left state behind", name)
		}
	}
}

// Names are as long as auditors' policies take them (docs/formats/policy.md).
func TestCheckName(t *testing.T) {
	const id = "-0011223344556677"
	for name, ok := range map[string]bool{
		"main" + id: true, strings.Repeat("a", 64-len(id)) + id: true, strings.Repeat("a", 65-len(id)) + id: false,
		strings.Repeat("a", 64) + id: false, id: false, "main-001122334455667": false, "main-001122334455667G": false, "": false,
	} {
		if err := govern.CheckName(name); (err == nil) != ok {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// flip changes the character after the first separator.
func flip(s, separator string) string {
	i := strings.Index(s, separator) + 1
	c := byte('0')
	if s[i] == c {
		c = '1'
	}
	return s[:i] + string(c) + s[i+1:]
}

// A program leaves state alone that wants rules it does not contain.
func TestUnknownRules(t *testing.T) {
	w := opstest.New(t)
	value, _ := w.Store.Get(govern.NetworkKey)
	if err := w.Store.Put(govern.NetworkKey, []byte(strings.Replace(string(value), `"rules":1`, `"rules":2`, 1))); err != nil {
		t.Fatal(err)
	}
	item, _ := w.Sign(opstest.NewUser("alice"), opstest.Submit("x"), "")
	frame, err := ops.EncodeFrame([]ops.Item{item})
	if err != nil {
		t.Fatal(err)
	}
	for function, arg := range map[string]any{"ops:Batch": frame, "ops:Network": nil, "reward:Fold": nil} {
		if _, err := w.Invoke(w.Members[0].Caller(), function, arg); fault.Of(err) != fault.Internal {
			t.Errorf("%s: %v", function, err)
		}
	}
}

// Before initialisation every function says so.
func TestNotInitialised(t *testing.T) {
	w := opstest.New(t)
	w.Store = new(ledger.Memory)
	for _, f := range ops.Functions() {
		if f.Args > 0 || f.Name == "ops:Init" {
			continue
		}
		if _, err := w.Invoke(w.Members[0].Caller(), f.Name, nil); fault.Of(err) != fault.NotInitialised {
			t.Errorf("%s: %v", f.Name, err)
		}
	}
}
