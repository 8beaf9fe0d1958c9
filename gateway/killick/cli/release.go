package cli

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/killick-ledger/killick/chaincode/attest"
	"github.com/killick-ledger/killick/chaincode/canon"
	"github.com/killick-ledger/killick/chaincode/fault"
	"github.com/killick-ledger/killick/gateway/client"
	"github.com/spf13/cobra"
)

// release holds the flags of letting records into an enclave.
type release struct {
	reach
	contents     []string
	trust        string
	compare      []string
	contributors int
}

func (a *app) jobRelease() *cobra.Command {
	var l release
	c := a.signing(&cobra.Command{
		Use: "release JOB", Short: "Let your records into the enclave that does a job", Args: cobra.ExactArgs(1),
		Long: `Let the records of the key file's DID that a job was opened on into the enclave that does it.
Before anything leaves, the quote of the enclave's key is appraised here: it must be of a
program that the members have listed for the operation, on a platform that is current, and bind the key to
this job, as the ledger has it, in the hands of the operator who accepted it. Each record is
then sealed to that key, with its salt: nobody but the enclave opens it.

A record's content is its private content on the ledger, or that of --content with the receipt
file beside it. The parameters of the job are shown; they are those with which it was opened.`,
		Example: "  killick job release --keys alice.keys --content visit.pdf JOB",
		RunE: func(c *cobra.Command, args []string) error {
			return a.signed(c, func(ctx context.Context, gateway *client.Client, signer client.Signer) error {
				return a.release(ctx, gateway, signer, args[0], &l)
			})
		},
	})
	l.flags(c)
	c.Flags().StringArrayVar(&l.contents, "content", nil, "`file` with the content of one of the records, whose receipt is in FILE.record; may be repeated")
	c.Flags().StringVar(&l.trust, "trust", "", "`file` with the roots and measurements that you trust (default: those that the members have in force)")
	c.Flags().StringArrayVar(&l.compare, "compare", nil, "`address` of another organisation's gateway that must show the same job, and the same in force; may be repeated")
	c.Flags().IntVar(&l.contributors, "contributors", 2, "refuse a job whose result may tell of fewer owners than this `number`")
	return c
}

// release lets all of the signer's records of a job in.
func (a *app) release(ctx context.Context, gateway *client.Client, signer client.Signer, id string, l *release) error {
	job, err := gateway.Assigned(ctx, signer.Network(), id)
	if err != nil {
		return err
	}
	trust, err := l.trusted(ctx, gateway, job)
	if err != nil {
		return err
	}
	service, err := l.dial(ctx, gateway, job.Operator, a.timeout)
	if err != nil {
		return err
	}
	done, err := gateway.Release(ctx, signer, job, client.Release{
		Enclave: service, Trust: trust, Contributors: l.contributors,
		Content: func(ctx context.Context, line *attest.Line) ([32]byte, []byte, error) {
			return l.content(ctx, gateway, signer, line)
		},
	})
	if err != nil {
		return err
	}
	return a.show(map[string]any{"job": id, "operator": job.Operator, "parameters": done.Parameters, "records": done.Records, "simulated": simulated(signer, trust)}, func(w io.Writer) {
		for _, name := range done.Records {
			fmt.Fprintf(w, "record       %s is in the enclave\n", name)
		}
		fmt.Fprintf(w, "operation    %s %s\noperator     %s\n", job.Job.Operation, done.Parameters, job.Operator)
		if simulated(signer, trust) {
			fmt.Fprintln(w, "the enclave may be SIMULATED: the ledger is for tests, or a root that you trust is marked so")
		}
	})
}

// trusted returns what the enclave is judged by: a file's, or what is in force by the word
// of the gateway. All that it is compared with have to say the same of it, and of the job:
// whose key the output is for, and on what it is done.
func (l *release) trusted(ctx context.Context, gateway *client.Client, job *client.Assigned) (trust *client.Trust, err error) {
	if l.trust != "" {
		trust, err = l.readTrust()
	} else {
		trust, err = gateway.TrustInForce(ctx, job.ID)
	}
	for _, address := range l.compare {
		if err == nil {
			err = l.same(ctx, address, job, trust)
		}
	}
	return trust, err
}

func (l *release) same(ctx context.Context, address string, job *client.Assigned, trust *client.Trust) (err error) {
	gateway, err := client.Dial(address)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, gateway.Close()) }()
	other, err := gateway.Assigned(ctx, job.Task.Network, job.ID)
	if err == nil && other.Task.Digest() != job.Task.Digest() {
		err = errors.New("it shows another job, or another acceptance; one of the two gateways lies")
	}
	if err == nil && l.trust == "" {
		var force *client.Trust
		if force, err = gateway.TrustInForce(ctx, job.ID); err == nil && !trust.Same(force) {
			err = errors.New("it shows other roots, measurements or statuses in force; one of the two gateways lies, or the members have just decided")
		}
	}
	if err != nil {
		return fmt.Errorf("gateway %s: %w", address, err)
	}
	return nil
}

func (l *release) readTrust() (*client.Trust, error) {
	data, err := readSmall(l.trust)
	if err != nil {
		return nil, err
	}
	t, err := client.DecodeTrust(bytes.TrimSpace(data))
	if err != nil {
		return nil, fmt.Errorf("trust %s: %w", l.trust, err)
	}
	return t, nil
}

// simulated says that the enclave may be a simulation: test ledgers say so by their name.
func simulated(signer client.Signer, trust *client.Trust) bool {
	return trust.Simulated() || strings.HasPrefix(signer.Network(), "test-")
}

// content reads content and salt of a line's record: from one of the files, or what the
// members keep.
func (l *release) content(ctx context.Context, gateway *client.Client, signer client.Signer, line *attest.Line) (salt [32]byte, content []byte, err error) {
	for _, path := range l.contents {
		e, err := readEvidence(path + ".record")
		if err != nil {
			return salt, nil, err
		}
		if e.Record != line.Record.String() {
			continue
		}
		if salt, err = canon.UnHex32(e.Salt); err != nil {
			return salt, nil, fmt.Errorf("receipt file: salt: %w", err)
		}
		if content, err = os.ReadFile(path); err != nil {
			err = fmt.Errorf("read content: %w", err)
		}
		return salt, content, err
	}
	kept, err := gateway.Content(ctx, signer, line.Record.String())
	if fault.Of(err) == fault.NotFound {
		return salt, nil, errors.New("the members keep no content of it: name the file with --content")
	}
	if err != nil {
		return salt, nil, err
	}
	return signer.Open(kept)
}
