package replay_test

import (
	"bytes"
	"context"
	"errors"
	"iter"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/hyperledger/fabric-protos-go-apiv2/ledger/rwset/kvrwset"

	"github.com/killick-ledger/killick/anchor/block"
	"github.com/killick-ledger/killick/anchor/block/blocktest"
	"github.com/killick-ledger/killick/anchor/log"
	"github.com/killick-ledger/killick/anchor/verify/replay"
	"github.com/killick-ledger/killick/anchor/verify/verifytest"
	"github.com/killick-ledger/killick/chaincode/canon"
	"github.com/killick-ledger/killick/chaincode/fault"
	"github.com/killick-ledger/killick/chaincode/ops"
	"github.com/killick-ledger/killick/chaincode/ops/opstest"
	"github.com/killick-ledger/killick/chaincode/reward"
)

// story is a channel with two people, one of whom has money, and a record.
type story struct {
	*verifytest.Channel
	alice, bob *opstest.User
	record     string
}

func newStory(t testing.TB) *story {
	s := &story{alice: opstest.NewUser("alice"), bob: opstest.NewUser("bob")}
	s.Channel = verifytest.New(t, s.alice)
	var items []ops.Item
	for _, u := range []*opstest.User{s.alice, s.bob} {
		item, _ := s.World.Sign(u, &ops.DIDCreate{Document: u.Doc}, "")
		items = append(items, item)
	}
	s.honest(s.Batch(nil, items...))
	fund := blocktest.Must(canon.Marshal(reward.Fund{ID: strings.Repeat("ab", 32), Asset: "usd", To: s.alice.DID, Amount: 1000}))
	s.Do("reward:Fund", fund)
	submit, ref := s.World.Sign(s.alice, opstest.Submit("a record"), "")
	s.record = ref.String()
	s.honest(s.Batch(nil, submit))
	return s
}

// honest adds a block with one transaction that two members endorsed.
func (s *story) honest(p *verifytest.Proposal) {
	s.Add([]byte{verifytest.Valid}, s.Tx(p, s.Members[:2]...))
}

// pay is a batch with one payment.
func (s *story) pay(from, to *opstest.User, amount int) *verifytest.Proposal {
	item, _ := s.World.Sign(from, opstest.Pay("usd", to, amount), "")
	return s.Batch(nil, item)
}

func (s *story) stored() iter.Seq2[block.Stored, error] {
	return block.ReadStored(bytes.NewReader(s.Files), "files")
}

func (s *story) run(limit int64) (replay.Report, error) {
	return replay.Run(context.Background(), s.stored(), replay.Config{LogID: s.Blocks[0].HeaderHash, Size: uint64(len(s.Blocks)), Limit: limit})
}

const enough = 1 << 30

// What honest members make is what the rules make, whatever clients send.
func TestHonest(t *testing.T) {
	s := newStory(t)
	one, two := s.Members[:1], s.Members[:2]
	stale := s.pay(s.alice, s.bob, 1)
	paid := s.pay(s.alice, s.bob, 2)
	s.Add([]byte{verifytest.Valid, verifytest.MVCC, verifytest.Duplicate}, s.Tx(paid, two...), s.Tx(stale, two...), s.Tx(paid, two...))
	s.Add([]byte{verifytest.Duplicate, verifytest.Policy}, s.Tx(paid, two...), s.Tx(s.pay(s.alice, s.bob, 3), one...))
	s.Add([]byte{verifytest.Policy}, s.Tx(s.pay(s.alice, s.bob, 3), s.Members[0], s.Members[0]))
	content := opstest.Content(7, s.alice.DID+"#a")
	private := opstest.Submit("private")
	private.Private = opstest.Digest(content)
	with, ref := s.World.Sign(s.alice, private, "")
	s.honest(s.Batch([][]byte{content}, with))
	without, _ := s.World.Sign(s.bob, private, "")
	s.honest(s.Batch(nil, without)) // refused: its content is missing
	remove, _ := s.World.Sign(s.alice, &ops.RecordDelete{Record: ref.String()}, s.World.JSON(nil))
	s.honest(s.Batch(nil, remove)) // refused: another prior
	s.honest(&verifytest.Proposal{Function: "record:Read", Arg: []byte(s.record), Answer: []byte("whatever")})
	s.honest(&verifytest.Proposal{Chaincode: "other", Function: "put", Writes: []*kvrwset.KVWrite{{Key: "a", Value: []byte("b")}}})
	r, err := s.run(enough)
	if err != nil || r.Difference != nil {
		t.Fatalf("%v, %v", err, r.Difference)
	}
	if r.Blocks != uint64(len(s.Blocks)) || r.Invalid != 5 || r.Foreign != 2 || r.Executed != 9 || r.Operations != 7 || r.Policy != 2 {
		t.Errorf("%+v", r)
	}
	l := blocktest.Must(log.Open(t.TempDir()))
	defer l.Close()
	if err := l.Append(s.Blocks...); err != nil {
		t.Fatal(err)
	}
	if root := blocktest.Must(l.Root(r.Blocks)); root != r.Root {
		t.Errorf("root %x, the log's is %x", r.Root, root)
	}
}

// What the rules forbid is named, with its block, its transaction and its key, whoever
// endorsed and ordered it.
func TestAgainstTheRules(t *testing.T) {
	balance := func(p *verifytest.Proposal) *kvrwset.KVWrite {
		i := slices.IndexFunc(p.Writes, func(w *kvrwset.KVWrite) bool { return strings.HasPrefix(w.Key, "balance/") })
		return p.Writes[i]
	}
	tests := []struct {
		name, want string
		hostile    func(s *story)
	}{
		{"more money than there was", "key balance/", func(s *story) {
			p := s.pay(s.alice, s.bob, 1)
			w := balance(p)
			w.Value = slices.Clone(w.Value)
			w.Value[len(w.Value)-1]++
			s.honest(p)
		}},
		{"a key besides", "key deviant is was here, want not written", func(s *story) {
			p := s.pay(s.alice, s.bob, 1)
			p.Writes = append(p.Writes, &kvrwset.KVWrite{Key: "deviant", Value: []byte("was here")})
			slices.SortFunc(p.Writes, func(a, b *kvrwset.KVWrite) int { return strings.Compare(a.Key, b.Key) })
			s.honest(p)
		}},
		{"a key less", " is not written, want ", func(s *story) {
			p := s.pay(s.alice, s.bob, 1)
			p.Writes = slices.DeleteFunc(p.Writes, func(w *kvrwset.KVWrite) bool {
				return strings.HasPrefix(w.Key, "post/") || strings.HasPrefix(w.Key, "op/")
			})
			s.honest(p)
		}},
		{"a deletion", "key record/", func(s *story) {
			p := s.pay(s.alice, s.bob, 1)
			p.Writes = append(p.Writes, &kvrwset.KVWrite{Key: "record/" + s.record, IsDelete: true})
			s.honest(p)
		}},
		{"a payment without signature", "result of item 0 is ok, want bad_signature", func(s *story) {
			item, _ := s.World.Sign(s.alice, opstest.Pay("usd", s.bob, 1), "")
			good := s.Batch(nil, item)
			item.Signature = make([]byte, len(item.Signature))
			good.Arg = blocktest.Must(ops.EncodeFrame([]ops.Item{item}))
			s.honest(good)
		}},
		{"a payment refused", "result of item 0 is bad_signature, want ok", func(s *story) {
			p := s.pay(s.alice, s.bob, 1)
			p.Writes, p.Answer = nil, []byte{byte(fault.BadSignature)}
			s.honest(p)
		}},
		{"a function that there is not", "function is", func(s *story) { s.honest(&verifytest.Proposal{Function: "reward:Mint"}) }},
		{"a call that is refused", "answer of reward:Fund is an accepted transaction, want refused", func(s *story) {
			s.honest(&verifytest.Proposal{Function: "reward:Fund", Arg: []byte("{}")})
		}},
		{"a query that writes", "want not written", func(s *story) {
			s.honest(&verifytest.Proposal{Function: "record:Read", Arg: []byte(s.record), Writes: []*kvrwset.KVWrite{{Key: "a", Value: []byte("b")}}})
		}},
		{"a policy of a key", "metadata of key a is set", func(s *story) {
			s.honest(&verifytest.Proposal{Function: "record:Read", Arg: []byte(s.record), Metadata: []*kvrwset.KVMetadataWrite{{Key: "a"}}})
		}},
		{"another content", "private key content/", func(s *story) {
			content := opstest.Content(7, s.alice.DID+"#a")
			private := opstest.Submit("private")
			private.Private = opstest.Digest(content)
			item, _ := s.World.Sign(s.alice, private, "")
			p := s.Batch([][]byte{content}, item)
			p.Private[0].ValueHash = make([]byte, 32)
			p.Private[0].ValueHash[0] = 1
			s.honest(p)
		}},
		{"a content that is purged as it comes", "is written and purged, want written", func(s *story) {
			content := opstest.Content(7, s.alice.DID+"#a")
			private := opstest.Submit("private")
			private.Private = opstest.Digest(content)
			item, _ := s.World.Sign(s.alice, private, "")
			p := s.Batch([][]byte{content}, item)
			p.Private[0].IsPurge = true
			s.honest(p)
		}},
		{"no content", "private key content/", func(s *story) {
			content := opstest.Content(7, s.alice.DID+"#a")
			private := opstest.Submit("private")
			private.Private = opstest.Digest(content)
			item, _ := s.World.Sign(s.alice, private, "")
			p := s.Batch([][]byte{content}, item)
			p.Private = nil
			s.honest(p)
		}},
		{"a stale one marked valid", "validation code is VALID, want MVCC_READ_CONFLICT", func(s *story) {
			p := s.pay(s.alice, s.bob, 1)
			s.honest(s.pay(s.alice, s.bob, 2))
			s.honest(p)
		}},
		{"a good one marked stale", "validation code is MVCC_READ_CONFLICT, want VALID", func(s *story) {
			s.Add([]byte{verifytest.MVCC}, s.Tx(s.pay(s.alice, s.bob, 1), s.Members[:2]...))
		}},
		{"a good one marked bad", "want VALID: nothing is wrong", func(s *story) { s.Add([]byte{2}, s.Tx(s.pay(s.alice, s.bob, 1), s.Members[:2]...)) }},
		{"a copy marked valid", "want DUPLICATE_TXID", func(s *story) {
			p := s.pay(s.alice, s.bob, 1)
			s.honest(p)
			s.honest(p)
		}},
		{"one endorsement marked valid", "want not valid", func(s *story) {
			s.Add([]byte{verifytest.Valid}, s.Tx(s.pay(s.alice, s.bob, 1), s.Members[0]))
		}},
		{"a definition by two", "want not valid", func(s *story) {
			p := &verifytest.Proposal{Chaincode: "_lifecycle", Function: "CommitChaincodeDefinition", Writes: []*kvrwset.KVWrite{{Key: "a", Value: []byte("b")}}}
			s.Add([]byte{verifytest.Valid}, s.Tx(p, s.Members[:2]...))
		}},
		{"a range that has changed", "want PHANTOM_READ_CONFLICT", func(s *story) {
			p := s.pay(s.alice, s.bob, 1)
			p.Ranges = []*kvrwset.RangeQueryInfo{{StartKey: "record/", EndKey: "record0", ItrExhausted: true}}
			s.honest(p)
		}},
		{"a range that has not changed", "validation code is PHANTOM_READ_CONFLICT, want VALID", func(s *story) {
			p := s.pay(s.alice, s.bob, 1)
			read := &kvrwset.RangeQueryInfo_RawReads{RawReads: &kvrwset.QueryReads{KvReads: []*kvrwset.KVRead{s.Read("record/" + s.record)}}}
			p.Ranges = []*kvrwset.RangeQueryInfo{{StartKey: "record/", EndKey: "record0", ItrExhausted: true, ReadsInfo: read}}
			s.Add([]byte{verifytest.Phantom}, s.Tx(p, s.Members[:2]...))
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := newStory(t)
			tt.hostile(s)
			number := uint64(len(s.Blocks) - 1)
			r, err := s.run(enough)
			if err != nil || r.Difference == nil || r.Difference.Block != number || !strings.Contains(r.Difference.Error(), tt.want) ||
				!strings.Contains(r.Difference.Where, s.Blocks[number].Txs[0].ID) {
				t.Errorf("%v, %v; want %q in block %d", err, r.Difference, tt.want, number)
			}
			if r.Blocks != number+1 {
				t.Errorf("the root is of %d blocks", r.Blocks)
			}
		})
	}
}

// Blocks that say nothing of the channel.
func TestOtherBlocks(t *testing.T) {
	s := newStory(t)
	good := slices.Clone(s.Files)
	var torn *block.TornError
	s.Files = good[:len(good)-5]
	if _, err := s.run(enough); !errors.As(err, &torn) {
		t.Errorf("torn: %v", err)
	}
	s.Files = good
	s.Blocks = append(s.Blocks, s.Blocks[0])
	if r, err := s.run(enough); !errors.Is(err, replay.ErrShort) || r.Difference != nil {
		t.Errorf("short: %v", err)
	}
	s.Blocks = s.Blocks[:len(s.Blocks)-1]
	if _, err := s.run(100); !errors.Is(err, replay.ErrTooLarge) {
		t.Errorf("limit: %v", err)
	}
	s.Files = newStory(t).Files
	if _, err := s.run(enough); !errors.Is(err, replay.ErrOtherChannel) {
		t.Errorf("another channel: %v", err)
	}
	s.Files = good
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := replay.Run(ctx, block.ReadStored(bytes.NewReader(good), "files"), replay.Config{Size: 99, Limit: enough}); err == nil {
		t.Error("a cancelled replay ends without an error")
	}
	// An orderer's signature is not one any more.
	s.Edit(3, func(stored []byte) {
		at := bytes.LastIndex(stored, s.Blocks[3].Orderers.Signatures[2].Bytes)
		stored[at+20] ^= 1
	})
	if r, err := s.run(enough); err != nil || r.Difference == nil || r.Difference.Block != 3 || r.Difference.Field != "orderers' signatures" {
		t.Errorf("unsigned: %v, %v", err, r.Difference)
	}
}

// The commit hashes of a real network's peers are recomputed, and a changed one is found.
func TestCommitHashes(t *testing.T) {
	var files []byte
	var first *block.Block
	for _, name := range []string{"0", "1", "2"} {
		raw := blocktest.Must(os.ReadFile("../../block/testdata/raft/" + name + ".block"))
		files = blocktest.Must(block.AppendStored(files, raw))
		if first == nil {
			first = blocktest.Must(block.Decode(raw))
		}
	}
	last := blocktest.Must(block.Decode(blocktest.Must(os.ReadFile("../../block/testdata/raft/2.block"))))
	for _, changed := range []bool{false, true} {
		if changed {
			at := bytes.LastIndex(files, last.CommitHash)
			files[at] ^= 1
		}
		r, err := replay.Run(t.Context(), block.ReadStored(bytes.NewReader(files), "files"), replay.Config{LogID: first.HeaderHash, Size: 3, Limit: enough})
		if err != nil || (r.Difference != nil) != changed || !changed && r.CommitHashes != 2 {
			t.Errorf("changed %v: %v, %+v", changed, err, r)
		}
		if changed && (r.Difference.Block != 2 || r.Difference.Field != "commit hash") {
			t.Errorf("%v", r.Difference)
		}
	}
}

func BenchmarkReplay(b *testing.B) {
	s := newStory(b)
	for n := range 20 {
		var items []ops.Item
		for range 200 {
			item, _ := s.World.Sign(s.alice, opstest.Submit(string(rune('a'+n))), "")
			items = append(items, item)
		}
		s.honest(s.Batch(nil, items...))
	}
	for b.Loop() {
		if r, err := s.run(enough); err != nil || r.Difference != nil {
			b.Fatal(err, r.Difference)
		}
	}
	b.ReportMetric(float64(len(s.Blocks))*float64(b.N)/b.Elapsed().Seconds(), "blocks/s")
	b.ReportMetric(4000*float64(b.N)/b.Elapsed().Seconds(), "operations/s")
}
