package client_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/killick-ledger/killick/chaincode/canon"
	"github.com/killick-ledger/killick/chaincode/fault"
	"github.com/killick-ledger/killick/chaincode/ops"
	"github.com/killick-ledger/killick/gateway/api/apitest"
	"github.com/killick-ledger/killick/gateway/client"
	"github.com/killick-ledger/killick/gateway/submit"
	"github.com/killick-ledger/killick/gateway/submit/submittest"
)

const passphrase = "correct horse"

// owner is an identity with its key file.
type owner struct {
	identity *client.Identity
	network  string
	file     string
}

// startGateway serves a gateway before a ledger in memory.
func startGateway(t *testing.T) (address string, o owner) {
	t.Helper()
	ledger := submittest.New()
	if err := ledger.Found(); err != nil {
		t.Fatal(err)
	}
	gateway := apitest.Serve(t, ledger, func(c *submit.Config) { c.Queue = 50 })
	identity, _, err := client.Generate("EdDSA", true)
	if err != nil {
		t.Fatal(err)
	}
	o = owner{identity, submittest.Network, filepath.Join(t.TempDir(), "a.keys")}
	if err := identity.Save(o.file, []byte(passphrase)); err != nil {
		t.Fatal(err)
	}
	return gateway.Address, o
}

// More operations than a gateway has room for go through all the same.
func TestSubmitAll(t *testing.T) {
	address, o := startGateway(t)
	c, err := client.Dial(address)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	signer := o.identity.On(o.network)
	create, err := signer.Create([]string{"eip155:1", "tron:0x2b6653dc"}, "tron:0x2b6653dc")
	if err != nil {
		t.Fatal(err)
	}
	jws := []string{create, "nonsense"}
	for i := range 70 {
		sum := canon.Sum([]byte(fmt.Sprint(i)))
		text, _, err := signer.Operation(&ops.RecordSubmit{Schema: "note", Commitment: canon.Hex(sum[:])}, "")
		if err != nil {
			t.Fatal(err)
		}
		jws = append(jws, text)
	}
	receipts, err := c.SubmitAll(t.Context(), jws...)
	if err != nil {
		t.Fatal(err)
	}
	for i, r := range receipts {
		if want := fault.OK; i == 1 {
			if r.GetCode() != "malformed" {
				t.Errorf("nonsense: %v", r)
			}
		} else if r.GetCode() != want.String() {
			t.Errorf("%d: %v", i, r)
		}
	}
	_, err = c.Submit(t.Context(), "nonsense")
	if !errors.Is(err, &fault.Error{Code: fault.Malformed}) {
		t.Errorf("one: %v", err)
	}
	if _, err := signer.Create(nil, "eip155:1"); err == nil {
		t.Error("a payout without a link was signed")
	}
}

// GW-6
func TestKeyFile(t *testing.T) {
	dir := t.TempDir()
	identity, recovery, err := client.Generate("EdDSA", true)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "a.keys")
	if err := identity.Save(path, []byte(passphrase)); err != nil {
		t.Fatal(err)
	}
	if err := recovery.Save(filepath.Join(dir, "a.recovery"), []byte(passphrase)); err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v %v", info.Mode(), err)
	}
	loaded, err := client.Load(path, []byte(passphrase))
	if err != nil {
		t.Fatal(err)
	}
	a, _ := identity.ChainKey()
	b, _ := loaded.ChainKey()
	one, _ := identity.On("n-0").Sign([]byte("x"))
	two, _ := loaded.On("n-0").Sign([]byte("x"))
	if !bytes.Equal(a, b) || !bytes.Equal(one, two) || loaded.DID("n-0") != identity.DID("n-0") || !bytes.Equal(loaded.Document(), identity.Document()) {
		t.Error("the loaded identity differs")
	}
	if did, address, err := client.LoadPublic(path, "n-0"); err != nil || did != identity.DID("n-0") || !strings.HasPrefix(address, "0x") {
		t.Errorf("public part: %s %s %v", did, address, err)
	}
	if _, err := client.Load(path, []byte("wrong")); !errors.Is(err, client.ErrPassphrase) {
		t.Errorf("wrong passphrase: %v", err)
	}
	if _, err := client.Load(filepath.Join(dir, "a.recovery"), []byte(passphrase)); err == nil {
		t.Error("a recovery key was loaded as an identity")
	}
	if err := identity.Save(path, []byte(passphrase)); err == nil {
		t.Error("a key file was overwritten")
	}
	if err := identity.Save(filepath.Join(dir, "b"), nil); err == nil {
		t.Error("an empty passphrase was taken")
	}
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var f map[string]any
	if err := json.Unmarshal(data, &f); err != nil {
		t.Fatal(err)
	}
	// Every member is bound by the seal.
	for member, value := range map[string]any{
		"kind": "recovery", "public": canon.B64([]byte(`{"id":"other"}`)), "time": 2, "memoryKiB": 1 << 15, "threads": 2,
		"salt": canon.B64(make([]byte, 16)), "nonce": canon.B64(make([]byte, 24)), "sealed": canon.B64(make([]byte, 64)),
	} {
		changed := map[string]any{}
		for k, v := range f {
			changed[k] = v
		}
		changed[member] = value
		text, err := json.Marshal(changed)
		if err != nil {
			t.Fatal(err)
		}
		other := filepath.Join(dir, "changed-"+member)
		if err := os.WriteFile(other, text, 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := client.Load(other, []byte(passphrase)); err == nil {
			t.Errorf("a file with another %s was opened", member)
		}
	}
}

func FuzzKeyFile(f *testing.F) {
	f.Add([]byte(`{"format":"killick-keys-1","kind":"identity","public":"","kdf":"argon2id","time":1,"memoryKiB":8,"threads":1,"salt":"AAAAAAAAAAA","cipher":"xchacha20-poly1305","nonce":"","sealed":""}`))
	dir := f.TempDir()
	f.Fuzz(func(t *testing.T, data []byte) {
		path := filepath.Join(dir, "x")
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
		_, _, _ = client.LoadPublic(path, "n-0") // must not panic
	})
}

// A client of two gateways goes on with the second when the first is not there.
func TestDialFallsBack(t *testing.T) {
	address, o := startGateway(t)
	nobody, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	if err := nobody.Close(); err != nil {
		t.Fatal(err)
	}
	c, err := client.Dial(nobody.Addr().String(), address)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	network, err := c.Network(t.Context())
	if err != nil || network.GetNetwork() != o.network {
		t.Errorf("Network = %v, %v", network, err)
	}
	if _, err := client.Dial("127.0.0.1:1", "https://example.org"); err == nil {
		t.Error("gateways with TLS and without were taken together")
	}
}
