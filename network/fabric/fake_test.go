package fabric_test

import (
	"cmp"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"flag"
	"io"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/hyperledger/fabric-gateway/pkg/identity"
	"github.com/hyperledger/fabric-protos-go-apiv2/common"
	"github.com/hyperledger/fabric-protos-go-apiv2/msp"
	"github.com/hyperledger/fabric-protos-go-apiv2/orderer"
	"github.com/hyperledger/fabric-protos-go-apiv2/peer"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/protobuf/proto"

	"github.com/killick-ledger/killick/network/fabric"
	"github.com/killick-ledger/killick/network/topology"
)

// TestMain lets more tests run side by side than there are processors: they wait for nodes
// that do not answer.
func TestMain(m *testing.M) {
	flag.Parse()
	if err := flag.Set("test.parallel", "12"); err != nil {
		panic(err)
	}
	os.Exit(m.Run())
}

// keys is one self-signed key pair that serves as every node's certificate, their
// authority and the client's identity: what Fabric checks of it is not tested here.
type keys struct{ cert, key string }

func newKeys(t *testing.T) keys {
	t.Helper()
	priv, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "node", OrganizationalUnit: []string{"peer"}}, DNSNames: []string{"node"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, priv.Public(), priv)
	if err != nil {
		t.Fatal(err)
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(priv)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	k := keys{filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")}
	for path, block := range map[string]*pem.Block{k.cert: {Type: "CERTIFICATE", Bytes: der}, k.key: {Type: "PRIVATE KEY", Bytes: pkcs8}} {
		if err := os.WriteFile(path, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return k
}

func (k keys) serve(t *testing.T, register func(*grpc.Server)) string {
	t.Helper()
	creds, err := credentials.NewServerTLSFromFile(k.cert, k.key)
	if err != nil {
		t.Fatal(err)
	}
	s := grpc.NewServer(grpc.Creds(creds))
	register(s)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	go s.Serve(l)
	t.Cleanup(s.Stop)
	return l.Addr().String()
}

// fakePeer answers proposals with what run returns, and without run with the block
// that is asked for; blocks are what it delivers before it ends the stream, or, when
// it is silent, before it says no more. A liar adds a transaction to each.
type fakePeer struct {
	peer.UnimplementedEndorserServer
	peer.UnimplementedDeliverServer
	run    func(context.Context) (*peer.ProposalResponse, error)
	blocks []uint64
	silent bool
	liar   bool
	ledger map[string]func() proto.Message
	texts  map[string]func() (string, error) // answers to functions; an error is a refusal
	sees   func(*peer.SignedProposal)        // each proposal, unless nil
	mspID  string
	keys   keys
}

func (p *fakePeer) ProcessProposal(ctx context.Context, signed *peer.SignedProposal) (*peer.ProposalResponse, error) {
	if p.sees != nil {
		p.sees(signed)
	}
	args, err := arguments(signed)
	if err != nil {
		return nil, err
	}
	if f := p.ledger[string(args[0])]; f != nil {
		data, err := proto.Marshal(f())
		return &peer.ProposalResponse{Response: &peer.Response{Status: 200, Payload: data}}, err
	}
	if f := p.texts[string(args[0])]; f != nil {
		text, err := f()
		if err != nil {
			return refuse(err.Error())(ctx)
		}
		return &peer.ProposalResponse{Response: &peer.Response{Status: 200, Payload: []byte(text)}}, nil
	}
	if p.run == nil {
		return p.block(args)
	}
	response, err := p.run(ctx)
	if err == nil && response.GetEndorsement() != nil {
		err = p.endorse(response)
	}
	return response, err
}

// arguments are the function's name and its arguments.
func arguments(signed *peer.SignedProposal) ([][]byte, error) {
	var proposal peer.Proposal
	var payload peer.ChaincodeProposalPayload
	var spec peer.ChaincodeInvocationSpec
	err := errors.Join(proto.Unmarshal(signed.GetProposalBytes(), &proposal), proto.Unmarshal(proposal.GetPayload(), &payload),
		proto.Unmarshal(payload.GetInput(), &spec))
	return spec.GetChaincodeSpec().GetInput().GetArgs(), err
}

// block answers a query for a block.
func (p *fakePeer) block(args [][]byte) (*peer.ProposalResponse, error) {
	n, err := strconv.ParseUint(string(args[len(args)-1]), 10, 64)
	if err != nil || string(args[0]) != "GetBlockByNumber" || !slices.Contains(p.blocks, n) {
		return &peer.ProposalResponse{Response: &peer.Response{Status: 500, Message: "no such block"}}, nil
	}
	data, err := proto.Marshal(p.make(n))
	return &peer.ProposalResponse{Response: &peer.Response{Status: 200, Payload: data}}, err
}

func (p *fakePeer) make(n uint64) *common.Block {
	b := &common.Block{Header: &common.BlockHeader{Number: n}, Data: &common.BlockData{}}
	if p.liar {
		b.Data.Data = [][]byte{[]byte("what nobody ordered")}
	}
	return b
}

// endorse signs the response as Fabric's peers do. An endorser that is there already
// stays: a test wants it wrong.
func (p *fakePeer) endorse(r *peer.ProposalResponse) error {
	certPEM, err := os.ReadFile(p.keys.cert)
	if err != nil {
		return err
	}
	if r.Endorsement.Endorser == nil {
		r.Endorsement.Endorser, err = proto.Marshal(&msp.SerializedIdentity{Mspid: p.mspID, IdBytes: certPEM})
		if err != nil {
			return err
		}
	}
	keyPEM, err := os.ReadFile(p.keys.key)
	if err != nil {
		return err
	}
	key, err := identity.PrivateKeyFromPEM(keyPEM)
	if err != nil {
		return err
	}
	sign, err := identity.NewPrivateKeySign(key)
	if err != nil {
		return err
	}
	sum := sha256.Sum256(slices.Concat(r.Payload, r.Endorsement.Endorser))
	signature, err := sign(sum[:])
	r.Endorsement.Signature = append(signature, r.Endorsement.Signature...) // what is there spoils it
	return err
}

func (p *fakePeer) Deliver(s grpc.BidiStreamingServer[common.Envelope, peer.DeliverResponse]) error {
	envelope, err := s.Recv()
	if err != nil {
		return err
	}
	from, err := start(envelope)
	if err != nil {
		return err
	}
	for _, n := range p.blocks {
		if n >= from {
			block := &peer.DeliverResponse_Block{Block: p.make(n)}
			if err := s.Send(&peer.DeliverResponse{Type: block}); err != nil {
				return err
			}
		}
	}
	if p.silent {
		<-s.Context().Done()
	}
	return nil
}

func start(envelope *common.Envelope) (uint64, error) {
	var payload common.Payload
	if err := proto.Unmarshal(envelope.GetPayload(), &payload); err != nil {
		return 0, err
	}
	var seek orderer.SeekInfo
	if err := proto.Unmarshal(payload.GetData(), &seek); err != nil {
		return 0, err
	}
	return seek.GetStart().GetSpecified().GetNumber(), nil
}

// fakeOrderer answers the i-th envelope on any of its streams with answer(i), and
// ends the stream after any answer but success, as Fabric's does. A nil answer ends
// the stream without one, with the error ends.
type fakeOrderer struct {
	orderer.UnimplementedAtomicBroadcastServer
	answer func(i int) *orderer.BroadcastResponse
	ends   error
	mu     sync.Mutex
	n      int
	opened int // streams
}

func (o *fakeOrderer) Broadcast(s grpc.BidiStreamingServer[common.Envelope, orderer.BroadcastResponse]) error {
	o.mu.Lock()
	o.opened++
	o.mu.Unlock()
	for {
		if _, err := s.Recv(); err != nil {
			if err == io.EOF {
				return nil
			}
			return err
		}
		o.mu.Lock()
		response := o.answer(o.n)
		o.n++
		o.mu.Unlock()
		if response == nil {
			return cmp.Or(o.ends, io.ErrUnexpectedEOF)
		}
		if err := s.Send(response); err != nil || response.GetStatus() != common.Status_SUCCESS {
			return err
		}
	}
}

func (o *fakeOrderer) seen() int {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.n
}

func (o *fakeOrderer) streams() int {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.opened
}

// result is a peer's answer that carries payload as the chaincode's response.
func result(payload string) func(context.Context) (*peer.ProposalResponse, error) {
	return func(context.Context) (*peer.ProposalResponse, error) {
		action, err := proto.Marshal(&peer.ChaincodeAction{Response: &peer.Response{Status: 200, Payload: []byte(payload)}})
		if err != nil {
			return nil, err
		}
		prp, err := proto.Marshal(&peer.ProposalResponsePayload{Extension: action})
		if err != nil {
			return nil, err
		}
		return &peer.ProposalResponse{
			Response: &peer.Response{Status: 200, Payload: []byte(payload)}, Payload: prp, Endorsement: &peer.Endorsement{},
		}, nil
	}
}

// forged is a peer's answer whose endorsement does not count.
func forged(payload string, e *peer.Endorsement) func(context.Context) (*peer.ProposalResponse, error) {
	return func(ctx context.Context) (*peer.ProposalResponse, error) {
		r, err := result(payload)(ctx)
		if err == nil {
			r.Endorsement = proto.CloneOf(e)
		}
		return r, err
	}
}

func refuse(message string) func(context.Context) (*peer.ProposalResponse, error) {
	return func(context.Context) (*peer.ProposalResponse, error) {
		return &peer.ProposalResponse{Response: &peer.Response{Status: 500, Message: message}}, nil
	}
}

func hang(ctx context.Context) (*peer.ProposalResponse, error) {
	<-ctx.Done()
	return nil, ctx.Err()
}

var organisations = []string{"Org1MSP", "Org2MSP", "Org3MSP", "Org4MSP"}

// client connects to fakes; a nil peer or orderer is one that is down.
func client(t *testing.T, peers []*fakePeer, orderers []*fakeOrderer) *fabric.Client {
	t.Helper()
	return clientOf(t, topology.SmartBFT, peers, orderers)
}

// clientOf is a client of a channel with this ordering service.
func clientOf(t *testing.T, ordering string, peers []*fakePeer, orderers []*fakeOrderer) *fabric.Client {
	t.Helper()
	k := newKeys(t)
	conf := fabric.Config{Channel: "main", Chaincode: "killick", MSPID: organisations[0], Cert: k.cert, Key: k.key, Ordering: ordering, Endorsements: 2}
	for i, p := range peers {
		if p != nil {
			p.mspID, p.keys = organisations[i], k
		}
		address := k.serve(t, func(s *grpc.Server) {
			if p != nil {
				peer.RegisterEndorserServer(s, p)
				peer.RegisterDeliverServer(s, p)
			}
		})
		conf.Peers = append(conf.Peers, fabric.Endpoint{MSPID: organisations[i], Name: organisations[i], Address: address, ServerName: "node", TLSCA: k.cert, MSPCA: k.cert})
	}
	for _, o := range orderers {
		address := k.serve(t, func(s *grpc.Server) {
			if o != nil {
				orderer.RegisterAtomicBroadcastServer(s, o)
			}
		})
		conf.Orderers = append(conf.Orderers, fabric.Endpoint{Name: "orderer", Address: address, ServerName: "node", TLSCA: k.cert})
	}
	c, err := fabric.Connect(conf)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	})
	return c
}
