package cli

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/killick-ledger/killick/chaincode/attest"
	"github.com/killick-ledger/killick/chaincode/canon"
	"github.com/killick-ledger/killick/chaincode/did"
	"github.com/killick-ledger/killick/chaincode/fault"
	"github.com/killick-ledger/killick/chaincode/ops"
	"github.com/killick-ledger/killick/gateway/client"
	"github.com/spf13/cobra"
)

// ballot is a ballot file: what a verifier needs to reveal what it committed to.
type ballot struct {
	Format     string `json:"format"`
	Network    string `json:"network"`
	Job        string `json:"job"`
	Verifier   string `json:"verifier"`
	Ballot     string `json:"ballot"`
	Salt       string `json:"salt"`
	Commitment string `json:"commitment"`
}

const ballotFormat = "killick-ballot-1"

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
	if _, err := ops.ParseReference(job); err != nil { // it becomes the name of a file
		return "", fault.New(fault.InvalidValue, "%.80q is not the reference of a job", job)
	}
	_, id, err := did.Parse(verifier)
	return job + "." + id.String() + ".ballot", err
}

// digest is the commitment to the ballot.
func (b *ballot) digest() (string, error) {
	job, err := ops.ParseReference(b.Job)
	if err != nil {
		return "", err
	}
	verifier, err := did.ParseOn(b.Network, b.Verifier)
	if err != nil {
		return "", err
	}
	salt, err := canon.UnHex32(b.Salt)
	if err != nil {
		return "", err
	}
	verdict, err := attest.ParseBallot(b.Ballot)
	if err != nil {
		return "", err
	}
	sum := canon.BallotDigest(b.Network, job.ID, verifier, byte(verdict), salt)
	return canon.Hex(sum[:]), nil
}

// newBallot draws a salt.
func newBallot(signer client.Signer, job, word string) (*ballot, error) {
	var salt [32]byte
	if _, err := rand.Read(salt[:]); err != nil {
		return nil, fmt.Errorf("draw salt: %w", err)
	}
	b := &ballot{Format: ballotFormat, Network: signer.Network(), Job: job, Verifier: signer.DID(), Ballot: word, Salt: canon.Hex(salt[:])}
	var err error
	b.Commitment, err = b.digest()
	return b, err
}

// readBallot reads a ballot file, which must be of the signer on the job.
func readBallot(path string, signer client.Signer, job string) (*ballot, error) {
	data, err := readSmall(path)
	if err != nil {
		return nil, fmt.Errorf("read ballot: %w", err)
	}
	b := new(ballot)
	if err := canon.Decode(bytes.TrimSuffix(data, []byte("\n")), b); err != nil {
		return nil, fmt.Errorf("ballot %s: %w", path, err)
	}
	digest, err := b.digest()
	switch {
	case err != nil:
		return nil, fmt.Errorf("ballot %s: %w", path, err)
	case b.Format != ballotFormat || digest != b.Commitment:
		return nil, fmt.Errorf("%s is no ballot file, or was changed", path)
	case b.Job != job || b.Network != signer.Network() || b.Verifier != signer.DID():
		return nil, fmt.Errorf("%s is the ballot of %s on %s of %s", path, b.Verifier, b.Job, b.Network)
	}
	return b, nil
}

// write keeps the ballot under a name that must not exist: all of it or nothing, and on
// disk when write returns, its name as well.
func (b *ballot) write(path string) error {
	data, err := canon.Marshal(b)
	if err != nil {
		return err
	}
	draft, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".*.draft")
	if err != nil {
		return err
	}
	_, err = draft.Write(append(data, '\n'))
	if err = errors.Join(err, draft.Sync(), draft.Close()); err == nil {
		err = os.Link(draft.Name(), path) // fails when there is one
	}
	if err = errors.Join(err, os.Remove(draft.Name())); err != nil {
		return err
	}
	dir, err := os.Open(filepath.Dir(path))
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
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
				b, err := keepBallot(path, signer, args[0], args[1])
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

// keepBallot returns the ballot that is to be committed to, once it is on disk.
func keepBallot(path string, signer client.Signer, job, word string) (*ballot, error) {
	if _, err := os.Lstat(path); errors.Is(err, os.ErrNotExist) {
		b, err := newBallot(signer, job, word)
		if err != nil {
			return nil, err
		}
		if err := b.write(path); err != nil {
			return nil, fmt.Errorf("write ballot: %w", err)
		}
	}
	b, err := readBallot(path, signer, job)
	if err != nil {
		return nil, err
	}
	if b.Ballot != word {
		return nil, fault.New(fault.AlreadyDone, "%s has this DID's ballot on the job, and it is %s: a commitment to it may be on the ledger or on its way, and no other ballot can be revealed for it", path, b.Ballot)
	}
	return b, nil
}

// commit sends the commitment, unless the ledger has it.
func (a *app) commit(ctx context.Context, gateway *client.Client, signer client.Signer, b *ballot, path string) error {
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
func committed(ctx context.Context, gateway *client.Client, b *ballot) (bool, error) {
	r, err := gateway.Round(ctx, b.Job, false)
	if err != nil {
		return false, err
	}
	for _, bench := range r.GetCommittee().GetBenches() {
		for _, s := range bench.GetTaken() {
			switch {
			case s.GetVerifier() != b.Verifier || s.GetCommitment() == "":
			case s.GetCommitment() == b.Commitment:
				return true, nil
			default:
				return false, fmt.Errorf("the ledger has a commitment of this DID to another ballot, %s: look for the file of that one", s.GetCommitment())
			}
		}
	}
	return false, nil
}

// voted shows what became of a vote.
func (a *app) voted(b *ballot, path string, o *client.Operation, err error) error {
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
				b, err := readBallot(path, signer, args[0])
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
func (a *app) reveal(ctx context.Context, gateway *client.Client, signer client.Signer, b *ballot, path string) error {
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
