package main

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/hyperledger/fabric-protos-go-apiv2/common"
	"github.com/hyperledger/fabric-protos-go-apiv2/peer"
	"google.golang.org/protobuf/proto"

	"github.com/killick-ledger/killick/chaincode/fault"
	"github.com/killick-ledger/killick/gateway/submit"
	"github.com/killick-ledger/killick/network/configuration"
	"github.com/killick-ledger/killick/network/fabric"
)

// blocks were recorded from a real network; anchor/block says how.
const blocks = "../anchor/block/testdata"

func recorded(t testing.TB, name string) *common.Block {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(blocks, name))
	if err != nil {
		t.Fatal(err)
	}
	b := new(common.Block)
	if err := proto.Unmarshal(data, b); err != nil {
		t.Fatal(err)
	}
	return b
}

func TestDecodeRecordedBlocks(t *testing.T) {
	first, err := decode(recorded(t, "0.block"), "killick")
	if err != nil || len(first.Transactions) != 0 {
		t.Errorf("first block: %+v %v", first, err)
	}
	other, err := decode(recorded(t, "1.block"), "killick")
	if err != nil || len(other.Transactions) != 4 || len(other.Transactions[0].Writes) != 0 || !other.Transactions[0].Valid {
		t.Errorf("block of another chaincode: %+v %v", other, err)
	}
	void, err := decode(recorded(t, "23.block"), "killick")
	want := submit.Block{Number: 23, Transactions: []submit.Committed{{
		ID: "bd15ae8ab2ed2a41b0e36ae4ffaec135332c8e215d8437d0f963fcf5934a2b6a", Reason: "MVCC_READ_CONFLICT",
	}}}
	if diff := cmp.Diff(want, void); err != nil || diff != "" {
		t.Errorf("block with a void transaction: %v\n%s", err, diff)
	}
	writes, err := decode(recorded(t, "40.block"), "killick")
	if err != nil || len(writes.Transactions) != 1 {
		t.Fatalf("block with writes: %+v %v", writes, err)
	}
	tx := writes.Transactions[0]
	deletes := 0
	for _, w := range tx.Writes {
		if w.Delete {
			deletes++
		}
	}
	if !tx.Valid || len(tx.Writes) != 9 || deletes == 0 || !strings.HasPrefix(string(tx.Response), `{"epoch":`) {
		t.Errorf("transaction %+v", tx)
	}
}

// Whatever Fabric says of a transaction, its receipts say the same; one that it does not
// call valid has no effect here either.
func TestDecodeEveryCode(t *testing.T) {
	for number, name := range peer.TxValidationCode_name {
		b := recorded(t, "40.block")
		b.Metadata.Metadata[common.BlockMetadataIndex_TRANSACTIONS_FILTER] = []byte{byte(number)}
		got, err := decode(b, "killick")
		if err != nil || len(got.Transactions) != 1 {
			t.Fatalf("%s: %d transactions, %v", name, len(got.Transactions), err)
		}
		tx, valid := got.Transactions[0], name == "VALID"
		if tx.Reason != name || tx.Valid != valid || (len(tx.Writes) > 0) != valid || (len(tx.Response) > 0) != valid {
			t.Errorf("%s: valid %v, reason %s, %d writes, response %q", name, tx.Valid, tx.Reason, len(tx.Writes), tx.Response)
		}
	}
}

// What is shown of a transaction is Fabric's own code, or that no block or no peer tells.
func TestValidation(t *testing.T) {
	for number, name := range peer.TxValidationCode_name {
		if code, block, err := validation(fabric.Status{Found: true, Block: 7, Code: number}, nil); code != name || block != 7 || err != nil {
			t.Errorf("%s is shown as %s in block %d, %v", name, code, block, err)
		}
	}
	other := errors.New("x")
	for _, tt := range []struct {
		status fabric.Status
		err    error
		want   fault.Code
	}{
		{fabric.Status{}, nil, fault.NotFound},
		{fabric.Status{}, &fabric.Unavailable{}, fault.Unavailable},
		{fabric.Status{Found: true}, other, fault.Internal},
	} {
		if code, _, err := validation(tt.status, tt.err); code != "" || fault.Of(err) != tt.want {
			t.Errorf("%+v, %v: %q, %v", tt.status, tt.err, code, err)
		}
	}
}

// Which chaincode ran is what was endorsed. What the proposal says of it nobody reads, so
// whoever submits has anything there: that hides no operation, makes none up, and stops
// no gateway.
func TestDecodeProposals(t *testing.T) {
	own := &peer.ChaincodeID{Name: "killick"}
	honest, err := decode(recorded(t, "40.block"), "killick")
	if err != nil || len(honest.Transactions) != 1 || len(honest.Transactions[0].Args) == 0 {
		t.Fatalf("%d transactions, %v", len(honest.Transactions), err)
	}
	input := &peer.ChaincodeInput{Args: honest.Transactions[0].Args}
	proposal := func(spec *peer.ChaincodeSpec) []byte {
		return wire(t, &peer.ChaincodeProposalPayload{Input: wire(t, &peer.ChaincodeInvocationSpec{ChaincodeSpec: spec})})
	}
	for name, tc := range map[string]struct {
		proposal []byte
		endorsed string // chaincode
		args     int
	}{
		"honest":         {proposal(&peer.ChaincodeSpec{ChaincodeId: own, Input: input}), "killick", len(input.Args)},
		"names none":     {proposal(&peer.ChaincodeSpec{Input: input}), "killick", len(input.Args)},
		"names another":  {proposal(&peer.ChaincodeSpec{ChaincodeId: &peer.ChaincodeID{Name: "other"}, Input: input}), "killick", len(input.Args)},
		"of another":     {proposal(&peer.ChaincodeSpec{ChaincodeId: own, Input: input}), "other", 0},
		"empty":          {nil, "killick", 0},
		"no message":     {[]byte("\xff"), "killick", 0},
		"none within it": {[]byte{0x0a, 1, 0xff}, "killick", 0},
	} {
		got, err := decode(proposed(t, recorded(t, "40.block"), tc.proposal, tc.endorsed), "killick")
		if err != nil || len(got.Transactions) != 1 {
			t.Fatalf("%s: %d transactions, %v", name, len(got.Transactions), err)
		}
		if tx := got.Transactions[0]; len(tx.Args) != tc.args || len(tx.Writes) != 9 {
			t.Errorf("%s: %d arguments and %d writes, want %d and 9", name, len(tx.Args), len(tx.Writes), tc.args)
		}
	}
}

// proposed puts a proposal, and the chaincode that was endorsed, into the block's first
// transaction.
func proposed(t *testing.T, b *common.Block, proposal []byte, chaincode string) *common.Block {
	t.Helper()
	var envelope common.Envelope
	var payload common.Payload
	var transaction peer.Transaction
	var endorsed peer.ChaincodeActionPayload
	var result peer.ProposalResponsePayload
	var did peer.ChaincodeAction
	for _, m := range []struct {
		from func() []byte
		to   proto.Message
	}{
		{func() []byte { return b.Data.Data[0] }, &envelope},
		{func() []byte { return envelope.Payload }, &payload},
		{func() []byte { return payload.Data }, &transaction},
		{func() []byte { return transaction.Actions[0].Payload }, &endorsed},
		{func() []byte { return endorsed.Action.ProposalResponsePayload }, &result},
		{func() []byte { return result.Extension }, &did},
	} {
		if err := proto.Unmarshal(m.from(), m.to); err != nil {
			t.Fatal(err)
		}
	}
	did.ChaincodeId.Name = chaincode
	result.Extension = wire(t, &did)
	endorsed.Action.ProposalResponsePayload = wire(t, &result)
	endorsed.ChaincodeProposalPayload = proposal
	transaction.Actions[0].Payload = wire(t, &endorsed)
	payload.Data = wire(t, &transaction)
	envelope.Payload = wire(t, &payload)
	b.Data.Data[0] = wire(t, &envelope)
	return b
}

func wire(t *testing.T, m proto.Message) []byte {
	t.Helper()
	data, err := proto.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// A block that the network could not have made is an error and not a guess.
func TestDecodeRefuses(t *testing.T) {
	b := recorded(t, "40.block")
	b.Metadata.Metadata[common.BlockMetadataIndex_TRANSACTIONS_FILTER] = nil
	if _, err := decode(b, "killick"); err == nil {
		t.Error("a block without validation codes was taken")
	}
}

func FuzzDecode(f *testing.F) {
	for _, name := range []string{"1.block", "23.block", "40.block"} {
		f.Add(recorded(f, name).GetData().GetData()[0])
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		b := &common.Block{
			Header: &common.BlockHeader{Number: 7}, Data: &common.BlockData{Data: [][]byte{data}},
			Metadata: &common.BlockMetadata{Metadata: [][]byte{nil, nil, {0}}},
		}
		if got, err := decode(b, "killick"); err == nil && len(got.Transactions) > 1 {
			t.Errorf("%d transactions of one", len(got.Transactions))
		}
	})
}

func TestCodes(t *testing.T) {
	tests := []struct {
		err  error
		code fault.Code
	}{
		{&fabric.Refused{Message: "chaincode response 500, clock_skew: 400 s"}, fault.ClockSkew},
		{&fabric.Refused{Message: "make sure the chaincode is installed"}, fault.Internal},
		{&fabric.Diverged{TxID: "x"}, fault.Internal},
		{errors.New("x"), fault.Internal},
		{nil, fault.OK},
	}
	for _, tt := range tests {
		if got := fault.Of(coded(tt.err)); got != tt.code {
			t.Errorf("%v: %s, want %s", tt.err, got, tt.code)
		}
	}
	// What one operation may have caused is a *fault.Error, so that it is found.
	var e *fault.Error
	if !errors.As(coded(&fabric.Diverged{}), &e) || errors.As(coded(&fabric.Unavailable{}), &e) {
		t.Error("a difference is about the batch, a missing peer is not")
	}
}

func TestConfig(t *testing.T) {
	good := `
listen_http: 127.0.0.1:0
listen_grpc: 127.0.0.1:0
journal: /tmp/j.db
network: main-0011223344556677
anchor: http://127.0.0.1:1
fabric: {channel: main, chaincode: killick, msp_id: Org1MSP}
`
	const offer = "openid: {verifiers: [did:example:a], credentials: [{id: a, issuer: did:example:b, format: dc+sd-jwt, type: t, name: n, days: 1, claims: [c]}]}\n"
	tests := []struct{ name, text, want string }{
		{"good", good, ""},
		{"unknown field", good + "jornal: x\n", "field jornal not found"},
		{"hosts of did:web", good + "did_web: [example.com, \"a.example:8443\", \"*\"]\n", ""},
		{"no host of did:web", good + "did_web: [example.com, 127.0.0.1, https://example.com]\n", `did_web: "127.0.0.1" is no host name`},
		{"wallets", good + "url: https://gateway.example\n" + offer, ""},
		{"wallets without a URL", good + offer, "url is needed"},
		{"wallets for no time", good + "url: https://gateway.example\n" + strings.Replace(offer, "days: 1", "days: 0", 1), "days must be"},
		{"a certificate without a key", good + "url: https://gateway.example\nopenid: {certificate: x.pem}\n", "belong together"},
		{"two documents", good + "---\nx: 1\n", "more than one document"},
		{"all mistakes at once", "listen_http: x\nanchor: ftp://x\nbatch: 5000\nin_flight: -1\n", "listen_http"},
		{"all mistakes at once", "listen_http: x\nanchor: ftp://x\nbatch: 5000\nin_flight: -1\n", "batch: 5000"},
		{"all mistakes at once", "listen_http: x\nanchor: ftp://x\nbatch: 5000\nin_flight: -1\n", "in_flight"},
		{"all mistakes at once", "listen_http: x\nanchor: ftp://x\nbatch: 5000\nin_flight: -1\n", "no http or https URL"},
	}
	for _, tt := range tests {
		path := filepath.Join(t.TempDir(), "gateway.yaml")
		if err := os.WriteFile(path, []byte(tt.text), 0o600); err != nil {
			t.Fatal(err)
		}
		err := configuration.Read(path, new(Config))
		if (err == nil) != (tt.want == "") || err != nil && !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v, want %q", tt.name, err, tt.want)
		}
	}
}

func TestOversize(t *testing.T) {
	large, denied := &fabric.Rejected{TooLarge: true}, &fabric.Rejected{}
	for _, tc := range []struct {
		name           string
		err            error
		large, certain bool
	}{
		{"all who could order it say so", large, true, true},
		{"it went to all", &fabric.Unknown{Cause: large}, true, false},
		{"the signer is not admitted", denied, false, false},
		{"the signer is not admitted by some", &fabric.Unknown{Cause: denied}, false, false},
		{"no answer", &fabric.Unknown{Cause: errors.New("none")}, false, false},
		{"taken", nil, false, false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			got := oversize(tc.err)
			found := new(submit.TooLarge)
			if errors.As(got, &found) != tc.large || found.Certain != tc.certain || !errors.Is(got, tc.err) {
				t.Errorf("%v", got)
			}
		})
	}
}

// What is offered must be an issuer's of this gateway; who vouches is the issuer unless
// it says otherwise.
func TestWallets(t *testing.T) {
	o := OpenID{Credentials: []Offer{{ID: "a", Issuer: "did:example:b", Schema: "s", Days: 2}, {ID: "c", Issuer: "did:example:b", Days: 1}}}
	if _, err := o.wallets("https://gateway.example", []string{"did:example:other"}); err == nil {
		t.Error("an offer of another issuer was taken")
	}
	out, err := o.wallets("https://gateway.example", []string{"did:example:other", "did:example:b"})
	if err != nil || out.Configurations[0].Endorser != "did:example:b" || out.Configurations[1].Endorser != "" || out.Configurations[0].Life != 48*time.Hour {
		t.Errorf("%+v %v", out, err)
	}
	o.Certificate, o.Key = "none.pem", "none.key"
	if _, err := o.wallets("https://gateway.example", []string{"did:example:b"}); err == nil {
		t.Error("a certificate that is not there was taken")
	}
}
