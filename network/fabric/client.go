// Package fabric is the only client of the Hyperledger Fabric network: it queries,
// endorses, submits, looks up, and streams blocks.
//
// Every transaction has its id before anything is sent, and three outcomes: done,
// refused, or unknown. Unknown is resolved by Lookup, never by guessing. The package
// keeps no state that a restart needs, and a caller that gives up (by its context)
// learns so.
//
// Endorsing goes to the peers directly: as many organisations as are needed in
// parallel, a further one on an error, a delay or a difference; what they return is
// compared byte for byte, and their signatures are checked. Submitting goes to all
// SmartBFT orderers, or to one Raft orderer after the other, over streams that stay
// open. Connections are made when needed and come back within about a second after
// a killed node returns; a node that is down costs no more than its turn.
package fabric

import (
	"crypto/x509"
	"errors"
	"fmt"
	"os"
	"sync/atomic"
	"time"

	"github.com/hyperledger/fabric-gateway/pkg/hash"
	"github.com/hyperledger/fabric-gateway/pkg/identity"
	"github.com/hyperledger/fabric-protos-go-apiv2/msp"
	"github.com/hyperledger/fabric-protos-go-apiv2/peer"
	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/keepalive"
	"google.golang.org/protobuf/proto"

	"github.com/killick-ledger/killick/network/topology"
)

// Config is what a client is configured with; the own organisation's peer comes
// first.
type Config = topology.Connection

// Endpoint is how a client reaches one peer or orderer.
type Endpoint = topology.Endpoint

// maxMessage is the largest gRPC message. A block is at most 10 MB; gRPC's own
// default of 4 MB would break a block stream at the same block for ever.
const maxMessage = 32 << 20

// maxHeaders bounds the headers of an answer, in bytes. What an error says is in one.
const maxHeaders = 16 << 10

// avoidFor is how long a peer that failed is asked last.
const avoidFor = 2 * time.Second

// Client is a client of one channel and chaincode under one identity. It is safe
// for concurrent use.
type Client struct {
	cfg      Config
	creator  []byte // serialized identity
	sign     identity.Sign
	peers    []*remote
	orderers []*broadcaster
	turn     atomic.Uint64 // spreads endorsing over the other organisations
	// favourite is the Raft orderer that took the last transaction.
	favourite atomic.Int64
	pace      pace
}

// pace is how long what waits; the constants of the same kind say why.
type pace struct {
	answer, election, submit, failed, again, compare, hedge, catchUp, block, round, explain time.Duration
}

// remote is one peer.
type remote struct {
	Endpoint
	conn     *grpc.ClientConn
	endorser peer.EndorserClient
	identity *endorser
	avoid    atomic.Int64 // unix nanoseconds until which it is asked last
}

func (r *remote) failed()       { r.avoid.Store(time.Now().Add(avoidFor).UnixNano()) }
func (r *remote) worked()       { r.avoid.Store(0) }
func (r *remote) failing() bool { return time.Now().UnixNano() < r.avoid.Load() }

// Connect reads the identity and prepares the connections. It contacts nobody: a
// node that is down now may be up when it is needed.
func Connect(cfg Config) (*Client, error) {
	if err := check(cfg); err != nil {
		return nil, err
	}
	c := &Client{cfg: cfg, pace: pace{
		answer: answerWithin, election: electionWithin, submit: submitFor, failed: failedAgain, again: submitAgain, compare: compareEvery,
		hedge: hedgeAfter, catchUp: catchUpFor, block: blockWithin, round: roundPause, explain: explainPause,
	}}
	if cfg.Ordering == topology.Raft {
		c.pace.again = raftAgain
	}
	if err := c.loadIdentity(); err != nil {
		return nil, err
	}
	for _, e := range cfg.Peers {
		conn, err := Dial(e)
		if err != nil {
			return nil, errors.Join(err, c.Close())
		}
		r := &remote{Endpoint: e, conn: conn, endorser: peer.NewEndorserClient(conn)}
		c.peers = append(c.peers, r)
		if r.identity, err = newEndorser(e); err != nil {
			return nil, errors.Join(err, c.Close())
		}
	}
	for _, e := range cfg.Orderers {
		conn, err := Dial(e)
		if err != nil {
			return nil, errors.Join(err, c.Close())
		}
		c.orderers = append(c.orderers, newBroadcaster(e, conn))
	}
	return c, nil
}

func check(cfg Config) error {
	var errs []error
	if cfg.Channel == "" || cfg.Chaincode == "" || cfg.MSPID == "" {
		errs = append(errs, errors.New("fabric: channel, chaincode and msp_id are needed"))
	}
	if len(cfg.Peers) == 0 || len(cfg.Orderers) == 0 {
		errs = append(errs, errors.New("fabric: at least one peer and one orderer are needed"))
	}
	if o := cfg.Ordering; o != "" && o != topology.SmartBFT && o != topology.Raft {
		errs = append(errs, fmt.Errorf("fabric: ordering: %q is neither %s nor %s", o, topology.SmartBFT, topology.Raft))
	}
	msps := map[string]bool{}
	for _, p := range cfg.Peers {
		if msps[p.MSPID] {
			errs = append(errs, fmt.Errorf("fabric: peers: more than one of %s; one for each organisation is asked", p.MSPID))
		}
		msps[p.MSPID] = true
	}
	if cfg.Endorsements < 1 || cfg.Endorsements > len(msps) {
		errs = append(errs, fmt.Errorf("fabric: endorsements: %d is not between 1 and the %d organisations with a peer", cfg.Endorsements, len(msps)))
	}
	return errors.Join(errs...)
}

func (c *Client) loadIdentity() error {
	certPEM, err := os.ReadFile(c.cfg.Cert)
	if err != nil {
		return fmt.Errorf("fabric: read certificate: %w", err)
	}
	keyPEM, err := os.ReadFile(c.cfg.Key)
	if err != nil {
		return fmt.Errorf("fabric: read key: %w", err)
	}
	key, err := identity.PrivateKeyFromPEM(keyPEM)
	if err != nil {
		return fmt.Errorf("fabric: key %s: %w", c.cfg.Key, err)
	}
	sign, err := identity.NewPrivateKeySign(key)
	if err != nil {
		return fmt.Errorf("fabric: key %s: %w", c.cfg.Key, err)
	}
	c.sign = func(message []byte) ([]byte, error) { return sign(hash.SHA256(message)) }
	c.creator, err = proto.Marshal(&msp.SerializedIdentity{Mspid: c.cfg.MSPID, IdBytes: certPEM})
	if err != nil {
		return fmt.Errorf("fabric: encode identity: %w", err)
	}
	return nil
}

// Dial prepares a connection to a node. The certificate must bear e.ServerName and
// be issued by e.TLSCA.
func Dial(e Endpoint) (*grpc.ClientConn, error) {
	pem, err := os.ReadFile(e.TLSCA)
	if err != nil {
		return nil, fmt.Errorf("fabric: read TLS authority of %s: %w", e.Name, err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("fabric: %s holds no certificate", e.TLSCA)
	}
	conn, err := grpc.NewClient(e.Address,
		grpc.WithTransportCredentials(credentials.NewClientTLSFromCert(pool, e.ServerName)),
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(maxMessage), grpc.MaxCallSendMsgSize(maxMessage)),
		grpc.WithMaxHeaderListSize(maxHeaders),
		grpc.WithConnectParams(grpc.ConnectParams{
			Backoff:           backoff.Config{BaseDelay: 100 * time.Millisecond, Multiplier: 1.6, Jitter: 0.2, MaxDelay: time.Second},
			MinConnectTimeout: 3 * time.Second,
		}),
		// Finds a node that hangs without closing its socket. Nodes accept a ping
		// every 10 s.
		grpc.WithKeepaliveParams(keepalive.ClientParameters{Time: 15 * time.Second, Timeout: 5 * time.Second}),
	)
	if err != nil {
		return nil, fmt.Errorf("fabric: dial %s: %w", e.Name, err)
	}
	return conn, nil
}

// Close ends all connections and streams. Calls that are under way fail.
func (c *Client) Close() error {
	var errs []error
	for _, o := range c.orderers {
		errs = append(errs, o.close())
	}
	for _, p := range c.peers {
		errs = append(errs, p.conn.Close())
	}
	return errors.Join(errs...)
}

// inOrder lists the peers to ask: the own organisation's first, the others from a
// place that moves with each call, and those that failed lately at the end.
func (c *Client) inOrder() []*remote {
	own := []*remote{c.peers[0]}
	others := c.peers[1:]
	if n := len(others); n > 0 {
		k := int(c.turn.Add(1) % uint64(n))
		own = append(append(own, others[k:]...), others[:k]...)
	}
	var well, ill []*remote
	for _, p := range own {
		if p.failing() {
			ill = append(ill, p)
		} else {
			well = append(well, p)
		}
	}
	return append(well, ill...)
}
