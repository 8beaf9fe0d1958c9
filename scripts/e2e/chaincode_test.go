//go:build e2e

package e2e_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/killick-ledger/killick/chaincode/canon"
	"github.com/killick-ledger/killick/chaincode/fault"
	"github.com/killick-ledger/killick/chaincode/ops"
	"github.com/killick-ledger/killick/chaincode/reward"
	"github.com/killick-ledger/killick/network/fabric"
	"github.com/killick-ledger/killick/network/topology"
)

// refusedBy wants a call to be refused with a code before anything is submitted:
// its transaction is on no ledger.
func refusedBy(t *testing.T, c *fabric.Client, want fault.Code, function string, args ...[]byte) {
	t.Helper()
	tx, err := c.Prepare(function, args...)
	if err != nil {
		t.Fatal(err)
	}
	err = tx.Endorse(t.Context())
	var refused *fabric.Refused
	if !errors.As(err, &refused) {
		t.Errorf("%q with %d arguments: %v, want %s", function, len(args), err, want)
		return
	}
	if e, ok := fault.Parse(refused.Message); !ok || e.Code != want || e.Text == "" {
		t.Errorf("%q with %d arguments: %q, want %s", function, len(args), refused.Message, want)
	}
	if status, err := c.Lookup(t.Context(), tx.ID()); err != nil || status.Found {
		t.Errorf("%q: its transaction is on the ledger: %+v, %v", function, status, err)
	}
}

// fundOf is an argument of reward:Fund.
func fundOf(t *testing.T, p *person, what string) []byte {
	t.Helper()
	id := canon.Sum([]byte(what))
	argument, err := canon.Marshal(reward.Fund{ID: canon.Hex(id[:]), Asset: "usd", To: p.did, Amount: 5})
	if err != nil {
		t.Fatal(err)
	}
	return argument
}

// chaincodeDoor calls the chaincode with a member's identity, past the gateway.
func (n *network) chaincodeDoor(t *testing.T) {
	c := n.cast(t)
	before, height := n.state(t, c), n.height(t)
	admin := n.treasury
	fund := fundOf(t, c.bob, "chaincode door")
	// Each name has the arguments with which the function of the right name would run.
	for _, name := range []string{
		"reward:fund", "Reward:Fund", "REWARD:FUND", "reward:FUND", "Fund", "fund", "rewardFund", "reward.Fund", "reward:Fund ", " reward:Fund",
		"rewards:Fund", "reward::Fund", "reward:", ":Fund", "", "reward:Nothing", "nothing:Fund", "ops:batch", "Ops:Batch", "ops:apply",
		"ops:GetName", "org.hyperledger.fabric:GetMetadata", "GetMetadata", "reward:BeforeTransaction",
	} {
		refusedBy(t, admin, fault.UnknownFunction, name, fund)
	}
	for _, f := range ops.Functions() {
		contract, method, _ := strings.Cut(f.Name, ":")
		args := slices.Repeat([][]byte{[]byte("{}")}, f.Args)
		for _, name := range []string{contract + ":" + strings.ToLower(method), strings.ToUpper(contract) + ":" + method} {
			refusedBy(t, admin, fault.UnknownFunction, name, args...)
		}
		refusedBy(t, admin, fault.WrongArguments, f.Name, append(args, []byte("{}"))...)
		if f.Args > 0 {
			refusedBy(t, admin, fault.WrongArguments, f.Name)
		}
	}
	refusedBy(t, admin, fault.WrongArguments, "reward:Fund", fund, nil)
	refusedBy(t, admin, fault.AlreadyInitialised, "ops:Init", n.foundingAgain(t))
	t.Run("functions of organisations in a batch", func(t *testing.T) { n.organisationsInBatch(t, c) })
	checkKept(t, n.history(t, height), map[string]fault.Code{})
	if diff := cmp.Diff(before, n.state(t, c)); diff != "" {
		t.Errorf("refused calls changed the ledger:\n%s", diff)
	}
}

// foundingAgain is the argument that the ledger was initialised with, as far as
// a query tells it.
func (n *network) foundingAgain(t *testing.T) []byte {
	t.Helper()
	data, err := n.treasury.Evaluate(t.Context(), "ops:Network")
	if err != nil {
		t.Fatal(err)
	}
	var view map[string]any
	if err := json.Unmarshal(data, &view); err != nil {
		t.Fatal(err)
	}
	for _, own := range []string{"setVersion", "stopped", "bound", "verifiers"} {
		delete(view, own) // the ledger's
	}
	view["program"] = zeros
	if data, err = json.Marshal(view); err != nil {
		t.Fatal(err)
	}
	return data
}

// organisationsInBatch signs operations that are named after the functions of
// organisations, as a member's client would hand them over in a batch.
func (n *network) organisationsInBatch(t *testing.T, c cast) {
	now := time.Now().Unix()
	var items []ops.Item
	var names []string
	for _, f := range ops.Functions() {
		if !f.Organisation {
			continue
		}
		contract, method, _ := strings.Cut(f.Name, ":")
		spellings := []string{contract + "." + strings.ToLower(method[:1]) + method[1:], f.Name}
		if f.Name == "attest:Step" || f.Name == "attest:Close" {
			spellings = spellings[1:] // anyone may do this; users have operations for it
		}
		for _, name := range spellings {
			names = append(names, name)
			items = append(items, c.alice.raw(t, header(c.alice.kid),
				fmt.Sprintf(`{"op":%q,"net":%q,"iat":%d,"exp":%d,"body":%s}`, name, n.name, now, now+600, fundOf(t, c.alice, name))))
		}
	}
	frame, err := ops.EncodeFrame(items)
	if err != nil {
		t.Fatal(err)
	}
	receipt, err := n.members[0].Execute(t.Context(), "ops:Batch", frame)
	if err != nil {
		t.Fatal(err)
	}
	for i, code := range receipt.Payload {
		want := fault.Batched
		if strings.Contains(names[i], ":") {
			want = fault.UnknownOperation
		}
		if fault.Code(code) != want {
			t.Errorf("%s: %v, want %s", names[i], fault.Code(code), want)
		}
	}
}

// strangers calls the chaincode with identities that may not do so.
func (n *network) strangers(t *testing.T) {
	bob := n.newPerson(t)
	n.create(t, bob)
	fund := fundOf(t, bob, "strangers")
	// No peer endorses anything for them, whatever is called: the channel's
	// configuration says who may write, clients and admins of member organisations.
	own := n.Cluster.Orgs()[0]
	peer := n.Cluster.Client(0, topology.Admin)
	peer.Cert, peer.Key = identityIn(t, own.Peer().MSP)
	orderer := n.Cluster.Client(0, topology.Admin)
	orderer.MSPID = own.OrdererMSP
	orderer.Cert, orderer.Key = identityIn(t, own.Orderers()[0].MSP)
	forged, unknown := n.Cluster.Client(0, topology.Admin), n.Cluster.Client(0, topology.Admin)
	forged.Cert, forged.Key = selfSigned(t)
	unknown.Cert, unknown.Key = forged.Cert, forged.Key
	unknown.MSPID = "Org9MSP"
	stolen := n.Cluster.Client(1, topology.Admin)
	stolen.MSPID = own.MSPID // a certificate of Org2 that claims to be of Org1
	good := bob.sign(t, note("carried by a stranger"), "")
	for name, conf := range map[string]fabric.Config{
		"a peer": peer, "an orderer": orderer, "a certificate of its own making": forged, "an unknown organisation": unknown, "another organisation's certificate": stolen,
	} {
		t.Run(name, func(t *testing.T) {
			client := connect(t, conf)
			for function, argument := range map[string][]byte{"reward:Fund": fund, "ops:Apply": []byte(good.Compact()), "ops:Network": nil} {
				var args [][]byte
				if argument != nil {
					args = append(args, argument)
				}
				tx, err := client.Prepare(function, args...)
				if err != nil {
					t.Fatal(err)
				}
				err = tx.Endorse(t.Context())
				denied := func(how string) bool { return err != nil && strings.Contains(err.Error(), how) }
				if !denied("access denied") && !denied("Failed evaluating policy") {
					t.Errorf("%s: %#x, %v, want access to be denied", function, tx.Payload(), err)
				}
				if status, err := n.own[0].Lookup(t.Context(), tx.ID()); err != nil || status.Found {
					t.Errorf("%s: its transaction is on the ledger: %+v, %v", function, status, err)
				}
			}
		})
	}
	// The operation itself is its signer's: it is good whoever carries it.
	if _, err := n.Client.Submit(t.Context(), good.Compact()); err != nil {
		t.Error(err)
	}
	if balance, received := n.money(t, bob); balance != 0 || received != 0 {
		t.Errorf("bob has %d and received %d", balance, received)
	}
}

// oneMemberAlone submits what only one organisation endorsed: it is in a block,
// void, and changes nothing.
func (n *network) oneMemberAlone(t *testing.T) {
	bob := n.newPerson(t)
	n.create(t, bob)
	conf := n.Cluster.Client(0, topology.Admin)
	conf.Peers, conf.Endorsements = conf.Peers[:1], 1
	_, err := connect(t, conf).Execute(t.Context(), "reward:Fund", fundOf(t, bob, "alone"))
	var invalid *fabric.Invalid
	if !errors.As(err, &invalid) || !strings.Contains(invalid.Error(), "ENDORSEMENT_POLICY_FAILURE") {
		t.Errorf("%v, want it voided by the endorsement policy", err)
	}
	refusedBy(t, connect(t, n.Cluster.Client(1, topology.Admin)), fault.NotMember, "reward:Fund", fundOf(t, bob, "no treasury"))
	if balance, _ := n.money(t, bob); balance != 0 {
		t.Errorf("bob has %d", balance)
	}
}

// identityIn is the certificate and key of a folder that cryptogen made.
func identityIn(t *testing.T, msp string) (cert, key string) {
	t.Helper()
	certs, err := filepath.Glob(filepath.Join(msp, "signcerts", "*.pem"))
	if err != nil || len(certs) != 1 {
		t.Fatalf("%s: %q, %v", msp, certs, err)
	}
	return certs[0], filepath.Join(msp, "keystore", "priv_sk")
}

// selfSigned makes an admin's certificate that no authority issued.
func selfSigned(t *testing.T) (cert, key string) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "Admin@org1.killick", OrganizationalUnit: []string{"admin"}},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), KeyUsage: x509.KeyUsageDigitalSignature,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &private.PublicKey, private)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	cert, key = filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	for path, b := range map[string]*pem.Block{cert: {Type: "CERTIFICATE", Bytes: der}, key: {Type: "PRIVATE KEY", Bytes: secret}} {
		if err := os.WriteFile(path, pem.EncodeToMemory(b), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return cert, key
}
