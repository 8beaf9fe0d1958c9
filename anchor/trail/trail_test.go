package trail_test

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/sha256"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/decred/dcrd/dcrec/secp256k1/v4"
	"github.com/killick-ledger/killick/anchor/block"
	"github.com/killick-ledger/killick/anchor/log"
	"github.com/killick-ledger/killick/anchor/trail"
	"github.com/killick-ledger/killick/chaincode/attest"
	"github.com/killick-ledger/killick/chaincode/canon"
	"github.com/killick-ledger/killick/chaincode/did"
	"github.com/killick-ledger/killick/chaincode/ledger"
	"github.com/killick-ledger/killick/chaincode/ops"
	"github.com/killick-ledger/killick/chaincode/ops/opstest"
	"github.com/killick-ledger/killick/chaincode/reward"
)

// story is a ledger of jobs in the blocks of a log.
type story struct {
	*opstest.Jobs
	t      *testing.T
	blocks []*block.Block
	log    *log.Log
	policy *log.Policy
	only   []string // prefixes of keys that get into blocks, nil: all do
	ed     []ed25519.PrivateKey
	secp   []*secp256k1.PrivateKey
}

// begin makes the ledger; what it began with is in its first block.
func begin(t *testing.T) *story {
	t.Helper()
	s := &story{t: t, Jobs: opstest.NewJobs(t, 2)}
	return s
}

// cut puts what changed since the last block into one.
func (s *story) cut() {
	s.t.Helper()
	n := len(s.blocks)
	b := &block.Block{Number: uint64(n), DataHash: sha256.Sum256(fmt.Append(nil, "data ", n))}
	if n > 0 {
		b.PrevHash = s.blocks[n-1].HeaderHash[:]
		b.CommitHash = bytes.Repeat([]byte{byte(n)}, 32)
	}
	b.HeaderHash = sha256.Sum256(append(b.DataHash[:], b.PrevHash...))
	id := sha256.Sum256(fmt.Append(nil, "tx ", n))
	tx := block.Tx{ID: canon.Hex(id[:]), Type: block.TypeEndorser, Envelope: fmt.Append(nil, "envelope ", n), Nonce: fmt.Append(nil, "nonce ", n)}
	was := map[string][]byte{}
	for _, old := range s.blocks {
		for _, w := range old.Txs[0].Writes {
			was[string(w.Key)] = w.Value
		}
	}
	for _, e := range s.Store.Entries() {
		if !bytes.Equal(was[e.Key], e.Value) && s.keeps(e.Key) {
			tx.Writes = append(tx.Writes, block.Write{Namespace: "killick", Key: []byte(e.Key), Value: e.Value, ValueHash: sha256.Sum256(e.Value)})
		}
	}
	b.Txs, b.Filter = []block.Tx{tx}, []byte{0}
	s.blocks = append(s.blocks, b)
}

// keeps says whether a key gets into blocks.
func (s *story) keeps(key string) bool {
	return s.only == nil || slices.ContainsFunc(s.only, func(prefix string) bool { return strings.HasPrefix(key, prefix) })
}

func (s *story) Newest(_ context.Context, key string, before uint64) (trail.Place, bool, error) {
	for n := min(len(s.blocks), int(min(before, 1<<30))) - 1; n >= 0; n-- {
		if i := log.FindWrite(&s.blocks[n].Txs[0], key); i >= 0 {
			return trail.Place{Block: uint64(n), Write: i}, true, nil
		}
	}
	return trail.Place{}, false, nil
}

func (s *story) Block(_ context.Context, number uint64) (*block.Block, error) {
	return s.blocks[number], nil
}

// seal has the members sign all blocks.
func (s *story) seal() log.Evidence {
	t := s.t
	t.Helper()
	var err error
	if s.log, err = log.Open(t.TempDir()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.log.Close() })
	if err := s.log.Append(s.blocks...); err != nil {
		t.Fatal(err)
	}
	id := s.blocks[0].HeaderHash
	s.policy = &log.Policy{Network: s.Name, Log: canon.Hex(id[:]), SetVersion: 1, K: 3, Chains: []log.Chain{
		{ID: "eip155:1337", AnchorLog: account(0xa1), Vaults: []log.Vault{{ID: opstest.EVMVault, Token: account(0xc1), Asset: "usd"}}},
	}}
	for i := range 4 {
		seed := sha256.Sum256(fmt.Append(nil, "member ", i))
		ed, secp := ed25519.NewKeyFromSeed(seed[:]), secp256k1.PrivKeyFromBytes(seed[:])
		msp, address := fmt.Sprintf("Org%dMSP", i+1), canon.KeyAddress(secp.PubKey())
		s.policy.Members = append(s.policy.Members, log.Member{
			MSP: msp, Cosign: log.CosignerKey(msp, s.Name, ed.Public().(ed25519.PublicKey)), Address: "0x" + canon.Hex(address[:]),
		})
		s.ed, s.secp = append(s.ed, ed), append(s.secp, secp)
	}
	if err := s.policy.Check(); err != nil {
		t.Fatal(err)
	}
	size := uint64(len(s.blocks))
	root, err := s.log.Root(size)
	if err != nil {
		t.Fatal(err)
	}
	cp := log.Checkpoint{Network: s.Name, LogID: id, Size: size, Root: root, Time: 1_790_000_000}
	var cosignatures []log.Cosignature
	for i := range 3 {
		cosignatures = append(cosignatures, log.Cosignature{
			MSP: s.policy.Members[i].MSP, Ed25519: [64]byte(ed25519.Sign(s.ed[i], cp.CosignedMessage())), Secp256k1: canon.SignDigest(s.secp[i], s.policy.Set().Digest(cp)),
		})
	}
	note, err := s.policy.Set().Note(cp, cosignatures)
	if err != nil {
		t.Fatal(err)
	}
	return log.Evidence{SetVersion: 1, Note: note}
}

func account(last byte) string {
	return canon.Account{Chain: "eip155:1337", Address: [20]byte{19: last}}.String()
}

// make gathers and builds the trail of a job.
func (s *story) make(job ledger.Reference, payee string, payout *trail.Payout, e log.Evidence) *log.Trail {
	s.t.Helper()
	plan, err := trail.Gather(s.t.Context(), s, job, payee)
	if err != nil {
		s.t.Fatal(err)
	}
	made, err := plan.Build(s.t.Context(), s, s.log, e, payout)
	if err != nil {
		s.t.Fatal(err)
	}
	return made
}

// judge writes the trail, reads it again, and checks it.
func (s *story) judge(made *log.Trail) (status log.Status, failed []string) {
	s.t.Helper()
	data, err := made.Marshal()
	if err != nil {
		return log.Failed, []string{"form: " + err.Error()}
	}
	read, err := log.ParseTrail(data)
	if err != nil {
		return log.Failed, []string{"form: " + err.Error()}
	}
	checks := append(read.Verify(s.policy), trail.Check(read, s.policy)...)
	for _, c := range checks {
		if c.Status == log.Failed {
			failed = append(failed, c.Name+": "+c.Text)
		}
	}
	return log.Worst(checks), failed
}

// done is a job done well by the ballots.
func (s *story) done(nonce string, ballots ...attest.Verdict) ledger.Reference {
	s.t.Helper()
	s.cut()
	job := s.Open(nonce)
	s.cut()
	s.Accept(job)
	s.Show(job)
	s.cut()
	s.Draw(job)
	s.Step(job)
	s.cut()
	s.Vote(job, ballots...)
	s.cut()
	if slices.Contains(ballots, mute) {
		s.Tick(100)
		s.Step(job)
		s.cut()
	}
	s.Close(job)
	s.cut()
	return job
}

const yes, no, bad, mute = attest.Valid, attest.Invalid, attest.Malicious, attest.Undecided

// The trail of a job holds whatever its end was. (TR-1)
func TestTrails(t *testing.T) {
	s := begin(t)
	var jobs []ledger.Reference
	jobs = append(jobs, s.done("agreed", yes, yes, yes, yes, yes, yes, yes, yes))
	jobs = append(jobs, s.done("dissent", yes, yes, yes, yes, yes, yes, no, mute))
	jobs = append(jobs, s.done("no majority", yes, no, bad, yes))
	cancelled := s.Open("cancelled")
	s.cut()
	s.Do(s.Consumer, &ops.AttestCancel{Job: cancelled.String()}, "")
	s.cut()
	late := s.Open("late")
	s.Accept(late)
	s.cut()
	s.Tick(100)
	s.Step(late)
	s.Close(late)
	s.cut()
	e := s.seal()
	for _, job := range append(jobs, cancelled, late) {
		made := s.make(job, "", nil, e)
		if status, failed := s.judge(made); status != log.Passed {
			t.Errorf("%s: %v", job, failed)
		}
	}
	if _, err := trail.Gather(t.Context(), s, ledger.Reference{}, ""); err != trail.ErrNone {
		t.Errorf("a job that is not there: %v", err)
	}
}

// What a second quote costs the operator after the settlement changes nothing in the trail of
// the job, whether it comes later or in the transaction that settles. (TR-1, JB-17)
func TestTrailOfALateQuote(t *testing.T) {
	s := begin(t)
	later := s.done("later", yes, yes, yes, yes, yes, yes, yes, yes)
	before := s.make(later, "", nil, s.seal())
	s.Do(s.Consumer, s.EvidenceBody(later, s.Platform, opstest.OutputOf("two")), "")
	s.cut()
	job := s.Open("at once")
	s.Accept(job)
	s.Show(job)
	s.cut()
	s.Draw(job)
	s.Step(job)
	s.cut()
	s.Vote(job, yes, yes, yes, yes, no, no, yes, yes)
	s.cut()
	end, _ := s.Sign(s.Consumer, &ops.AttestClose{Job: job.String()}, "")
	quote, _ := s.Sign(s.Consumer, s.EvidenceBody(job, s.Platform, opstest.OutputOf("two")), "")
	if got := s.Batch(end, quote); !bytes.Equal(got, []byte{0, 0}) {
		t.Fatalf("%v", got)
	}
	s.cut()
	e := s.seal()
	for _, job := range []ledger.Reference{later, job} {
		made := s.make(job, "", nil, e)
		if status, failed := s.judge(made); status != log.Passed {
			t.Errorf("%s: %v", job, failed)
		}
		if s.Round(job).Late == nil {
			t.Errorf("%s: its deposit is not taken", job)
		}
		if job == later && len(made.Links) != len(before.Links) {
			t.Errorf("%d writes, before the quote %d", len(made.Links), len(before.Links))
		}
	}
}

// sealed adds a root in which the owner has a leaf, and makes the trail.
func (s *story) sealed(owner *opstest.User, job ledger.Reference, cumulative uint64) *log.Trail {
	t := s.t
	t.Helper()
	vault, err := canon.ParseAccount(opstest.EVMVault)
	if err != nil {
		t.Fatal(err)
	}
	token, _ := canon.ParseAccount(account(0xc1))
	payee := owner.Account("eip155:1337")
	root, proof := leaf(t, s.blocks[0].HeaderHash, vault, token, payee, cumulative)
	epoch := s.Settlement(job).Epoch
	key := reward.RootKey(opstest.EVMVault, epoch, 1)
	value := (&reward.PayoutRoot{Epoch: epoch, Attempt: 1, Root: root.Hash, Total: reward.Sum{Lo: cumulative}, Leaves: 1}).Encode()
	if err := s.Store.Put(key, value); err != nil {
		t.Fatal(err)
	}
	s.cut()
	at, _, _ := s.Newest(t.Context(), key, 1<<40)
	identity := owner.Hidden(did.KindAccount, payee.String())
	shown, err := did.Disclose(owner.DID, identity, []did.Leaf{identity.Leaf(s.Name, owner.ID)})
	if err != nil {
		t.Fatal(err)
	}
	disclosure, err := canon.Marshal(shown)
	if err != nil {
		t.Fatal(err)
	}
	return s.make(job, owner.DID, &trail.Payout{Root: at, Proof: proof, Disclosure: disclosure}, s.seal())
}

// leaf is the tree of a vault with one payee.
func leaf(t *testing.T, logID [32]byte, vault, token, payee canon.Account, cumulative uint64) (reward.Node, *log.PayoutProof) {
	t.Helper()
	domain := canon.LeafDomain(1337, vault.Address, token.Address, logID)
	node := reward.Leaf(domain, reward.Payee{Address: payee.Address, Cumulative: reward.Amount(cumulative)})
	at := int(reward.SubtreeOf(payee.Address))
	var left []bool
	var sums [][16]byte
	var hashes []log.Hash
	empty := reward.Node{}
	for range 8 {
		sibling := empty
		left, sums, hashes = append(left, at&1 == 1), append(sums, [16]byte(sibling.Sum.Bytes())), append(hashes, sibling.Hash)
		if at&1 == 1 {
			node = reward.Join(sibling, node)
		} else {
			node = reward.Join(node, sibling)
		}
		empty, at = reward.Join(empty, empty), at/2
	}
	proof, err := log.ProvePayee(payee, cumulative, left, sums, hashes, log.Landing{Block: 1})
	if err != nil {
		t.Fatal(err)
	}
	return node, proof
}

// small is a ledger with the trail of a job that was cancelled, and nothing else in its
// blocks.
func small(t *testing.T) (*story, *log.Trail) {
	t.Helper()
	s := begin(t)
	s.only = []string{"settlement/", "round/", "job/", "grant/", "record/", "post/"}
	s.cut()
	job := s.Open("cancelled")
	s.cut()
	s.Do(s.Consumer, &ops.AttestCancel{Job: job.String()}, "")
	s.cut()
	return s, s.make(job, "", nil, s.seal())
}

// paid is a ledger with the trail from a payout to its grants.
func paid(t *testing.T) (*story, *log.Trail, ledger.Reference) {
	t.Helper()
	s := begin(t)
	owner := s.Owners[0]
	s.Do(owner, s.LinkNow(owner, "eip155:1337"), s.Prior(owner))
	job := s.done("paid", yes, yes, yes, yes, yes, yes, no, mute)
	return s, s.sealed(owner, job, uint64(s.Earned(owner))+7), job
}
