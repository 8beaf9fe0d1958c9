package attest_test

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"github.com/killick-ledger/killick/chaincode/attest"
	"github.com/killick-ledger/killick/chaincode/fault"
	"github.com/killick-ledger/killick/chaincode/ledger"
	"github.com/killick-ledger/killick/chaincode/ops"
	"github.com/killick-ledger/killick/chaincode/ops/opstest"
)

// What the bodies say by themselves.
func TestForms(t *testing.T) {
	w := begin(t)
	grant := w.try(w.owner, w.grant(), fault.OK)
	foreign := strings.Replace(w.client.DID, opstest.Network, "main-ffffffffffffffff", 1)
	allow := map[string]struct {
		change func(*ops.RecordAllow)
		code   fault.Code
	}{
		"record":             {func(a *ops.RecordAllow) { a.Record = "x" }, fault.InvalidValue},
		"no client":          {func(a *ops.RecordAllow) { a.Client = "" }, fault.InvalidValue},
		"client elsewhere":   {func(a *ops.RecordAllow) { a.Client = foreign }, fault.WrongNetwork},
		"client is owner":    {func(a *ops.RecordAllow) { a.Client = w.owner.DID }, fault.InvalidValue},
		"no operation":       {func(a *ops.RecordAllow) { a.Operation = "" }, fault.InvalidValue},
		"a job without name": {func(a *ops.RecordAllow) { a.Operation = "job." }, fault.InvalidValue},
		"long operation":     {func(a *ops.RecordAllow) { a.Operation = strings.Repeat("x", 33) }, fault.InvalidValue},
		"no scope":           {func(a *ops.RecordAllow) { a.Scope = nil }, fault.InvalidValue},
		"nine paths": {func(a *ops.RecordAllow) {
			a.Scope = nil
			for i := range 9 {
				a.Scope = append(a.Scope, fmt.Sprint("/", i))
			}
		}, fault.InvalidValue},
		"path in a path":     {func(a *ops.RecordAllow) { a.Scope = []string{"/a/b", "/a"} }, fault.InvalidValue},
		"path twice":         {func(a *ops.RecordAllow) { a.Scope = []string{"/a", "/a"} }, fault.InvalidValue},
		"all and a path":     {func(a *ops.RecordAllow) { a.Scope = []string{"/", "/a"} }, fault.InvalidValue},
		"path without slash": {func(a *ops.RecordAllow) { a.Scope = []string{"a"} }, fault.InvalidValue},
		"path upwards":       {func(a *ops.RecordAllow) { a.Scope = []string{"/a/../b"} }, fault.InvalidValue},
		"empty name":         {func(a *ops.RecordAllow) { a.Scope = []string{"/a//b"} }, fault.InvalidValue},
		"slash at the end":   {func(a *ops.RecordAllow) { a.Scope = []string{"/a/"} }, fault.InvalidValue},
		"long path":          {func(a *ops.RecordAllow) { a.Scope = []string{"/" + strings.Repeat("x", 128)} }, fault.InvalidValue},
		"asset":              {func(a *ops.RecordAllow) { a.Asset = "" }, fault.InvalidValue},
		"unknown asset":      {func(a *ops.RecordAllow) { a.Asset = "eur" }, fault.AssetUnknown},
		"never expires":      {func(a *ops.RecordAllow) { a.Expires = 0 }, fault.NumberRange},
		"expires too late":   {func(a *ops.RecordAllow) { a.Expires = 1 << 32 }, fault.NumberRange},
		"no uses":            {func(a *ops.RecordAllow) { a.Uses = uses(0) }, fault.NumberRange},
		"unknown record":     {func(a *ops.RecordAllow) { a.Record = grant.String() }, fault.NotFound},
	}
	for name, tt := range allow {
		t.Run("allow/"+name, func(t *testing.T) { w.try(w.owner, w.grant(tt.change), tt.code) })
	}
	w.try(w.stranger, w.grant(func(a *ops.RecordAllow) { a.Client = w.client.DID }), fault.NotOwner)
	use := map[string]struct {
		change func(*ops.AttestUse)
		code   fault.Code
	}{
		"grant":       {func(u *ops.AttestUse) { u.Grant = "x" }, fault.InvalidValue},
		"record":      {func(u *ops.AttestUse) { u.Record = "" }, fault.InvalidValue},
		"version 0":   {func(u *ops.AttestUse) { u.Version = 0 }, fault.NumberRange},
		"own record":  {func(u *ops.AttestUse) { u.Owner = w.client.DID }, fault.InvalidValue},
		"in a job":    {func(u *ops.AttestUse) { u.Operation = "job.mean" }, fault.InvalidValue},
		"path":        {func(u *ops.AttestUse) { u.Path = "" }, fault.InvalidValue},
		"asset":       {func(u *ops.AttestUse) { u.Asset = "a/b" }, fault.InvalidValue},
		"for":         {func(u *ops.AttestUse) { u.For = strings.Repeat("x", 81) }, fault.InvalidValue},
		"for, of two": {func(u *ops.AttestUse) { u.For = "a\nb" }, fault.InvalidValue},
	}
	for name, tt := range use {
		t.Run("use/"+name, func(t *testing.T) { w.try(w.client, w.use(grant, tt.change), tt.code) })
	}
	for _, function := range []string{"record:Grant", "attest:Use"} {
		for arg, code := range map[string]fault.Code{"": fault.InvalidValue, "x": fault.InvalidValue, w.record.String(): fault.NotFound} {
			if _, err := w.Invoke(ledger.Caller{}, function, arg); fault.Of(err) != code {
				t.Errorf("%s(%q): %v, want %v", function, arg, err, code)
			}
		}
	}
}

func FuzzDecodeReceipt(f *testing.F) {
	r := attest.Receipt{Version: 1, Price: 5, Epoch: 1, Left: attest.Unlimited, Operation: "read", Path: "/", Asset: "usd"}
	f.Add(r.Encode())
	f.Add([]byte{1, 0x50})
	f.Fuzz(func(t *testing.T, data []byte) {
		r, err := attest.DecodeReceipt(data)
		if err == nil && !bytes.Equal(r.Encode(), data) {
			t.Errorf("%x encodes as %x", data, r.Encode())
		}
	})
}
