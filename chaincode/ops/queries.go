package ops

import (
	"sync"

	"github.com/killick-ledger/killick/chaincode/attest"
	"github.com/killick-ledger/killick/chaincode/checkpoint"
	"github.com/killick-ledger/killick/chaincode/credential"
	"github.com/killick-ledger/killick/chaincode/did"
	"github.com/killick-ledger/killick/chaincode/fault"
	"github.com/killick-ledger/killick/chaincode/govern"
	"github.com/killick-ledger/killick/chaincode/ledger"
	"github.com/killick-ledger/killick/chaincode/record"
	"github.com/killick-ledger/killick/chaincode/reward"
)

// Invoke runs a function, or answers a query. The caller flushes the transaction when the
// function writes and there was no error. Errors: fault.UnknownFunction,
// fault.WrongArguments, fault.Stopped, and those of the function.
//
// Whoever only executes again what was written calls Execute: the linker then leaves all
// answers out, which are a tenth of the auditor's program.
func (e *Engine) Invoke(tx *ledger.Tx, name string, args [][]byte) ([]byte, error) {
	f, err := LookupFunction(name)
	if err != nil {
		return nil, err
	}
	run := f.run
	if run == nil {
		queries.once.Do(func() { queries.answers = answers() })
		run = queries.answers[f.Name]
	}
	return e.call(f, run, tx, args)
}

// queries are filled in when one is asked: a variable that is set from the beginning would
// be linked into every program.
var queries struct {
	once    sync.Once
	answers map[string]runner
}

// answers is what answers each query of the table.
func answers() map[string]runner {
	return map[string]runner{
		"ops:Check":   (*Engine).check,
		"ops:Explain": (*Engine).explain,
		"ops:Network": withNetwork(func(tx *ledger.Tx, n *govern.Network, _ []byte) (any, error) {
			issuers, err := govern.Issuers(tx, n.Name)
			if err != nil {
				return nil, err
			}
			verifiers, err := n.Verifiers(tx)
			return NetworkView{*n, issuers, verifiers}, err
		}),
		"ops:Operation": withNetwork(func(tx *ledger.Tx, n *govern.Network, ref []byte) (any, error) {
			return lookup(tx, n, string(ref))
		}),
		"govern:Proposal":  timed([]string{"proposal"}, (*govern.ProposalQuery).Answer),
		"govern:Proposals": timed(nil, (*govern.ProposalsQuery).Answer),
		"govern:History":   query([]string{"subject"}, (*govern.HistoryQuery).Answer),
		"govern:Jobs":      withNetwork(func(tx *ledger.Tx, n *govern.Network, _ []byte) (any, error) { return n.AnswerJobs(tx) }),
		"govern:Program": func(e *Engine, tx *ledger.Tx, _ []byte) (any, error) {
			return govern.AnswerProgram(tx, e.Program)
		},
		"did:Resolve": withNetwork(func(tx *ledger.Tx, n *govern.Network, arg []byte) (any, error) {
			q, err := did.DecodeQuery(arg)
			if err != nil {
				return nil, err
			}
			return q.Answer(tx, n.Name)
		}),
		"did:Identity": withNetwork(func(tx *ledger.Tx, n *govern.Network, arg []byte) (any, error) {
			epoch, err := reward.Current(tx)
			if err != nil {
				return nil, err
			}
			return did.AnswerIdentity(tx, n.Name, string(arg), epoch.Number)
		}),
		"record:Read": withNetwork(func(tx *ledger.Tx, n *govern.Network, ref []byte) (any, error) {
			return record.Lookup(tx, n.Name, string(ref))
		}),
		"record:History": query([]string{"record"}, (*record.HistoryQuery).Answer),
		"record:Grant": withNetwork(func(tx *ledger.Tx, n *govern.Network, ref []byte) (any, error) {
			return record.LookupGrant(tx, n.Name, string(ref))
		}),
		"record:Content": (*Engine).content,
		"credential:Read": withNetwork(func(tx *ledger.Tx, _ *govern.Network, ref []byte) (any, error) {
			return credential.Lookup(tx, string(ref))
		}),
		"credential:Entry": query([]string{"issuer", "list", "index"}, (*credential.EntryQuery).Answer),
		"credential:Schema": withNetwork(func(tx *ledger.Tx, _ *govern.Network, ref []byte) (any, error) {
			return credential.LookupSchema(tx, string(ref))
		}),
		"reward:Hold":    query([]string{"hold"}, (*reward.HoldQuery).Answer),
		"reward:Balance": query([]string{"did", "asset"}, (*reward.BalanceQuery).Answer),
		"reward:Epoch": withNetwork(func(tx *ledger.Tx, n *govern.Network, _ []byte) (any, error) {
			clock, err := readClock(tx)
			if err != nil {
				return nil, err
			}
			return reward.AnswerEpoch(tx, n, clock)
		}),
		"reward:Emission": query(nil, func(q *reward.EmissionQuery, tx *ledger.Tx, n *govern.Network) (*reward.EmissionView, error) {
			clock, err := readClock(tx)
			if err != nil {
				return nil, err
			}
			return q.Answer(tx, n, clock)
		}),
		"reward:Root":       query([]string{"vault"}, (*reward.RootQuery).Answer),
		"reward:Leaves":     query([]string{"vault"}, (*reward.LeavesQuery).Answer),
		"reward:Signatures": query([]string{"vault", "epoch", "attempt"}, (*reward.SignaturesQuery).Answer),
		"attest:Use": withNetwork(func(tx *ledger.Tx, n *govern.Network, ref []byte) (any, error) {
			return attest.Lookup(tx, n.Name, string(ref))
		}),
		"attest:Job":        query([]string{"job"}, (*attest.JobQuery).Answer),
		"attest:Round":      query([]string{"job"}, (*attest.RoundQuery).Answer),
		"attest:Settlement": query([]string{"job"}, (*attest.JobQuery).Settlement),
		"attest:Standing":   query([]string{"did"}, (*attest.StandingQuery).Answer),
		"checkpoint:DrawAt": query([]string{"draw"}, (*checkpoint.DrawQuery).Answer),
		"checkpoint:Draws":  query(nil, (*checkpoint.DrawsQuery).Answer),
		"checkpoint:Head": withNetwork(func(tx *ledger.Tx, _ *govern.Network, _ []byte) (any, error) {
			head, err := checkpoint.Head(tx)
			if err == nil && head == nil {
				return nil, fault.New(fault.NotFound, "no checkpoint yet")
			}
			return head, err
		}),
		"checkpoint:At":           query([]string{"number"}, (*AtQuery).Answer),
		"checkpoint:Cosignatures": query([]string{"size", "root", "time"}, (*CosignaturesQuery).Answer),
		"checkpoint:Receipts":     query([]string{"chain", "size"}, (*ReceiptsQuery).Answer),
		"checkpoint:Sets":         query(nil, (*checkpoint.SetsQuery).Answer),
	}
}

// NetworkView is the answer of ops:Network.
type NetworkView struct {
	govern.Network
	Issuers   []string          `json:"issuers"`
	Verifiers []govern.Verifier `json:"verifiers"`
}

// AtQuery is the request of checkpoint:At.
type AtQuery struct {
	Number uint64 `json:"number"`
}

// Answer returns the checkpoint with the number. Errors: fault.NotFound.
func (q *AtQuery) Answer(tx *ledger.Tx, _ *govern.Network) (*checkpoint.Checkpoint, error) {
	return checkpoint.At(tx, q.Number)
}

// CosignaturesQuery is the request of checkpoint:Cosignatures.
type CosignaturesQuery checkpoint.Point

// Answer returns the cosignatures of a point. Errors: fault.InvalidValue.
func (q *CosignaturesQuery) Answer(tx *ledger.Tx, n *govern.Network) ([]checkpoint.MemberSignatures, error) {
	return checkpoint.Cosignatures(tx, n, checkpoint.Point(*q))
}

// ReceiptsQuery is the request of checkpoint:Receipts.
type ReceiptsQuery struct {
	Chain string `json:"chain"`
	Size  uint64 `json:"size"`
}

// Answer returns the receipts of a size on a chain. Errors:
// fault.InvalidValue.
func (q *ReceiptsQuery) Answer(tx *ledger.Tx, n *govern.Network) ([]checkpoint.MemberReceipt, error) {
	return checkpoint.Receipts(tx, n, q.Chain, q.Size)
}
