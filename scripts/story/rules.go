package story

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"time"

	"github.com/killick-ledger/killick/chaincode/checkpoint"
	"github.com/killick-ledger/killick/chaincode/govern"
	"github.com/killick-ledger/killick/gateway/client"
)

// drawsAhead is how many checkpoints a member's first element for draws has to be ahead
// of the newest checkpoint when the members decide on its hash chain.
const drawsAhead = 14

// policy of jobs. Windows are as short as rounds on one busy machine allow.
func (w *World) policy() govern.Policy {
	treasury := w.on(w.treasurer).DID()
	return govern.Policy{
		Committee: 8, EvidenceSeconds: 40, CommitSeconds: 8, RevealSeconds: 8, AcceptSeconds: 7200, DepositSeconds: 30, MinTEEFee: 10, MinVerificationFee: 10,
		Treasury: treasury, TreasuryBasisPoints: 500, Residue: treasury,
		Standing: govern.Standing{Start: 100, Right: 5, Wrong: 30, Missed: 40, OffBelow: 20, MissedOff: 3, LeaveSeconds: 1000},
	}
}

// decide puts in force what jobs need: their policy, who runs and who judges them,
// which enclaves count, and each member's hash chain, so that the chains' first elements
// are due when the jobs are.
func (w *World) decide(ctx context.Context) error {
	m, err := w.Members()
	if err != nil {
		return err
	}
	defer m.Close()
	var head checkpoint.Checkpoint
	if err := await(ctx, time.Minute, "the first checkpoint", func() (bool, error) {
		head, err = m.Head(ctx)
		return err == nil, err
	}); err != nil {
		return err
	}
	for _, o := range w.Cluster.Orgs() {
		out, stderr, code, err := w.program(ctx, "killick-anchor", "chain", "--config", o.AnchorFile(), "--from", strconv.FormatUint(head.Number+drawsAhead, 10), "--length", "100000")
		if err != nil {
			return err
		}
		if code != 0 {
			return fmt.Errorf("killick-anchor chain: exit %d: %s", code, stderr)
		}
		var c govern.Chain
		if err := json.Unmarshal([]byte(out), &c); err != nil {
			return err
		}
		if err := m.Decide(ctx, "chain/"+o.MSPID, c); err != nil {
			return err
		}
	}
	w.draws = head.Number + drawsAhead
	w.say("each of the four registers a hash chain for draws, from checkpoint %d on", w.draws)
	policy := w.policy()
	if err := m.Decide(ctx, "jobs", policy); err != nil {
		return err
	}
	w.say("they agree how jobs are done and paid; an operator's deposit stays %d s after its evidence, where a consortium would say seven days", policy.DepositSeconds)
	for _, v := range w.verifiers {
		if err := m.Decide(ctx, "licence/"+idOf(v.who), map[string]string{"organisation": w.Cluster.Orgs()[v.member].MSPID, "pay": w.on(v.who).DID()}); err != nil {
			return err
		}
	}
	for i, o := range w.operators {
		if err := m.Decide(ctx, "operator/"+idOf(o.who), map[string]string{"organisation": w.Cluster.Orgs()[i].MSPID}); err != nil {
			return err
		}
	}
	w.say("a policy for jobs, %d verifiers, three of each member, and %d TEE operators are in force", len(w.verifiers), len(w.operators))
	return w.decideEnclaves(ctx, m)
}

// untilDraws waits until the members' chains have elements: rounds that begin before have
// no draw.
func (w *World) untilDraws(ctx context.Context) error {
	m, err := w.Members()
	if err != nil {
		return err
	}
	defer m.Close()
	return await(ctx, 2*time.Minute, "checkpoints that have elements", func() (bool, error) {
		if err := w.keepBusy(ctx); err != nil {
			return false, err
		}
		head, err := m.Head(ctx)
		return head.Number >= w.draws, err
	})
}

// decideEnclaves lists the program that enclaves run and the root of the simulated
// platform, as the operator's own program states them.
func (w *World) decideEnclaves(ctx context.Context, m *Members) error {
	if err := w.enclaveConfig(); err != nil {
		return err
	}
	out, stderr, code, err := w.program(ctx, "killick-enclave", "--config", w.file("enclave.yaml"), "--listing")
	if err != nil {
		return err
	}
	if code != 0 {
		return fmt.Errorf("killick-enclave --listing: exit %d: %s", code, stderr)
	}
	if w.trust, err = client.DecodeTrust([]byte(out)); err != nil {
		return fmt.Errorf("killick-enclave --listing: %w", err)
	}
	if err := m.Decide(ctx, "tee/roots", w.trust.Roots); err != nil {
		return err
	}
	if err := m.Decide(ctx, "tee/measurements", w.trust.Measurements); err != nil {
		return err
	}
	w.say("so are the enclaves' program, for %d operations, and the root of their SIMULATED platform", len(w.trust.Measurements))
	return nil
}
