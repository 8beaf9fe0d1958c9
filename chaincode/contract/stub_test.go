package contract_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"maps"
	"math/big"
	"slices"
	"testing"
	"time"

	"github.com/hyperledger/fabric-chaincode-go/v2/shim"
	"github.com/hyperledger/fabric-protos-go-apiv2/ledger/queryresult"
	"github.com/hyperledger/fabric-protos-go-apiv2/msp"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/killick-ledger/killick/chaincode/ledger"
)

// committed is a peer's state between transactions.
type committed map[string][]byte

// Begin gives ledgertest the store of the next transaction.
func (c committed) begin(store func(shim.ChaincodeStubInterface) ledger.Store) (ledger.Store, func()) {
	s := &stub{state: c, writes: map[string][]byte{}}
	return store(s), s.commit
}

// stub is a peer's side of one transaction, as far as the chaincode uses it:
// reads see committed state only, and writes wait for the commit. Any other
// method panics.
type stub struct {
	shim.ChaincodeStubInterface
	state   committed
	writes  map[string][]byte
	args    [][]byte
	creator []byte
	claimed time.Time
	open    int // ranges that were not closed
	batches int
	fail    error // of every read
	reads   map[string]bool
	asked   int // keys in all reads
	trips   int // calls that ask the peer for state
	puts    int

	transient map[string][]byte
	private   committed // of the collection, between transactions
	changes   []string  // of it, in their order
}

// read notes that keys were asked for, in one call.
func (s *stub) read(keys ...string) {
	if s.reads == nil {
		s.reads = map[string]bool{}
	}
	s.trips++
	s.asked += len(keys)
	for _, key := range keys {
		s.reads[key] = true
	}
}

func (s *stub) commit() {
	for key, value := range s.writes {
		if value == nil {
			delete(s.state, key)
		} else {
			s.state[key] = value
		}
	}
}

func (s *stub) GetTransient() (map[string][]byte, error) { return s.transient, nil }

func (s *stub) GetPrivateData(collection, key string) ([]byte, error) {
	if value, ok := s.private[collection+" "+key]; ok && value == nil {
		return nil, errors.New("private data matching public hash version is not available")
	}
	return s.private[collection+" "+key], nil
}

func (s *stub) PutPrivateData(collection, key string, value []byte) error {
	s.changes = append(s.changes, "put "+collection+" "+key)
	return nil
}

func (s *stub) PurgePrivateData(collection, key string) error {
	s.changes = append(s.changes, "purge "+collection+" "+key)
	return nil
}

func (s *stub) GetArgs() [][]byte           { return s.args }
func (s *stub) GetTxID() string             { return "tx" }
func (s *stub) GetChannelID() string        { return "main" }
func (s *stub) GetCreator() ([]byte, error) { return s.creator, nil }
func (s *stub) StartWriteBatch()            { s.batches++ }
func (s *stub) FinishWriteBatch() error     { return nil }

func (s *stub) GetTxTimestamp() (*timestamppb.Timestamp, error) {
	return timestamppb.New(s.claimed), nil
}

func (s *stub) GetState(key string) ([]byte, error) {
	s.read(key)
	return s.state[key], s.fail
}

func (s *stub) GetMultipleStates(keys ...string) ([][]byte, error) {
	s.read(keys...)
	var values [][]byte
	for _, key := range keys {
		values = append(values, s.state[key])
	}
	return values, s.fail
}

func (s *stub) PutState(key string, value []byte) error {
	if key == "" || key[0] == 0 {
		return errors.New("bad key")
	}
	s.puts++
	s.writes[key] = slices.Clone(value)
	return nil
}

func (s *stub) DelState(key string) error {
	s.writes[key] = nil
	return nil
}

func (s *stub) GetStateByRange(from, to string) (shim.StateQueryIteratorInterface, error) {
	s.trips++
	rows := &rows{stub: s}
	for _, key := range slices.Sorted(maps.Keys(s.state)) {
		if key >= from && key < to {
			rows.keys = append(rows.keys, key)
		}
	}
	s.open++
	return rows, s.fail
}

type rows struct {
	stub *stub
	keys []string
}

func (r *rows) HasNext() bool { return len(r.keys) > 0 }

func (r *rows) Close() error {
	r.stub.open--
	return nil
}

func (r *rows) Next() (*queryresult.KV, error) {
	key := r.keys[0]
	r.keys = r.keys[1:]
	return &queryresult.KV{Key: key, Value: r.stub.state[key]}, nil
}

// creator makes an identity of the organisation with the node role.
func creator(t testing.TB, mspID, role string) []byte {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "u", OrganizationalUnit: []string{role}},
		NotBefore: time.Unix(0, 0), NotAfter: time.Unix(4_000_000_000, 0),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	identity, err := proto.Marshal(&msp.SerializedIdentity{
		Mspid: mspID, IdBytes: pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}),
	})
	if err != nil {
		t.Fatal(err)
	}
	return identity
}
