package cli

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net/http"
	"os"
	"time"

	"github.com/killick-ledger/killick/chaincode/canon"
	"github.com/killick-ledger/killick/gateway/client"
	"github.com/killick-ledger/killick/gateway/sealed"
	"github.com/spf13/cobra"
)

// reach holds the flags that say how an operator's service is reached.
type reach struct{ endpoint, ca string }

func (r *reach) flags(c *cobra.Command) {
	c.Flags().StringVar(&r.endpoint, "endpoint", "", "`URL` of the operator's service (default: that of the operator's DID document)")
	c.Flags().StringVar(&r.ca, "ca", "", "`file` with the certificates, in PEM, to which that of the service must lead (default: the system's)")
}

// dial prepares to speak to an operator's service.
func (r *reach) dial(ctx context.Context, gateway *client.Client, operator string, timeout time.Duration) (*client.Enclave, error) {
	endpoint := r.endpoint
	if endpoint == "" {
		var err error
		if endpoint, err = gateway.EnclaveURL(ctx, operator); err != nil {
			return nil, err
		}
	}
	transport := &http.Transport{Proxy: http.ProxyFromEnvironment, DisableKeepAlives: true, TLSClientConfig: &tls.Config{MinVersion: tls.VersionTLS12}}
	if r.ca != "" {
		pem, err := os.ReadFile(r.ca)
		if err != nil {
			return nil, fmt.Errorf("read --ca: %w", err)
		}
		transport.TLSClientConfig.RootCAs = x509.NewCertPool()
		if !transport.TLSClientConfig.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("%s has no certificate in PEM", r.ca)
		}
	}
	return client.DialEnclave(endpoint, &http.Client{Timeout: timeout, Transport: transport})
}

// orderSuffix ends the name of an order's file.
const orderSuffix = ".order"

// newOrder reads parameters from a file and writes the order beside it: without its salt
// nobody can show with which parameters the job was opened.
func newOrder(path string) (*sealed.Order, error) {
	data, err := readSmall(path)
	if err != nil {
		return nil, err
	}
	o := new(sealed.Order)
	if o.Parameters, err = canon.ParseObject(bytes.TrimSpace(data)); err != nil {
		return nil, fmt.Errorf("parameters %s: %w", path, err)
	}
	if _, err := rand.Read(o.Salt[:]); err != nil {
		return nil, fmt.Errorf("draw salt: %w", err)
	}
	if err := writeBytes(path+orderSuffix, o.Encode()); err != nil {
		return nil, fmt.Errorf("write order: %w", err)
	}
	return o, nil
}

func (a *app) jobOrder() *cobra.Command {
	var r reach
	var operators []string
	c := &cobra.Command{
		Use: "order JOB FILE", Short: "Bring a job's parameters to operators who may accept it", Args: cobra.ExactArgs(2),
		Long: `Bring the order of a job, which "killick job open --parameters" wrote, to operators: without it
they cannot do an operation that has parameters, and do not accept the job. They can neither
change it, since its digest is the job's nonce, nor are they bound to accept the job.`,
		Example: "  killick job order --operator did:killick:NETWORK:ID JOB mean.json.order",
		RunE: func(c *cobra.Command, args []string) error {
			data, err := readSmall(args[1])
			if err != nil {
				return err
			}
			o, err := sealed.DecodeOrder(bytes.TrimSpace(data))
			if err != nil {
				return fmt.Errorf("order %s: %w", args[1], err)
			}
			return a.connected(c, func(ctx context.Context, gateway *client.Client) error {
				if r.endpoint != "" {
					operators = append(operators, "")
				}
				for _, operator := range operators {
					service, err := r.dial(ctx, gateway, operator, a.timeout)
					if err == nil {
						err = service.PutOrder(ctx, args[0], o)
					}
					if err != nil {
						return err
					}
				}
				return a.show(map[string]any{"job": args[0], "operators": len(operators)}, func(w io.Writer) {
					fmt.Fprintf(w, "%d operators have the order of job %s\n", len(operators), args[0])
				})
			})
		},
	}
	r.flags(c)
	c.Flags().StringArrayVar(&operators, "operator", nil, "`DID` of an operator who is to have it; may be repeated")
	c.MarkFlagsOneRequired("operator", "endpoint")
	c.MarkFlagsMutuallyExclusive("operator", "endpoint")
	return c
}

func (a *app) jobOutput() *cobra.Command {
	var r reach
	var out string
	c := a.signing(&cobra.Command{
		Use: "output JOB --out FILE", Short: "Fetch, check and open the output of a job", Args: cobra.ExactArgs(1),
		Long: `Fetch the output of a job from its operator, check that it is the one that the evidence on the
ledger binds, and open it with the key file. Whether the evidence itself is good, verifiers and
chaincode say: see "killick round" and "killick settlement".`,
		RunE: func(c *cobra.Command, args []string) error {
			return a.signed(c, func(ctx context.Context, gateway *client.Client, signer client.Signer) error {
				job, err := gateway.Assigned(ctx, signer.Network(), args[0])
				if err != nil {
					return err
				}
				service, err := r.dial(ctx, gateway, job.Operator, a.timeout)
				if err != nil {
					return err
				}
				data, err := service.Output(ctx, args[0])
				if err != nil {
					return err
				}
				if err := job.CheckOutput(data); err != nil {
					return err
				}
				plain, err := signer.OpenOutput(job.Task, data)
				if err != nil {
					return err
				}
				if err := writeBytes(out, plain); err != nil {
					return fmt.Errorf("write output: %w", err)
				}
				return a.show(map[string]any{"job": args[0], "file": out, "size": len(plain), "phase": job.Phase, "output": job.Evidence.GetOutput()}, func(w io.Writer) {
					fmt.Fprintf(w, "%s is the output of job %s (%d bytes), which is in phase %s\n", out, args[0], len(plain), job.Phase)
				})
			})
		},
	})
	r.flags(c)
	c.Flags().StringVar(&out, "out", "", "`file` to write (required)")
	require(c, "out")
	return c
}
