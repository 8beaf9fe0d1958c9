package log

import (
	"fmt"
	"strings"

	"github.com/killick-ledger/killick/anchor/block"
	"github.com/killick-ledger/killick/chaincode/canon"
	"golang.org/x/mod/sumdb/tlog"
)

// Status is what became of a check.
type Status int

// The three outcomes of a check; nothing but Passed means that it holds.
const (
	Passed Status = iota
	Failed
	Unchecked
)

// String returns "ok", "FAIL" or "not checked".
func (s Status) String() string {
	switch s {
	case Passed:
		return "ok"
	case Failed:
		return "FAIL"
	}
	return "not checked"
}

// Check is one line of a finding.
type Check struct {
	Name   string // stable: "log", "write", "chain eip155:1337", ...
	Status Status
	Text   string
}

func passed(name, format string, args ...any) Check {
	return Check{name, Passed, fmt.Sprintf(format, args...)}
}

func failed(name, format string, args ...any) Check {
	return Check{name, Failed, fmt.Sprintf(format, args...)}
}

// Worst returns the outcome of all checks together: Failed before Unchecked
// before Passed. No checks are Unchecked.
func Worst(checks []Check) Status {
	worst := Passed
	if len(checks) == 0 {
		worst = Unchecked
	}
	for _, c := range checks {
		if c.Status == Failed {
			return Failed
		}
		if c.Status == Unchecked {
			worst = Unchecked
		}
	}
	return worst
}

// Verify checks everything that needs no chain. A bundle whose checks all pass
// is what K members said; only with every chain of the policy read
// (CheckReading) is it verified.
func (b *Bundle) Verify(p *Policy) []Check {
	set, members := b.checkMembers(p)
	checks := []Check{b.checkLog(p), members}
	if b.Write != nil {
		checks = append(checks, b.checkWrite())
	}
	checks = append(checks, b.checkValidation(), b.checkTx(), b.checkBlock(), b.checkNote(set))
	checks = append(checks, b.checkAnchors(p))
	if b.Payout != nil {
		checks = append(checks, b.checkPayout(p))
	}
	return checks
}

func (b *Bundle) checkLog(p *Policy) Check {
	const name = "log"
	switch {
	case b.Note.Network != p.Network || b.Note.LogID != p.set.LogID:
		return failed(name, "the bundle is of log %x of %s, the policy of %s of %s", b.Note.LogID, b.Note.Network, p.Log, p.Network)
	case b.Block.LogID != p.set.LogID:
		return failed(name, "the block record is of log %x", b.Block.LogID)
	}
	return passed(name, "log %s of %s", p.Log, p.Network)
}

func (b *Bundle) checkWrite() Check {
	const name = "write"
	w := b.Write
	if canon.Sum(w.Value) != w.Record.ValueHash || w.Record.Delete != block.Put {
		return failed(name, "the value is not the one that was written")
	}
	if !included(w.Path, uint64(b.Tx.Writes), b.Tx.WritesRoot, uint64(w.Index), tlog.RecordHash(w.Record.Bytes())) {
		return failed(name, "the write is not in the transaction")
	}
	return passed(name, "write %d of %d of the transaction: %s", w.Index+1, b.Tx.Writes, w.Record.Key)
}

func (b *Bundle) checkValidation() Check {
	const name = "validation"
	if b.Tx.Code != block.CodeValid {
		return failed(name, "Fabric marked the transaction invalid: %s (%d)", CodeName(b.Tx.Code), b.Tx.Code)
	}
	return passed(name, "the members' peers marked the transaction VALID")
}

func (b *Bundle) checkTx() Check {
	const name = "transaction"
	if !included(b.TxPath, uint64(b.Block.Txs), b.Block.TxsRoot, uint64(b.Tx.Index), tlog.RecordHash(b.Tx.Bytes())) {
		return failed(name, "the transaction is not in the block")
	}
	return passed(name, "transaction %d of %d of block %d", b.Tx.Index+1, b.Block.Txs, b.Block.Number)
}

func (b *Bundle) checkBlock() Check {
	const name = "block"
	if !included(b.Path, b.Note.Size, b.Note.Root, b.Block.Number, b.Block.Hash()) {
		return failed(name, "the block is not in the log of size %d", b.Note.Size)
	}
	return passed(name, "block %d is in the log of size %d", b.Block.Number, b.Note.Size)
}

func (b *Bundle) checkNote(set *Set) Check {
	const name = "cosignatures"
	if set == nil {
		return Check{name, Unchecked, "whose signatures they must be is not known"}
	}
	signers, err := set.CheckNote(&b.Note)
	if err != nil {
		return failed(name, "%v", err)
	}
	return passed(name, "%d of %d members (%d needed) signed the checkpoint of %s: %s",
		len(signers), len(set.Members), set.K, instant(b.Note.Time), strings.Join(signers, ", "))
}

func (b *Bundle) checkAnchors(p *Policy) Check {
	const name = "anchors"
	for _, a := range b.Anchors {
		want, ok := p.AnchorLog(a.Contract.Chain)
		if !ok || want != a.Contract {
			return failed(name, "the policy knows no contract %s", a.Contract)
		}
		if a.Size != b.Note.Size {
			return failed(name, "anchored at size %d, the checkpoint has size %d", a.Size, b.Note.Size)
		}
	}
	return passed(name, "the bundle names %d of the policy's %d chains", len(b.Anchors), len(p.Chains))
}

func (b *Bundle) checkPayout(p *Policy) Check {
	const name = "payee"
	r, v, err := b.vault(p)
	if err != nil {
		return failed(name, "%v", err)
	}
	token, err := canon.ParseAccount(v.Token)
	if err != nil {
		return failed(name, "%v", err)
	}
	got, err := b.Payout.root(r.vault, token, p.set.LogID)
	if err != nil {
		return failed(name, "%v", err)
	}
	if got != r.node {
		return failed(name, "the payee's path does not lead to the epoch's root and total")
	}
	return passed(name, "%s has %s %s in all under the root of epoch %d", b.Payout.Payee, decimal(Sum{Lo: b.Payout.Cumulative}), v.Asset, r.epoch)
}

// vault returns the epoch root that the bundle's write states, and its vault as
// the policy knows it.
func (b *Bundle) vault(p *Policy) (root, Vault, error) {
	if b.Write == nil {
		return root{}, Vault{}, fmt.Errorf("a payee without the write of a root")
	}
	r, err := epochRoot(string(b.Write.Record.Key), b.Write.Value)
	if err != nil {
		return root{}, Vault{}, err
	}
	v, ok := p.vault(r.vault.String())
	if !ok {
		return root{}, Vault{}, fmt.Errorf("the policy knows no vault %s", r.vault)
	}
	return r, v, nil
}

// Reading is what one endpoint of a public chain answered about a bundle's
// contracts. The caller fills it as docs/formats/bundle.md says; CheckReading
// judges it.
type Reading struct {
	ChainNumber uint64 // eth_chainId
	Final       uint64 // number of the finalized or solidified block
	LogID       Hash   // AnchorLog.logId()
	SetHash     Hash   // AnchorLog.setHash(version), of the bundle's member set; zeros when there is none
	From        uint64 // AnchorLog.fromOf(version): first size that the set signs
	Next        uint64 // AnchorLog.fromOf(version + 1), 0 when there is none
	Frozen      bool   // AnchorLog.frozen(): members signed two histories
	Root        Hash   // AnchorLog.rootAt(size); zeros when there is none
	Anchored    []Event
	Activated   []Event // of the vault, when the bundle is a payout on this chain
}

// Event is a log entry of a contract: Anchored(size, root, time) of AnchorLog or
// Activated(epoch, root, total) of RewardVault.
type Event struct {
	Landing
	Root  Hash
	Total Sum // Activated only
}

// AnchorOn returns the bundle's anchor on a chain.
func (b *Bundle) AnchorOn(chain string) (Anchor, bool) {
	for _, a := range b.Anchors {
		if a.Contract.Chain == chain {
			return a, true
		}
	}
	return Anchor{}, false
}

// Vault returns the vault and epoch that a payout is about; ok is false for
// other bundles.
func (b *Bundle) Vault() (vault canon.Account, epoch uint64, ok bool) {
	if b.Payout == nil || b.Write == nil {
		return canon.Account{}, 0, false
	}
	r, err := epochRoot(string(b.Write.Record.Key), b.Write.Value)
	return r.vault, r.epoch, err == nil
}

// CheckReading compares the bundle with what an endpoint of the chain answered.
func (b *Bundle) CheckReading(p *Policy, chain string, r Reading) []Check {
	checks := []Check{b.checkAnchored(p, chain, r)}
	if vault, _, ok := b.Vault(); ok && vault.Chain == chain {
		checks = append(checks, b.checkActivated(p, chain, r))
	}
	return checks
}

func (b *Bundle) checkAnchored(p *Policy, chain string, r Reading) Check {
	name := "chain " + chain
	number, err := canon.ChainNumber(chain)
	a, ok := b.AnchorOn(chain)
	set := b.signers(p)
	switch {
	case err != nil:
		return failed(name, "%v", err)
	case !ok:
		return Check{name, Unchecked, "the bundle names no anchor on this chain"}
	case r.ChainNumber != number:
		return Check{name, Unchecked, fmt.Sprintf("the endpoint serves chain %#x, not %#x", r.ChainNumber, number)}
	case a.Block > r.Final:
		return notFinal(name, a.Landing, r)
	case r.LogID != p.set.LogID:
		return failed(name, "the contract holds log %x", r.LogID)
	case set != nil && r.SetHash != set.hash:
		return failed(name, "the contract knows no such member set %d", set.Version)
	case set != nil && set != p.set && r.From != set.From:
		return failed(name, "member set %d signs from size %d on for the contract, from %d in the bundle", set.Version, r.From, set.From)
	case r.From > b.Note.Size:
		return failed(name, "for the contract member set %d signs from size %d on, the checkpoint has size %d", b.SetVersion, r.From, b.Note.Size)
	case r.Next != 0 && r.Next <= b.Note.Size:
		return failed(name, "member set %d handed over from size %d on, the checkpoint has size %d", b.SetVersion, r.Next, b.Note.Size)
	case r.Root == Hash{}:
		return failed(name, "the contract has no checkpoint of size %d", b.Note.Size)
	case r.Root != b.Note.Root:
		return failed(name, "the contract has another root for size %d: %s", b.Note.Size, b64(r.Root[:]))
	}
	e, ok := find(r.Anchored, a.Landing)
	switch {
	case !ok:
		return failed(name, "the contract recorded nothing of size %d in transaction %x of block %d", a.Size, a.Tx, a.Block)
	case e.Root != b.Note.Root:
		return failed(name, "the contract recorded another root in block %d", a.Block)
	}
	if r.Frozen {
		return Check{name, Unchecked, "the contract is frozen: its members signed two histories, and it vouches for neither"}
	}
	if set == nil {
		return Check{name, Unchecked, fmt.Sprintf("the contract holds this root, but member set %d is not known here", b.SetVersion)}
	}
	return passed(name, "AnchorLog %s has held this root for size %d since block %d; final head %d", a.Contract, a.Size, a.Block, r.Final)
}

// notFinal is no refutation: a node that lags says the same of a good bundle.
func notFinal(name string, at Landing, r Reading) Check {
	return Check{name, Unchecked, fmt.Sprintf("block %d is not final for this endpoint, whose final head is %d", at.Block, r.Final)}
}

func (b *Bundle) checkActivated(p *Policy, chain string, r Reading) Check {
	name := "vault " + chain
	want, _, err := b.vault(p)
	if err != nil {
		return failed(name, "%v", err)
	}
	at := b.Payout.Activated
	e, ok := find(r.Activated, at)
	switch {
	case at.Block > r.Final:
		return notFinal(name, at, r)
	case !ok:
		return failed(name, "the vault activated no epoch %d in transaction %x of block %d", want.epoch, at.Tx, at.Block)
	case (SumNode{Sum: e.Total, Hash: e.Root}) != want.node:
		return failed(name, "the vault activated another root or total for epoch %d", want.epoch)
	}
	return passed(name, "RewardVault %s activated epoch %d in block %d", want.vault, want.epoch, at.Block)
}

func find(events []Event, at Landing) (Event, bool) {
	for _, e := range events {
		if e.Landing == at {
			return e, true
		}
	}
	return Event{}, false
}
