package cli

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/killick-ledger/killick/chaincode/attest"
	"github.com/killick-ledger/killick/chaincode/canon"
	"github.com/killick-ledger/killick/chaincode/ops"
	"github.com/killick-ledger/killick/chaincode/reward"
	"github.com/killick-ledger/killick/gateway/client"
	"github.com/spf13/cobra"
)

func (a *app) jobCommand() *cobra.Command {
	return group("job", "Open, accept and follow jobs on granted records", a.jobOpen(), a.jobAccept(), a.jobCancel(), a.jobEvidence(), a.jobCollateral(), a.jobOrder(), a.jobRelease(), a.jobOutput(),
		a.jobShow(), a.jobList())
}

// jobOrder holds the flags of a job that is to be opened.
type jobOrder struct {
	operation, teeFee, verificationFee, key, most, parameters string
	wait                                                      time.Duration
}

func (a *app) jobOpen() *cobra.Command {
	var o jobOrder
	c := a.signing(&cobra.Command{
		Use: "open GRANT...", Short: "Open a job on up to 64 grants, and set its money aside", Args: cobra.RangeArgs(1, 64),
		Long: `Open a job: an operation on the newest versions of granted records, which a TEE operator runs
inside an enclave. The owners' prices and both fees are set aside from the balance of the key
file's DID, as the grants have them by the gateway's word: name with --most what you have seen
before. The job's name is the reference that is printed. Until an operator accepts it, you can
cancel it and get all back. The output is encrypted to the key file's X25519 key, or to --key.

An operation with parameters gets them from operators: --parameters names the file with them, as
a JSON object, and writes the order for "killick job order" beside it. The ledger has a digest.`,
		Example: "  killick job open --keys clinic.keys --operation job.mean --tee-fee 1000000 --verification-fee 400000 GRANT GRANT",
		RunE: func(c *cobra.Command, args []string) error {
			return a.signed(c, func(ctx context.Context, gateway *client.Client, signer client.Signer) error {
				body, err := o.body(ctx, gateway, signer, args)
				if err != nil {
					return err
				}
				jws, ref, err := signer.OpenJob(body, o.wait)
				if err != nil {
					return err
				}
				return a.submit(ctx, gateway, jws, "job", ref)
			})
		},
	})
	f := c.Flags()
	f.StringVar(&o.operation, "operation", "", "`name` of what is done, as the grants have it: job.* (default: that of the first grant)")
	f.StringVar(&o.teeFee, "tee-fee", "", "`micro-units` for the operator (required)")
	f.StringVar(&o.verificationFee, "verification-fee", "", "`micro-units` for all seats of the committee together (required)")
	f.StringVar(&o.key, "key", "", "X25519 `key`, 64 hex digits, to which the output is encrypted (default: the key file's)")
	f.StringVar(&o.most, "most", "", "`micro-units` that prices and fees may come to at most (default: any)")
	f.StringVar(&o.parameters, "parameters", "", "`file` with the operation's parameters; the order goes to FILE.order")
	f.DurationVar(&o.wait, "wait", 0, "how much longer than this operation lasts somebody may accept the job")
	require(c, "tee-fee", "verification-fee")
	return c
}

// body reads the grants and their records.
func (o *jobOrder) body(ctx context.Context, gateway *client.Client, signer client.Signer, grants []string) (*ops.AttestOpen, error) {
	body := &ops.AttestOpen{Operation: o.operation, Key: o.key}
	if err := errors.Join(body.TEEFee.UnmarshalText([]byte(o.teeFee)), body.VerificationFee.UnmarshalText([]byte(o.verificationFee))); err != nil {
		return nil, err
	}
	if o.key == "" {
		key, ok := signer.OutputKey()
		if !ok {
			return nil, errors.New("the key file has no key to which the output can be encrypted: name one with --key, or have killick did update --rotate make one")
		}
		body.Key = canon.Hex(key)
	}
	for _, id := range grants {
		if err := addGrant(ctx, gateway, body, id); err != nil {
			return nil, err
		}
	}
	if err := o.affordable(body); err != nil {
		return nil, err
	}
	var nonce [32]byte
	if _, err := rand.Read(nonce[:]); err != nil {
		return nil, fmt.Errorf("draw nonce: %w", err)
	}
	if o.parameters != "" {
		order, err := newOrder(o.parameters)
		if err != nil {
			return nil, err
		}
		nonce = order.Nonce()
	}
	body.Nonce = canon.Hex(nonce[:])
	return body, nil
}

// addGrant adds a line to a job. What it is done on is the record's newest version.
func addGrant(ctx context.Context, gateway *client.Client, body *ops.AttestOpen, id string) error {
	g, err := gateway.Grant(ctx, id)
	if err != nil {
		return err
	}
	r, err := gateway.Record(ctx, g.GetRecord())
	if err != nil {
		return err
	}
	if len(body.Lines) == 0 {
		body.Asset = g.GetAsset()
		if body.Operation == "" {
			body.Operation = g.GetOperation()
		}
	}
	if g.GetAsset() != body.Asset {
		return fmt.Errorf("grant %s has its price in %s, the others in %s: a job has one asset", id, g.GetAsset(), body.Asset)
	}
	line := attest.OpenLine{Grant: id, Record: g.GetRecord(), Version: uint64(r.GetVersion()), Owner: g.GetOwner()}
	if err := line.Price.UnmarshalText([]byte(g.GetPrice())); err != nil {
		return fmt.Errorf("price of grant %s: %w", id, err)
	}
	body.Lines = append(body.Lines, line)
	return nil
}

// affordable refuses a job that comes to more than was named.
func (o *jobOrder) affordable(body *ops.AttestOpen) error {
	if o.most == "" {
		return nil
	}
	var limit reward.Amount
	if err := limit.UnmarshalText([]byte(o.most)); err != nil {
		return err
	}
	sum, err := body.TEEFee.Add(body.VerificationFee)
	for i := range body.Lines {
		if err != nil {
			return err
		}
		sum, err = sum.Add(body.Lines[i].Price)
	}
	if err == nil && sum > limit {
		err = fmt.Errorf("it comes to %d micro-units of %s, more than --most", sum, body.Asset)
	}
	return err
}

// submit brings an operation that was signed here onto the ledger and says so.
func (a *app) submit(ctx context.Context, gateway *client.Client, jws, kind, name string) error {
	o, err := gateway.Submit(ctx, jws)
	if err != nil {
		return err
	}
	return a.done(o, kind, name)
}

// sends signs a body about a job and submits it.
func (a *app) sends(c *cobra.Command, job string, body ops.Body) error {
	return a.signed(c, func(ctx context.Context, gateway *client.Client, signer client.Signer) error {
		jws, _, err := signer.Operation(body, "")
		if err != nil {
			return err
		}
		return a.submit(ctx, gateway, jws, "job", job)
	})
}

func (a *app) jobAccept() *cobra.Command {
	var deposit string
	c := a.signing(&cobra.Command{
		Use: "accept JOB", Short: "Accept a job as its TEE operator, with a deposit", Args: cobra.ExactArgs(1),
		Long: `Accept a job as its TEE operator. The deposit is set aside from the balance of the key file's
DID: when the job comes to nothing by the operator's doing, owners and verifiers are paid out of
it. The time for the evidence runs from the newest checkpoint on.`,
		RunE: func(c *cobra.Command, args []string) error {
			return a.signed(c, func(ctx context.Context, gateway *client.Client, signer client.Signer) error {
				j, err := gateway.Job(ctx, args[0])
				if err != nil {
					return err
				}
				r, err := gateway.Round(ctx, args[0], false)
				if err != nil {
					return err
				}
				if r.GetCheckpoint() == 0 {
					return errors.New("the ledger has no checkpoint yet, by whose clock the time for the evidence would run")
				}
				if deposit == "" {
					deposit = j.GetAtStake()
				}
				jws, _, err := signer.AcceptJob(j, r.GetCheckpoint(), deposit)
				if err != nil {
					return err
				}
				return a.submit(ctx, gateway, jws, "job", args[0])
			})
		},
	})
	c.Flags().StringVar(&deposit, "deposit", "", "`micro-units` to set aside (default: the least that is allowed)")
	return c
}

func (a *app) jobCancel() *cobra.Command {
	return a.signing(&cobra.Command{
		Use: "cancel JOB", Short: "Cancel a job that nobody has accepted", Args: cobra.ExactArgs(1),
		Long: "Cancel a job that nobody has accepted. All that was set aside is in the balance again, and the uses\nof the grants are free.",
		RunE: func(c *cobra.Command, args []string) error {
			return a.sends(c, args[0], &ops.AttestCancel{Job: args[0]})
		},
	})
}

func (a *app) jobShow() *cobra.Command {
	return &cobra.Command{
		Use: "show JOB", Short: "Show a job: what it is done on, its money and its phase", Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			return a.connected(c, func(ctx context.Context, gateway *client.Client) error {
				j, err := gateway.Job(ctx, args[0])
				if err != nil {
					return err
				}
				return a.show(jobView(j), func(w io.Writer) { printJob(w, j) })
			})
		},
	}
}

// jobView is a job as it is printed.
func jobView(j *client.Job) map[string]any {
	lines := []map[string]any{}
	for _, l := range j.GetLines() {
		lines = append(lines, map[string]any{
			"grant": l.GetGrant(), "record": l.GetRecord(), "version": l.GetVersion(), "commitment": l.GetCommitment(), "owner": l.GetOwner(), "price": l.GetPrice(),
		})
	}
	return map[string]any{
		"job": j.GetId(), "phase": j.GetPhase(), "consumer": j.GetConsumer(), "operation": j.GetOperation(), "asset": j.GetAsset(), "lines": lines,
		"teeFee": j.GetTeeFee(), "verificationFee": j.GetVerificationFee(), "atStake": j.GetAtStake(), "key": j.GetKey(), "nonce": j.GetNonce(),
		"expires": j.GetExpires(), "policy": j.GetPolicy(), "inputRoot": j.GetInputRoot(), "grantsRoot": j.GetGrantsRoot(),
	}
}

func printJob(w io.Writer, j *client.Job) {
	fmt.Fprintf(w, "job          %s\nphase        %s\nconsumer     %s\noperation    %s\n", j.GetId(), j.GetPhase(), j.GetConsumer(), j.GetOperation())
	for _, l := range j.GetLines() {
		fmt.Fprintf(w, "record       %s version %d of %s for %s, grant %s\n", l.GetRecord(), l.GetVersion(), l.GetOwner(), l.GetPrice(), l.GetGrant())
	}
	fmt.Fprintf(w, "tee fee      %s %s\nverification %s\ndeposit      at least %s\nto accept    until %s\noutput key   %s\nnonce        %s\ninput root   %s\ngrants root  %s\npolicy       version %d\n",
		j.GetTeeFee(), j.GetAsset(), j.GetVerificationFee(), j.GetAtStake(), instant(j.GetExpires()), j.GetKey(), j.GetNonce(), j.GetInputRoot(), j.GetGrantsRoot(), j.GetPolicy())
}
