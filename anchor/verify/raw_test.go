package main

import (
	"crypto/sha256"
	"fmt"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/hyperledger/fabric-protos-go-apiv2/common"
	"github.com/hyperledger/fabric-protos-go-apiv2/ledger/rwset/kvrwset"
	"github.com/hyperledger/fabric-protos-go-apiv2/peer"
	"github.com/killick-ledger/killick/anchor/block"
	"github.com/killick-ledger/killick/anchor/log"
	"github.com/killick-ledger/killick/anchor/verify/verifytest"
	"github.com/killick-ledger/killick/chaincode/canon"
	"github.com/killick-ledger/killick/chaincode/ops/opstest"
	"google.golang.org/protobuf/proto"
)

const recorded = "../block/testdata/"

func decode(t *testing.T, raw []byte) *block.Block {
	t.Helper()
	b, err := block.Decode(raw)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func contents(t *testing.T, name string) []byte {
	t.Helper()
	raw, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

// overBlocks stages a bundle of the last block's first transaction over blocks that
// come from a real network, with a chain that holds the checkpoint.
func overBlocks(t *testing.T, blocks ...*block.Block) *scene {
	t.Helper()
	l, err := log.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	if err := l.Append(blocks...); err != nil {
		t.Fatal(err)
	}
	m, size := membersOf(1, 0, 1, 2, 3), uint64(len(blocks))
	root, err := l.Root(size)
	if err != nil {
		t.Fatal(err)
	}
	id, _ := l.ID()
	p := m.policy(id, nil)
	contract := canon.Account{Chain: "eip155:1337", Address: [20]byte{0xa1}}
	p.Chains = []log.Chain{{ID: contract.Chain, AnchorLog: contract.String(), Vaults: []log.Vault{}}}
	if err := p.Check(); err != nil {
		t.Fatal(err)
	}
	set, anchored := p.Set().Hash(), canon.Keccak([]byte("Anchored(uint64,bytes32,uint64)"))
	hex := func(b []byte) string { return "0x" + canon.Hex(b) }
	at := log.Landing{Tx: log.Hash{1}, Block: 7, BlockHash: log.Hash{2}}
	address := hex(contract.Address[:])
	node := chain{
		ID: contract.Chain, ChainID: "0x539", Contract: address, LogID: hex(id[:]), Final: 9,
		Sets: []memberSet{{Version: 1, From: 1, Hash: hex(set[:])}}, Roots: map[string]string{fmt.Sprint(size): hex(root[:])},
		Events: []event{{
			Address: address, Topics: []string{hex(anchored[:]), fmt.Sprintf("0x%064x", size)}, Data: hex(root[:]) + strings.Repeat("0", 64),
			Block: at.Block, BlockHash: hex(at.BlockHash[:]), Tx: hex(at.Tx[:]),
		}},
	}
	server := httptest.NewServer(node)
	t.Cleanup(server.Close)
	s := &scene{t: t, evm: server.URL}
	text, err := p.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	s.policy = s.write("policy.json", text)
	e := log.Evidence{
		SetVersion: 1, Note: m.note(t, p, log.Checkpoint{Network: net1, LogID: id, Size: size, Root: root, Time: 1_790_000_000}),
		Anchors: []log.Anchor{{Contract: contract, Size: size, Landing: at}},
	}
	s.bundle = s.build(l, blocks[size-1], log.NoWrite, e)
	return s
}

// fill are blocks after the genesis block up to below the last one, made up but for
// the hash that the last one continues.
func fill(genesis, last *block.Block) []*block.Block {
	blocks := []*block.Block{genesis}
	for n := uint64(1); n < last.Number; n++ {
		b := &block.Block{Number: n, PrevHash: blocks[n-1].HeaderHash[:], HeaderHash: canon.Sum(fmt.Append(nil, n)), Filter: []byte{0},
			Txs: []block.Tx{{Type: block.TypeConfig}}}
		if n == last.Number-1 {
			b.HeaderHash = [32]byte(last.PrevHash)
		}
		blocks = append(blocks, b)
	}
	return append(blocks, last)
}

// deep runs the program with a raw block and configuration blocks.
func (s *scene) deep(raw string, config ...string) (int, string) {
	args := []string{s.bundle, "--policy", s.policy, "--evm", s.evm, "--one-endpoint", "--block", raw}
	for _, c := range config {
		args = append(args, "--config", c)
	}
	return s.run(args...)
}

// edited is a recorded block after a change; its data hash is made right.
func edited(t *testing.T, name string, edit func(b *common.Block)) []byte {
	t.Helper()
	var b common.Block
	if err := proto.Unmarshal(contents(t, name), &b); err != nil {
		t.Fatal(err)
	}
	edit(&b)
	h := sha256.Sum256(slices.Concat(b.Data.Data...))
	b.Header.DataHash = h[:]
	out, err := proto.Marshal(&b)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// action changes the endorsed action of a block's first transaction.
func action(t *testing.T, b *common.Block, edit func(a *peer.ChaincodeActionPayload)) {
	t.Helper()
	var e common.Envelope
	var p common.Payload
	var tx peer.Transaction
	var a peer.ChaincodeActionPayload
	unpack := func(data []byte, m proto.Message) {
		if err := proto.Unmarshal(data, m); err != nil {
			t.Fatal(err)
		}
	}
	pack := func(m proto.Message) []byte {
		data, err := proto.Marshal(m)
		if err != nil {
			t.Fatal(err)
		}
		return data
	}
	unpack(b.Data.Data[0], &e)
	unpack(e.Payload, &p)
	unpack(p.Data, &tx)
	unpack(tx.Actions[0].Payload, &a)
	edit(&a)
	tx.Actions[0].Payload = pack(&a)
	p.Data = pack(&tx)
	e.Payload = pack(&p)
	b.Data.Data[0] = pack(&e)
}

// Depth L2 on blocks of a real network: the bundle's own block, with the genesis block
// as its configuration, and files that are something else.
func TestRawBlock(t *testing.T) {
	genesis, own := recorded+"0.block", recorded+"40.block"
	s := overBlocks(t, fill(decode(t, contents(t, genesis)), decode(t, contents(t, own)))...)
	other := s.write("flag.block", edited(t, own, func(b *common.Block) { b.Metadata.Metadata[2][0] = 11 }))
	uncommitted := s.write("commit.block", edited(t, own, func(b *common.Block) { b.Metadata.Metadata[4] = nil }))
	unsigned := s.write("unsigned.block", edited(t, own, func(b *common.Block) { b.Metadata.Metadata[0] = nil }))
	changed := s.write("changed.block", edited(t, own, func(b *common.Block) {
		action(t, b, func(a *peer.ChaincodeActionPayload) { a.Action.Endorsements = a.Action.Endorsements[:1] })
	}))
	unfounded := s.write("unfounded.block", edited(t, genesis, func(b *common.Block) {
		b.Header.Number, b.Header.PreviousHash = 5, make([]byte, 32)
	}))
	tests := []struct {
		name   string
		raw    string
		config []string
		exit   int
		want   string
	}{
		{"its own", own, []string{genesis}, exitVerified, "VERIFIED at depth L2"},
		{"validation code changed", other, []string{genesis}, exitInvalid, "differs in validation codes"},
		{"without commit hash", uncommitted, []string{genesis}, exitInvalid, "differs in commit hash"},
		{"changed", changed, []string{genesis}, exitInvalid, "differs in header hash, data hash, transactions"},
		{"orderers' signatures taken out", unsigned, []string{genesis}, exitPartly, "the configuration in charge"},
		{"another block", recorded + "23.block", []string{genesis}, exitPartly, "the file holds block 23"},
		{"no block", s.policy, []string{genesis}, exitPartly, "policy.json: block"},
		{"another channel's genesis block", own, []string{recorded + "raft/0.block"}, exitPartly, "not the genesis block that the log id pins"},
		{"a block that changes no configuration", own, []string{genesis, own}, exitPartly, "no configuration block"},
		{"a configuration that no orderer signed", own, []string{genesis, unfounded}, exitPartly, "0 of 4 orderers signed"},
		{"configuration blocks in another order", own, []string{genesis, genesis}, exitPartly, "comes after"},
		{"no configuration", own, nil, exitPartly, "go together"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			code, out := s.deep(tt.raw, tt.config...)
			if code != tt.exit || !strings.Contains(out, tt.want) {
				t.Errorf("exit %d:\n%s", code, out)
			}
		})
	}
	if _, out := s.deep(own, genesis); !strings.Contains(out, "at least 3 of 4 orderers signed") || !strings.Contains(out, "peers of Org2MSP, Org3MSP endorsed") {
		t.Errorf("who ordered and who endorsed:\n%s", out)
	}
}

// After a change of the channel's configuration its block is needed as well; and who
// signed that one is named by the configuration before it.
func TestRawBlockAfterAConfiguration(t *testing.T) {
	genesis, second, own := recorded+"configuration/0.block", recorded+"configuration/6.block", recorded+"configuration/8.block"
	later := overBlocks(t, fill(decode(t, contents(t, genesis)), decode(t, contents(t, own)))...)
	forged := later.write("forged.block", edited(t, second, func(b *common.Block) { b.Data.Data[0] = append(b.Data.Data[0], 0x98, 0x06, 0) }))
	change := overBlocks(t, fill(decode(t, contents(t, genesis)), decode(t, contents(t, second)))...)
	for _, tt := range []struct {
		name   string
		s      *scene
		raw    string
		config []string
		exit   int
		want   string
	}{
		{"both", later, own, []string{genesis, second}, exitVerified, "VERIFIED at depth L2"},
		{"the first alone", later, own, []string{genesis}, exitPartly, "the configuration in charge is in block 6, the last one given is block 0"},
		{"the second alone", later, own, []string{second}, exitPartly, "not the genesis block"},
		{"a changed one", later, own, []string{genesis, forged}, exitPartly, "0 of 4 orderers signed"},
		{"the change itself", change, second, []string{genesis}, exitPartly, "which nobody endorses"},
		{"the change by itself", change, second, []string{genesis, second}, exitPartly, "is not before block 6"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			code, out := tt.s.deep(tt.raw, tt.config...)
			if code != tt.exit || !strings.Contains(out, tt.want) {
				t.Errorf("exit %d:\n%s", code, out)
			}
			if strings.Contains(out, "FAIL") {
				t.Errorf("something failed:\n%s", out)
			}
		})
	}
}

// A raw block is not looked at for a bundle that is refused already, such as one of a
// transaction that the block has not got.
func TestRawBlockOfARefusedBundle(t *testing.T) {
	genesis, own := recorded+"0.block", recorded+"40.block"
	s := overBlocks(t, fill(decode(t, contents(t, genesis)), decode(t, contents(t, own)))...)
	b, err := log.ParseBundle(contents(t, s.bundle))
	if err != nil {
		t.Fatal(err)
	}
	b.Tx.Index = 1 << 31
	forged, err := b.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	s.bundle = s.write("forged.anchorproof", forged)
	if code, out := s.deep(own, genesis); code != exitInvalid || !strings.Contains(out, "the transaction is not in the block") {
		t.Errorf("exit %d:\n%s", code, out)
	}
}

// A transaction of another chaincode has another policy, which no file holds.
func TestRawBlockOfAnotherChaincode(t *testing.T) {
	genesis, one := recorded+"0.block", recorded+"1.block"
	s := overBlocks(t, decode(t, contents(t, genesis)), decode(t, contents(t, one)))
	if code, out := s.deep(one, genesis); code != exitPartly || !strings.Contains(out, `what chaincode "_lifecycle", or`) {
		t.Errorf("exit %d:\n%s", code, out)
	}
	// So has what a member writes into its own collection, whatever chaincode it calls.
	c := verifytest.New(t, opstest.NewUser("alice"))
	hash := make([]byte, 32)
	c.Add([]byte{verifytest.Valid}, c.Tx(&verifytest.Proposal{
		Collection: "_implicit_org_Org1MSP", Private: []*kvrwset.KVWriteHash{{KeyHash: hash, ValueHash: hash}},
	}, c.Members[0]))
	s = overBlocks(t, c.Blocks...)
	if code, out := s.deep(s.write("own.block", c.Raw[len(c.Raw)-1]), s.write("config.block", c.Raw[0])); code != exitPartly || !strings.Contains(out, `what chaincode "killick", or`) {
		t.Errorf("exit %d:\n%s", code, out)
	}
}

// The data hash has no marks between envelopes: K members could sign a block in which
// two that were ordered are one, which is another transaction with good endorsements.
func TestMembersJoinedEnvelopes(t *testing.T) {
	genesis := recorded + "0.block"
	raw := edited(t, recorded+"12.block", func(b *common.Block) {
		d := b.Data.Data
		b.Data.Data = append([][]byte{slices.Concat(d[0], d[1])}, d[2:]...)
		b.Metadata.Metadata[2] = b.Metadata.Metadata[2][1:]
	})
	joined := decode(t, raw)
	if joined.HeaderHash != decode(t, contents(t, recorded+"12.block")).HeaderHash {
		t.Fatal("not what the orderers signed")
	}
	s := overBlocks(t, fill(decode(t, contents(t, genesis)), joined)...)
	if code, out := s.deep(s.write("joined.block", raw), genesis); code != exitInvalid || !strings.Contains(out, "transaction 0 is not one envelope") {
		t.Errorf("exit %d:\n%s", code, out)
	}
}

// Blocks that K members signed although orderers or endorsers did not: members that
// judged wrongly are found at L2.
func TestMembersSignedWhatNobodyEndorsed(t *testing.T) {
	genesis, own := recorded+"0.block", recorded+"40.block"
	tests := []struct {
		name string
		want string
		edit func(b *common.Block)
	}{
		{"one endorsement", "f + 1 are 2", func(b *common.Block) {
			action(t, b, func(a *peer.ChaincodeActionPayload) { a.Action.Endorsements = a.Action.Endorsements[:1] })
		}},
		{"the same one twice", "f + 1 are 2", func(b *common.Block) {
			action(t, b, func(a *peer.ChaincodeActionPayload) {
				a.Action.Endorsements = []*peer.Endorsement{a.Action.Endorsements[0], a.Action.Endorsements[0]}
			})
		}},
		{"another result", "good endorsements of 0 of 4", func(b *common.Block) {
			action(t, b, func(a *peer.ChaincodeActionPayload) {
				a.Action.ProposalResponsePayload = append(a.Action.ProposalResponsePayload, 0x98, 0x06, 0) // an unknown field
			})
		}},
		{"another proposal", "answers another proposal", func(b *common.Block) {
			action(t, b, func(a *peer.ChaincodeActionPayload) {
				a.ChaincodeProposalPayload = append(a.ChaincodeProposalPayload, 0x98, 0x06, 0)
			})
		}},
		{"no orderer's signature", "of 4 orderers signed", func(*common.Block) {}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			raw := edited(t, own, func(b *common.Block) {
				tt.edit(b)
				if strings.Contains(tt.want, "orderers") {
					var m common.Metadata
					if err := proto.Unmarshal(b.Metadata.Metadata[0], &m); err != nil {
						t.Fatal(err)
					}
					m.Signatures = m.Signatures[:1]
					b.Metadata.Metadata[0], _ = proto.Marshal(&m)
				}
			})
			s := overBlocks(t, fill(decode(t, contents(t, genesis)), decode(t, raw))...)
			code, out := s.deep(s.write("raw.block", raw), genesis)
			if code != exitInvalid || !strings.Contains(out, tt.want) {
				t.Errorf("exit %d:\n%s", code, out)
			}
		})
	}
}
