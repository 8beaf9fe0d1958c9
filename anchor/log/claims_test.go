package log_test

import (
	"crypto/sha256"
	"slices"
	"strings"
	"testing"

	"github.com/killick-ledger/killick/anchor/block"
	"github.com/killick-ledger/killick/anchor/log"
	"github.com/killick-ledger/killick/anchor/payout"
	"github.com/killick-ledger/killick/chaincode/attest"
	"github.com/killick-ledger/killick/chaincode/canon"
	"github.com/killick-ledger/killick/chaincode/ledger"
	"github.com/killick-ledger/killick/chaincode/ops"
	"github.com/killick-ledger/killick/chaincode/ops/opstest"
	"github.com/killick-ledger/killick/chaincode/reward"
)

// lived runs every operation on a ledger in memory and folds an epoch.
func lived(t *testing.T) *opstest.World {
	t.Helper()
	issuer, alice, bob := opstest.NewUser("issuer"), opstest.NewUser("alice"), opstest.NewUser("bob")
	w := opstest.New(t, issuer)
	w.Create(issuer)
	w.Create(alice)
	w.Create(bob, "tron:0x2b6653dc", "eip155:1337")
	prior := func(key string) string {
		value, err := w.Store.Get(key)
		if err != nil || value == nil {
			t.Fatalf("%s: %v", key, err)
		}
		return ledger.Version(value)
	}
	digest := canon.Hex(make([]byte, 32))
	schema := w.Do(issuer, &ops.CredentialSchema{Name: "kyc-v1", Digest: digest}, "").String()
	issue := &ops.CredentialIssue{Schema: schema, Digest: digest, ValidFrom: w.Now, ValidUntil: w.Now + 1000, Evidence: "provider", Endorser: "did:web:example.org"}
	w.Do(issuer, issue, "")
	issue.Index = 7
	revoked := w.Do(issuer, issue, "").String()
	w.Do(issuer, &ops.CredentialRevoke{Credential: revoked}, prior("credential/"+revoked))
	kept := w.Do(alice, opstest.Submit("kept"), "").String()
	amended, deleted := w.Do(alice, opstest.Submit("amended"), "").String(), w.Do(alice, opstest.Submit("deleted"), "").String()
	w.Do(alice, &ops.RecordAmend{Record: amended, Schema: "plain", Commitment: digest, Size: 1}, prior("record/"+amended))
	w.Do(alice, &ops.RecordDelete{Record: deleted}, prior("record/"+deleted))
	content := opstest.Content(7, alice.DID+"#a")
	w.Give(content)
	private := opstest.Submit("private")
	private.Private = opstest.Digest(content)
	w.Do(alice, private, "")
	w.Fund(alice, 100_000_000)
	w.Do(alice, opstest.Pay("usd", bob, 12_500_000, issuer, 1), "")
	w.Do(alice, &ops.RewardWithdraw{Asset: "usd", Amount: 2_000_000}, "")
	refused, _ := w.Sign(bob, opstest.Pay("usd", alice, 1), "")
	if got := w.Batch(refused); got[0] == 0 {
		t.Fatal("bob paid without money")
	}
	limit := uint64(1)
	allow := &ops.RecordAllow{
		Record: kept, Client: issuer.DID, Operation: "read", Scope: []string{"/lab"}, Asset: "usd", Price: 3, Expires: w.Now + 86400, Uses: &limit,
	}
	w.Do(alice, allow, "")
	allow.Client, allow.Uses, allow.Price = "anyone", nil, 2
	offer := w.Do(alice, allow, "").String()
	w.Fund(issuer, 10)
	w.Do(issuer, &ops.AttestUse{
		Grant: offer, Record: kept, Version: 1, Owner: alice.DID, Operation: "read", Path: "/lab/1", Asset: "usd", Price: 2,
	}, "")
	w.Do(alice, &ops.RecordWithdraw{Grant: offer}, "")
	w.Checkpoint(5, w.Now)
	w.Now += 120
	w.Checkpoint(9, w.Now)
	for _, m := range w.Members[:3] {
		w.Must(m.Caller(), "reward:Reserve", reward.Reserve{Vault: opstest.TronVault, Funded: 1 << 40})
	}
	w.Must(w.Members[0].Caller(), "reward:Cut", nil)
	for done := false; !done; {
		var folded reward.Folded
		w.Read("reward:Fold", nil, &folded)
		done = folded.Done
	}
	return w
}

// treeOf rebuilds the vault's tree from the ledger's totals.
func treeOf(t *testing.T, w *opstest.World, vault log.Vault) *payout.Tree {
	t.Helper()
	var payees []payout.Payee
	prefix := "total/" + vault.ID + "/"
	for _, e := range w.Store.Entries() {
		if rest, ok := strings.CutPrefix(e.Key, prefix); ok {
			amount, err := payout.ParseTotal(e.Value)
			if err != nil {
				t.Fatal(err)
			}
			address, err := canon.UnHex(rest[len(rest)-40:], 20)
			if err != nil {
				t.Fatal(err)
			}
			payees = append(payees, payout.Payee{Address: [20]byte(address), Cumulative: amount})
		}
	}
	tree, err := payout.Build(payout.Vault{ID: vault.ID, Token: vault.Token, LogID: opstest.LogID}, payees)
	if err != nil || len(payees) == 0 {
		t.Fatalf("%d payees, %v", len(payees), err)
	}
	return tree
}

// bundlesOfTheLedger are those of all writes that make a claim, of a ledger that lived, in
// a log that k of n members signed.
func bundlesOfTheLedger(t *testing.T, n, k int) (consortium, []*log.Bundle) {
	t.Helper()
	w := lived(t)
	blocks := chain(4)
	blocks[0].HeaderHash = opstest.LogID
	blocks[1].PrevHash = opstest.LogID[:]
	tx := &blocks[2].Txs[1]
	tx.Writes = nil
	for _, e := range w.Store.Entries() {
		tx.Writes = append(tx.Writes, block.Write{Namespace: "killick", Key: []byte(e.Key), Value: e.Value, ValueHash: sha256.Sum256(e.Value)})
	}
	j := opstest.NewJobs(t, 1)
	job := j.ToCommit("proved")
	j.Vote(job, attest.Valid, attest.Valid, attest.Valid, attest.Invalid)
	j.Close(job)
	for _, key := range []string{attest.JobKey(job.String()), attest.SettlementKey(job.String())} {
		value, err := j.Store.Get(key)
		if err != nil {
			t.Fatal(err)
		}
		tx.Writes = append(tx.Writes, block.Write{Namespace: "killick", Key: []byte(key), Value: value, ValueHash: sha256.Sum256(value)})
	}
	l := open(t, t.TempDir())
	if err := l.Append(blocks...); err != nil {
		t.Fatal(err)
	}
	c := newConsortium(t, opstest.LogID, n, k)
	vault := log.Vault{ID: opstest.TronVault, Token: canon.Account{Chain: tron, Address: [20]byte{19: 0xbb}}.String(), Asset: "usd"}
	c.Chains[1].Vaults = []log.Vault{vault}
	if err := c.Check(); err != nil {
		t.Fatal(err)
	}
	root, err := l.Root(4)
	if err != nil {
		t.Fatal(err)
	}
	signers := []int{0, 1, 2, 3, 4}[:k]
	note := c.note(t, log.Checkpoint{Network: network, LogID: opstest.LogID, Size: 4, Root: root, Time: 1}, signers...)
	tree := treeOf(t, w, vault)
	var bundles []*log.Bundle
	for i, write := range tx.Writes {
		key := string(write.Key)
		e := log.Evidence{SetVersion: 1, Note: note}
		switch prefix, _, _ := strings.Cut(key, "/"); prefix {
		case "op", "record", "credential", "schema", "did", "grant", "use", "job", "settlement":
		case "epoch":
			if strings.HasPrefix(key, "epoch/current") {
				continue
			}
			e.Payout = prove(t, tree, opstest.NewUser("bob").Account(tron))
		default:
			continue
		}
		b, err := l.Build(blocks[2], 1, i, e)
		if err != nil {
			t.Fatalf("%s: %v", key, err)
		}
		bundles = append(bundles, b)
	}
	all, err := l.Build(blocks[2], 1, log.NoWrite, log.Evidence{SetVersion: 1, Note: note})
	if err != nil {
		t.Fatal(err)
	}
	return c, append(bundles, all)
}

// Whatever the chaincode writes under a key that makes a claim, makes one that
// verifies.
func TestClaimsOfTheLedger(t *testing.T) {
	c, bundles := bundlesOfTheLedger(t, 4, 3)
	seen := map[string]int{}
	for _, b := range bundles {
		claim, err := b.Claim()
		if err != nil {
			t.Fatal(err)
		}
		if _, err := log.ParseBundle(marshal(t, b)); err != nil {
			t.Errorf("%s: %v", claim.Sentence, err)
		}
		if checks := b.Verify(c.Policy); log.Worst(checks) != log.Passed {
			t.Errorf("%s: %+v", claim.Sentence, checks)
		}
		t.Log(claim.Sentence)
		seen[claim.Kind]++
	}
	want := map[string]int{
		log.KindDID: 3, log.KindSchema: 1, log.KindCredential: 2, log.KindRecord: 4, log.KindPayment: 2, log.KindPayout: 1,
		log.KindGrant: 2, log.KindUse: 1, log.KindJob: 1, log.KindSettlement: 1, log.KindTransaction: 1,
		log.KindOperation: 8, // three did.create, revoke, amend, delete, withdraw, the refused payment
	}
	for kind, n := range want {
		if seen[kind] != n {
			t.Errorf("%d claims of kind %s, want %d", seen[kind], kind, n)
		}
	}
}

// A bundle of each kind has at most 6 KB with five cosignatures of seven and anchors on
// two chains, in a log of a million blocks of 500 transactions, of which each holds eight
// writes, with a payout to one of 100,000 payees.
func TestBundleSizes(t *testing.T) {
	_, bundles := bundlesOfTheLedger(t, 7, 5)
	path := func(n int) []log.Hash { return make([]log.Hash, n) }
	largest := map[string]int{}
	for _, b := range bundles {
		claim, err := b.Claim()
		if err != nil {
			t.Fatal(err)
		}
		b.Path, b.TxPath = path(20), path(9)
		if b.Write != nil {
			b.Write.Path = path(3)
		}
		for _, chain := range []string{evm, tron} {
			b.Anchors = append(b.Anchors, log.Anchor{
				Contract: canon.Account{Chain: chain, Address: [20]byte{0xff}}, Size: 1 << 20, Landing: log.Landing{Block: 1 << 30},
			})
		}
		if b.Payout != nil { // 256 subtrees, in each the tree of its 400 payees
			for len(b.Payout.Levels) < 8+9 {
				b.Payout.Levels = append(b.Payout.Levels, b.Payout.Levels[0])
			}
		}
		name := claim.Kind
		for _, line := range claim.Lines {
			if status, ok := strings.CutPrefix(line, "status "); ok {
				name += " " + status
			}
			if operation, ok := strings.CutPrefix(line, "name "); ok {
				name += " " + operation
			}
		}
		largest[name] = max(largest[name], len(marshal(t, b)))
	}
	for name, size := range largest {
		most := 6 * 1024
		if name == log.KindSettlement {
			most = 7 * 1024 // of two owners and four verifiers; each line more takes 0.2 KB
		}
		if t.Logf("%5d bytes: %s", size, name); size > most {
			t.Errorf("the bundle of a %s has %d bytes", name, size)
		}
	}
	for _, name := range []string{"transaction", "operation did.create", "credential active", "credential revoked", "record deleted", "payout"} {
		if largest[name] == 0 {
			t.Errorf("no bundle of a %s", name)
		}
	}
}

func prove(t *testing.T, tree *payout.Tree, payee canon.Account) *log.PayoutProof {
	t.Helper()
	c, err := tree.Claim(payee.Address)
	if err != nil {
		t.Fatal(err)
	}
	var left []bool
	var sums [][16]byte
	var hashes [][32]byte
	for i := 0; i*48 < len(c.Levels); i++ {
		left = append(left, c.Sides.Bit(i) == 1)
		sums = append(sums, [16]byte(c.Levels[i*48:]))
		hashes = append(hashes, [32]byte(c.Levels[i*48+16:]))
	}
	p, err := log.ProvePayee(payee, uint64(c.Cumulative), left, sums, hashes, landing(50))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// The names in claims are those of the operations.
func TestOperationNames(t *testing.T) {
	names := map[string]bool{}
	for _, n := range log.Operations() {
		names[n] = true
	}
	for _, n := range ops.Names() {
		if !names[n] {
			t.Errorf("no name for %s", n)
		}
	}
}

// Nobody takes what a test ledger holds for a real one's.
func TestSimulatedLedgerSaysSo(t *testing.T) {
	l := newFixture(t)
	for want, b := range map[bool]*log.Bundle{true: l.simulated(t), false: l.bundle(t, 2, 1, 0)} {
		c, err := b.Claim()
		if err != nil {
			t.Fatal(err)
		}
		if got := slices.Contains(c.Lines, "ledger SIMULATED"); got != want {
			t.Errorf("lines %q", c.Lines)
		}
		if got := strings.Contains(c.Sentence, "SIMULATED"); got != want {
			t.Errorf("sentence %q", c.Sentence)
		}
	}
}
