//go:build e2e

package e2e_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/hyperledger/fabric-gateway/pkg/hash"
	"github.com/hyperledger/fabric-gateway/pkg/identity"
	"github.com/hyperledger/fabric-protos-go-apiv2/common"
	"github.com/hyperledger/fabric-protos-go-apiv2/msp"
	"github.com/hyperledger/fabric-protos-go-apiv2/orderer"
	"github.com/hyperledger/fabric-protos-go-apiv2/peer"
	"google.golang.org/protobuf/proto"

	"github.com/killick-ledger/killick/chaincode/fault"
	"github.com/killick-ledger/killick/chaincode/ops"
	"github.com/killick-ledger/killick/network/fabric"
	"github.com/killick-ledger/killick/network/topology"
	"github.com/killick-ledger/killick/scripts/observe"
)

// signer signs as one client or node.
type signer struct {
	identity []byte // serialized
	sign     identity.Sign
}

func newSigner(t *testing.T, mspID, cert, key string) signer {
	t.Helper()
	certPEM, err := os.ReadFile(cert)
	if err != nil {
		t.Fatal(err)
	}
	keyPEM, err := os.ReadFile(key)
	if err != nil {
		t.Fatal(err)
	}
	private, err := identity.PrivateKeyFromPEM(keyPEM)
	if err != nil {
		t.Fatal(err)
	}
	sign, err := identity.NewPrivateKeySign(private)
	if err != nil {
		t.Fatal(err)
	}
	return signer{encode(t, &msp.SerializedIdentity{Mspid: mspID, IdBytes: certPEM}), func(b []byte) ([]byte, error) { return sign(hash.SHA256(b)) }}
}

func encode(t *testing.T, m proto.Message) []byte {
	t.Helper()
	b, err := proto.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// forge is an endorsed transaction taken apart.
type forge struct {
	t      *testing.T
	action *peer.ChaincodeActionPayload
	data   []byte // stands in place of the transaction, if not nil
	by     signer // signs the envelope
}

// endorsements are those of the first and the second organisation that answered.
func (f *forge) endorsements() []*peer.Endorsement { return f.action.GetAction().GetEndorsements() }

// endorse signs what came out of the transaction.
func (f *forge) endorse(by signer) *peer.Endorsement {
	f.t.Helper()
	signature, err := by.sign(append(bytes.Clone(f.action.GetAction().GetProposalResponsePayload()), by.identity...))
	if err != nil {
		f.t.Fatal(err)
	}
	return &peer.Endorsement{Endorser: by.identity, Signature: signature}
}

// result lets edit change what came out of the transaction.
func (f *forge) result(edit func(*peer.ChaincodeAction)) {
	f.t.Helper()
	var prp peer.ProposalResponsePayload
	var result peer.ChaincodeAction
	decode(f.t, f.action.GetAction().GetProposalResponsePayload(), &prp)
	decode(f.t, prp.GetExtension(), &result)
	edit(&result)
	prp.Extension = encode(f.t, &result)
	f.action.Action.ProposalResponsePayload = encode(f.t, &prp)
}

// batch endorses a batch of one operation and lets edit change the transaction
// before it is signed again.
func (n *network) batch(t *testing.T, c *fabric.Client, by signer, item ops.Item, edit func(*forge)) (id string, envelope *common.Envelope) {
	t.Helper()
	frame, err := ops.EncodeFrame([]ops.Item{item})
	if err != nil {
		t.Fatal(err)
	}
	tx, err := c.Prepare("ops:Batch", frame)
	if err == nil {
		err = tx.Endorse(t.Context())
	}
	if err != nil {
		t.Fatal(err)
	}
	data, err := tx.Envelope()
	if err != nil {
		t.Fatal(err)
	}
	envelope = new(common.Envelope)
	var payload common.Payload
	var body peer.Transaction
	f := &forge{t: t, action: new(peer.ChaincodeActionPayload), by: by}
	decode(t, data, envelope)
	decode(t, envelope.GetPayload(), &payload)
	decode(t, payload.GetData(), &body)
	decode(t, body.GetActions()[0].GetPayload(), f.action)
	edit(f)
	body.Actions[0].Payload = encode(t, f.action)
	if payload.Data = f.data; f.data == nil {
		payload.Data = encode(t, &body)
	}
	envelope.Payload = encode(t, &payload)
	if envelope.Signature, err = f.by.sign(envelope.Payload); err != nil {
		t.Fatal(err)
	}
	return tx.ID(), envelope
}

// broadcast hands envelopes to every orderer, one right behind the other, and returns what
// one of them said of an envelope that none took. An orderer that has it from another one
// may say that it is there.
func (n *network) broadcast(t *testing.T, envelopes ...*common.Envelope) error {
	t.Helper()
	refused, taken := make([]error, len(envelopes)), make([]bool, len(envelopes))
	for _, o := range n.Cluster.Client(0, topology.Admin).Orderers {
		conn, err := fabric.Dial(o)
		if err != nil {
			t.Fatal(err)
		}
		stream, err := orderer.NewAtomicBroadcastClient(conn).Broadcast(t.Context())
		for _, e := range envelopes {
			if err == nil {
				err = stream.Send(e)
			}
		}
		if errors.Is(err, io.EOF) {
			err = nil // it has refused one already
		}
		for i := range envelopes {
			var answer *orderer.BroadcastResponse
			if err == nil {
				answer, err = stream.Recv()
			}
			if err != nil {
				t.Fatal(errors.Join(err, conn.Close()))
			}
			if s := answer.GetStatus(); s != common.Status_SUCCESS { // which ends the stream
				for j := i; j < len(envelopes); j++ {
					refused[j] = fmt.Errorf("%s: %s", s, answer.GetInfo())
				}
				break
			}
			taken[i] = true
		}
		conn.Close()
	}
	for i := range taken {
		if !taken[i] {
			return refused[i]
		}
	}
	return nil
}

// peers sign as the organisations' peers do.
func (n *network) peers(t *testing.T) (all []signer) {
	t.Helper()
	for _, o := range n.Cluster.Orgs() {
		cert, key := identityIn(t, o.Peer().MSP)
		all = append(all, newSigner(t, o.MSPID, cert, key))
	}
	return all
}

// validationCodes hands transactions over that must not count. Each is in a block
// with Fabric's code, which the gateway shows, and changes nothing.
func (n *network) validationCodes(t *testing.T) {
	p := n.newPerson(t)
	n.create(t, p)
	height := n.height(t)
	conf := n.Cluster.Client(0, topology.Admin)
	own := newSigner(t, conf.MSPID, conf.Cert, conf.Key)
	peers := n.peers(t)
	selfCert, selfKey := selfSigned(t)
	void := map[string]string{} // code by transaction
	for name, tc := range map[string]struct {
		code string
		edit func(*forge)
	}{
		"two organisations": {"VALID", func(*forge) {}},
		"any two organisations": {"VALID", func(f *forge) {
			f.action.Action.Endorsements = []*peer.Endorsement{f.endorse(peers[3]), f.endorse(peers[2])}
		}},
		"one organisation alone": {"ENDORSEMENT_POLICY_FAILURE", func(f *forge) {
			f.action.Action.Endorsements = f.endorsements()[:1]
		}},
		"one organisation twice": {"ENDORSEMENT_POLICY_FAILURE", func(f *forge) {
			f.action.Action.Endorsements = []*peer.Endorsement{f.endorse(peers[0]), f.endorse(peers[0])}
		}},
		"a signature of another key": {"ENDORSEMENT_POLICY_FAILURE", func(f *forge) {
			e := f.endorse(peers[1])
			e.Endorser = peers[2].identity
			f.action.Action.Endorsements = []*peer.Endorsement{f.endorse(peers[0]), e}
		}},
		"a peer of another organisation": {"ENDORSEMENT_POLICY_FAILURE", func(f *forge) {
			cert, key := identityIn(t, n.Cluster.Orgs()[0].Peer().MSP)
			f.action.Action.Endorsements = []*peer.Endorsement{f.endorse(peers[0]), f.endorse(newSigner(t, "Org2MSP", cert, key))}
		}},
		"an admin in place of a peer": {"ENDORSEMENT_POLICY_FAILURE", func(f *forge) {
			f.action.Action.Endorsements = []*peer.Endorsement{f.endorse(own), f.endorse(peers[1])}
			other := n.Cluster.Client(1, topology.Admin)
			f.action.Action.Endorsements[1] = f.endorse(newSigner(t, other.MSPID, other.Cert, other.Key))
		}},
		"a certificate of nobody's": {"ENDORSEMENT_POLICY_FAILURE", func(f *forge) {
			f.action.Action.Endorsements = []*peer.Endorsement{f.endorse(peers[0]), f.endorse(newSigner(t, "Org2MSP", selfCert, selfKey))}
		}},
		"a result that was changed afterwards": {"ENDORSEMENT_POLICY_FAILURE", func(f *forge) {
			f.result(func(r *peer.ChaincodeAction) { r.Response.Payload = []byte{byte(fault.Expired)} })
		}},
		"a proposal that was exchanged": {"INVALID_ENDORSER_TRANSACTION", func(f *forge) {
			f.action.ChaincodeProposalPayload = append(f.action.GetChaincodeProposalPayload(), 0x52, 0)
		}},
	} {
		id, envelope := n.batch(t, n.treasury, own, p.sign(t, note("validation "+name), ""), tc.edit)
		if err := n.broadcast(t, envelope); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		void[id] = tc.code
	}
	// A creator's signature by another key does not get past the orderers.
	id, envelope := n.batch(t, n.treasury, own, p.sign(t, note("validation creator"), ""), func(f *forge) { f.by = peers[1] })
	if err := n.broadcast(t, envelope); err == nil || !strings.Contains(err.Error(), "FORBIDDEN") {
		t.Errorf("an envelope that its creator did not sign: %v", err)
	}
	void[id] = ""
	n.stale(t, own, p, void)
	for id, code := range void {
		n.shows(t, id, code)
	}
	valid := 0
	for _, code := range void {
		if code == "VALID" {
			valid++
		}
	}
	if h := n.history(t, height); len(h.results) != valid {
		t.Errorf("%d operations have results, want those of %d valid transactions", len(h.results), valid)
	}
}

// stale hands two transactions over that read the same keys in the same versions.
func (n *network) stale(t *testing.T, own signer, p *person, want map[string]string) {
	t.Helper()
	item := p.sign(t, note("validation stale"), "")
	first, one := n.batch(t, n.treasury, own, item, func(*forge) {})
	second, two := n.batch(t, n.treasury, own, item, func(*forge) {})
	for _, e := range []*common.Envelope{one, two} {
		if err := n.broadcast(t, e); err != nil {
			t.Fatal(err)
		}
		if e == one {
			n.shows(t, first, "VALID")
		}
	}
	want[first], want[second] = "VALID", "MVCC_READ_CONFLICT"
	// The gateway's receipt of the operation names the transaction that counts.
	until(t, 30*time.Second, "the receipt", func() error {
		o, err := n.Client.Operation(t.Context(), idOf(item))
		if err == nil && o.GetTransaction() != first {
			err = fmt.Errorf("it names %s, want %s", o.GetTransaction(), first)
		}
		return err
	})
}

// shows wants every peer and the gateway to give a transaction this code, and none
// of them to know it when the code is empty.
func (n *network) shows(t *testing.T, id, code string) {
	t.Helper()
	url := n.Cluster.GatewayURL() + "/v1/transactions/" + id
	if code == "" {
		response, err := http.Get(url)
		if err != nil {
			t.Fatal(err)
		}
		defer response.Body.Close()
		data, err := io.ReadAll(response.Body)
		if err != nil || response.StatusCode != http.StatusNotFound || !bytes.Contains(data, []byte("not_found")) {
			t.Errorf("transaction %s: %s %s, %v", id, response.Status, data, err)
		}
		return
	}
	for i, c := range n.own {
		until(t, 30*time.Second, "transaction "+id, func() error {
			status, err := c.Lookup(t.Context(), id)
			if err == nil && !status.Found {
				err = fmt.Errorf("peer %d does not have it", i+1)
			}
			if got := peer.TxValidationCode(status.Code).String(); err == nil && got != code {
				t.Fatalf("peer %d says of transaction %s: %s, want %s", i+1, id, got, code)
			}
			return err
		})
	}
	var shown struct{ ID, Validation, Block string }
	if err := observe.JSON(t.Context(), url, &shown); err != nil || shown.ID != id || shown.Validation != code || shown.Block == "0" {
		t.Errorf("the gateway says of transaction %s: %+v, %v; want %s", id, shown, err, code)
	}
}
