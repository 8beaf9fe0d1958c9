package cli

import (
	"context"
	"fmt"
	"io"

	"github.com/killick-ledger/killick/chaincode/attest"
	"github.com/killick-ledger/killick/chaincode/fault"
	"github.com/killick-ledger/killick/chaincode/ops"
	"github.com/killick-ledger/killick/gateway/ballot"
	"github.com/killick-ledger/killick/gateway/client"
	"github.com/killick-ledger/killick/gateway/committee"
	"github.com/spf13/cobra"
)

func (a *app) voteCommand() *cobra.Command {
	return group("vote", "Vote on the evidence of a job, as a drawn verifier", a.voteCommit(), a.voteReveal(), a.voteStanding())
}

// ballotFlag adds the flag that names the ballot file.
func ballotFlag(c *cobra.Command, path *string) {
	c.Flags().StringVar(path, "file", "", "ballot `file` (default: JOB.ID.ballot, ID being that of the DID)")
}

// ballotPath is where the ballot of a verifier on a job is, unless another file is named.
func ballotPath(path, job, verifier string) (string, error) {
	if path != "" {
		return path, nil
	}
	return ballot.Name(job, verifier)
}

func (a *app) voteCommit() *cobra.Command {
	var path string
	c := a.signing(&cobra.Command{
		Use: "commit JOB valid|invalid|malicious", Short: "Commit to a ballot, which nobody can read yet", Args: cobra.ExactArgs(2),
		Long: `Commit to a ballot on the evidence of a job. The ballot and its salt are written to the ballot
file and are on disk before the commitment leaves: without them the ballot cannot be revealed,
which costs the verifier its fee and its standing, so keep the file. Running the command again
sends the same commitment; another ballot for the same job is refused here.`,
		Example: "  killick vote commit --keys verifier.keys JOB valid",
		RunE: func(c *cobra.Command, args []string) error {
			if _, err := attest.ParseBallot(args[1]); err != nil {
				return err
			}
			return a.signed(c, func(ctx context.Context, gateway *client.Client, signer client.Signer) error {
				path, err := ballotPath(path, args[0], signer.DID())
				if err != nil {
					return err
				}
				b, err := ballot.Keep(path, signer.Network(), args[0], signer.DID(), args[1])
				if err != nil {
					return err
				}
				return a.commit(ctx, gateway, signer, b, path)
			})
		},
	})
	ballotFlag(c, &path)
	return c
}

// commit sends the commitment, unless the ledger has it.
func (a *app) commit(ctx context.Context, gateway *client.Client, signer client.Signer, b *ballot.Ballot, path string) error {
	had, err := committed(ctx, gateway, b)
	if err != nil || had {
		return a.voted(b, path, nil, err)
	}
	jws, _, err := signer.Operation(&ops.AttestCommit{Job: b.Job, Commitment: b.Commitment}, "")
	if err != nil {
		return err
	}
	o, err := gateway.Submit(ctx, jws)
	if fault.Of(err) == fault.AlreadyDone { // by a run of which the result was not known
		had, again := committed(ctx, gateway, b)
		if again != nil {
			return again
		}
		if had {
			return a.voted(b, path, nil, nil)
		}
	}
	return a.voted(b, path, o, err)
}

// committed says whether the ledger has the ballot's commitment. One of another ballot is
// an error.
func committed(ctx context.Context, gateway *client.Client, b *ballot.Ballot) (bool, error) {
	r, err := gateway.Round(ctx, b.Job, false)
	if err != nil {
		return false, err
	}
	return b.Is(committee.Seat(r, b.Verifier).GetCommitment())
}

// voted shows what became of a vote.
func (a *app) voted(b *ballot.Ballot, path string, o *client.Operation, err error) error {
	if err != nil {
		return err
	}
	r := receiptOf(o)
	v := map[string]any{"job": b.Job, "ballot": b.Ballot, "commitment": b.Commitment, "file": path}
	if r != nil {
		v["operation"] = r
	}
	return a.show(v, func(w io.Writer) {
		fmt.Fprintf(w, "job          %s\nballot       %s\ncommitment   %s\nfile         %s\n", b.Job, b.Ballot, b.Commitment, path)
		if r == nil {
			fmt.Fprintln(w, "state        the ledger has it already")
			return
		}
		r.print(w)
	})
}

func (a *app) voteReveal() *cobra.Command {
	var path string
	c := a.signing(&cobra.Command{
		Use: "reveal JOB", Short: "Reveal the ballot that was committed to", Args: cobra.ExactArgs(1),
		Long: `Reveal the ballot of the ballot file, once the phase for it has begun. Before that, nothing of
it leaves this computer: a ballot that others see early can be copied and punished.`,
		RunE: func(c *cobra.Command, args []string) error {
			return a.signed(c, func(ctx context.Context, gateway *client.Client, signer client.Signer) error {
				path, err := ballotPath(path, args[0], signer.DID())
				if err != nil {
					return err
				}
				b, err := ballot.Read(path, signer.Network(), args[0], signer.DID())
				if err != nil {
					return err
				}
				return a.reveal(ctx, gateway, signer, b, path)
			})
		},
	})
	ballotFlag(c, &path)
	return c
}

// reveal sends ballot and salt when the round is that far and has the commitment.
func (a *app) reveal(ctx context.Context, gateway *client.Client, signer client.Signer, b *ballot.Ballot, path string) error {
	had, err := committed(ctx, gateway, b)
	if err != nil {
		return err
	}
	if !had {
		return fault.New(fault.NotFound, "the ledger has no commitment to the ballot of %s", path)
	}
	r, err := gateway.Round(ctx, b.Job, false)
	if err != nil {
		return err
	}
	if r.GetPhase() != attest.Revealing.String() {
		return fault.New(fault.WrongPhase, "the job is in the phase %s, ballots are revealed in %s", r.GetPhase(), attest.Revealing)
	}
	jws, _, err := signer.Operation(&ops.AttestReveal{Job: b.Job, Ballot: b.Ballot, Salt: b.Salt}, "")
	if err != nil {
		return err
	}
	o, err := gateway.Submit(ctx, jws)
	return a.voted(b, path, o, err)
}
