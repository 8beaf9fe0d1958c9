package ops

import (
	"github.com/killick-ledger/killick/chaincode/did"
	"github.com/killick-ledger/killick/chaincode/govern"
	"github.com/killick-ledger/killick/chaincode/ledger"
)

// jobKinds are the operations on jobs. What runs as a phase of a job is named by the job's
// own state: grants, committee, licences and deposits are no part of the bodies.
var jobKinds = []*kind{
	{number: 41, name: "attest.open", creates: "job/", epoch: always, reads: []string{"record", "grant", "govern"},
		fields: []string{"operation", "lines", "asset", "teeFee", "verificationFee", "key", "nonce", "expires"},
		body:   func() Body { return new(AttestOpen) },
		apply: func(tx *ledger.Tx, c ledger.Call, b Body, n *govern.Network) ([]byte, error) {
			return nil, b.(*AttestOpen).Apply(tx, c, n)
		}},
	{number: 42, name: "attest.accept", epoch: always, reads: []string{"job", "checkpoint"},
		follows: []string{"grant", "record", did.SignerPrefix},
		fields:  []string{"job", "checkpoint", "asset", "deposit"},
		body:    func() Body { return new(AttestAccept) },
		apply: func(tx *ledger.Tx, c ledger.Call, b Body, n *govern.Network) ([]byte, error) {
			return nil, b.(*AttestAccept).Apply(tx, c, n)
		}},
	{number: 43, name: "attest.cancel", epoch: always, reads: []string{"job"},
		follows: []string{"grant", "used", "balance"},
		fields:  []string{"job"},
		body:    func() Body { return new(AttestCancel) },
		apply: func(tx *ledger.Tx, c ledger.Call, b Body, n *govern.Network) ([]byte, error) {
			return nil, b.(*AttestCancel).Apply(tx, c, n)
		}},
	{number: 44, name: "attest.evidence", epoch: always, clock: always, reads: []string{"job", "collateral"},
		follows: []string{"evidence", "rival", "late", "hold", "govern", did.SignerPrefix},
		fields:  []string{"job", "platform", "output"},
		body:    func() Body { return new(AttestEvidence) },
		apply: func(tx *ledger.Tx, c ledger.Call, b Body, n *govern.Network) ([]byte, error) {
			return nil, b.(*AttestEvidence).Apply(tx, c, n)
		}},
	{number: 45, name: "attest.commit", reads: []string{"round", "committee"}, fields: []string{"job", "commitment"},
		body: func() Body { return new(AttestCommit) },
		apply: func(tx *ledger.Tx, c ledger.Call, b Body, _ *govern.Network) ([]byte, error) {
			return nil, b.(*AttestCommit).Apply(tx, c)
		}},
	{number: 46, name: "attest.reveal", reads: []string{"round", "committee", "ballot"}, fields: []string{"job", "ballot", "salt"},
		body: func() Body { return new(AttestReveal) },
		apply: func(tx *ledger.Tx, c ledger.Call, b Body, _ *govern.Network) ([]byte, error) {
			return nil, b.(*AttestReveal).Apply(tx, c)
		}},
	{number: 47, name: "attest.collateral", clock: always, reads: []string{"govern"}, follows: []string{"collateral"},
		fields: []string{"collateral"},
		body:   func() Body { return new(AttestCollateral) },
		apply: func(tx *ledger.Tx, _ ledger.Call, b Body, _ *govern.Network) ([]byte, error) {
			return nil, b.(*AttestCollateral).Apply(tx)
		}},
	{number: 48, name: "attest.step", clock: always, reads: []string{"job", "checkpoint"},
		follows: []string{"draw", "role", "standing", "evidence", "rival", "collateral", "govern"},
		fields:  []string{"job", "checkpoint"},
		body:    func() Body { return new(AttestStep) },
		apply: func(tx *ledger.Tx, _ ledger.Call, b Body, n *govern.Network) ([]byte, error) {
			return nil, b.(*AttestStep).Apply(tx, n)
		}},
	{number: 49, name: "attest.close", epoch: always, reads: []string{"job", "committee", "rival"},
		follows: []string{"hold", "ballot", "reveal", "standing", "emission", "merit", "grant", "used", "checkpoint", "element", did.SignerPrefix},
		fields:  []string{"job"},
		body:    func() Body { return new(AttestClose) },
		apply: func(tx *ledger.Tx, _ ledger.Call, b Body, n *govern.Network) ([]byte, error) {
			return nil, b.(*AttestClose).Apply(tx, n)
		}},
}
