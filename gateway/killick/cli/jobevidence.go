package cli

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/killick-ledger/killick/chaincode/canon"
	"github.com/killick-ledger/killick/chaincode/ops"
	"github.com/killick-ledger/killick/gateway/client"
	"github.com/spf13/cobra"
)

// maxQuote is more than any operation carries.
const maxQuote = 1 << 20

func (a *app) jobEvidence() *cobra.Command {
	var platform, output, quote string
	c := a.signing(&cobra.Command{
		Use: "evidence JOB", Short: "Hand in the evidence of a job, once", Args: cobra.ExactArgs(1),
		Long: `Hand in what the enclave proves: a quote whose report data binds the job, the operator, the
records, the grants and the output (docs/formats/job.md section 4). It is handed in once. Of
sgx and tdx the quote goes onto the ledger; of sev-snp and tpm only its SHA-256 does, and the
verifiers ask the operator for it. Data and output stay here.

Anyone may hand in a second quote of the same job, operator and machine for another output.
Until the verifiers have committed it ends the job as malicious; once the job is settled, and
until the deposit is due (killick round), it takes what the deposit has left.`,
		Example: "  killick job evidence --keys operator.keys --platform sgx --output output.jwe --quote quote.bin JOB",
		RunE: func(c *cobra.Command, args []string) error {
			body, err := evidenceOf(args[0], platform, output, quote)
			if err != nil {
				return err
			}
			return a.sends(c, args[0], body)
		},
	})
	f := c.Flags()
	f.StringVar(&platform, "platform", "sgx", "`name`: sgx, tdx, sev-snp or tpm")
	f.StringVar(&output, "output", "", "`file` with the output's ciphertext, of which the SHA-256 is handed in (required)")
	f.StringVar(&quote, "quote", "", "`file` with the quote's bytes (required)")
	require(c, "output", "quote")
	return c
}

func evidenceOf(job, platform, output, quote string) (*ops.AttestEvidence, error) {
	sum, err := hashFile(output)
	if err != nil {
		return nil, err
	}
	body := &ops.AttestEvidence{Job: job, Platform: platform, Output: sum}
	switch platform {
	case "sgx", "tdx":
		data, err := readSmall(quote)
		body.Quote = canon.B64(data)
		return body, err
	case "sev-snp", "tpm":
		body.Digest, err = hashFile(quote)
		return body, err
	}
	return nil, fmt.Errorf("--platform is sgx, tdx, sev-snp or tpm, not %q", platform)
}

// hashFile returns the SHA-256 of a file of any size.
func hashFile(path string) (sum string, err error) {
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		return "", fmt.Errorf("read %s: %w", path, err)
	}
	return canon.Hex(h.Sum(nil)), nil
}

// readSmall reads a file that goes into an operation.
func readSmall(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	data, err := io.ReadAll(io.LimitReader(f, maxQuote+1))
	if err == nil && len(data) > maxQuote {
		err = fmt.Errorf("%s has more than %d bytes", path, maxQuote)
	}
	return data, errors.Join(err, f.Close())
}

func (a *app) jobCollateral() *cobra.Command {
	return a.signing(&cobra.Command{
		Use: "collateral FILE", Short: "Bring newer collateral of TEE platforms onto the ledger", Args: cobra.ExactArgs(1),
		Long: "Bring the collateral by which chaincode judges quotes: certificates, revocation lists, TCB info and\nQE identity in the layout of docs/formats/tee.md. Anyone may; it must be newer than what is there.",
		RunE: func(c *cobra.Command, args []string) error {
			data, err := readSmall(args[0])
			if err != nil {
				return err
			}
			return a.signed(c, func(ctx context.Context, gateway *client.Client, signer client.Signer) error {
				return a.create(ctx, gateway, signer, "collateral", &ops.AttestCollateral{Collateral: canon.B64(data)})
			})
		},
	})
}
