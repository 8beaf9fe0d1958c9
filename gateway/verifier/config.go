package main

import (
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"os"
	"time"

	"github.com/killick-ledger/killick/gateway/client"
	"github.com/killick-ledger/killick/gateway/verifier/node"
	"github.com/killick-ledger/killick/gateway/verifier/snp"
	"github.com/killick-ledger/killick/gateway/verifier/tpm"
)

// Config is verifier.yaml.
type Config struct {
	// Network is the ledger's name, "<channel>-<16 hex digits>".
	Network string `yaml:"network"`
	// Gateways are gRPC addresses: host:port, or https://host[:port] with TLS; each of another
	// organisation. N - K + 1 of them, so that no N - K organisations that are silent or
	// refuse keep a vote from the ledger; 2(N - K) + 1, so that none that lie do.
	Gateways []string `yaml:"gateways"`
	// Keys is the key file of the verifier's DID, PassphraseFile a file whose first line
	// opens it.
	Keys           string `yaml:"keys"`
	PassphraseFile string `yaml:"passphrase_file"`
	// Dir is the folder of ballots and cursors. It is made when it is not there. Whoever
	// loses it cannot reveal what was committed to, so keep it on a disk that lasts.
	Dir string `yaml:"dir"`
	// Listen is host:port of the HTTP server with /metrics and /status, which is without TLS:
	// bind it to a loopback or inner address. Empty: none.
	Listen string `yaml:"listen"`
	// Patience is how long a gateway may take to answer (0: 5s), Poll the pause between two
	// looks at a round (0: 2s), Look that between two at the lists of jobs (0: 1m), Margin
	// how near the end of the commitments, in their second half, what an operator does not
	// deliver counts against it (0: 2m).
	Patience time.Duration `yaml:"patience"`
	Poll     time.Duration `yaml:"poll"`
	Look     time.Duration `yaml:"look"`
	Margin   time.Duration `yaml:"margin"`
	// MaxOutput is the size of the largest output that is fetched, in bytes (0: 64 MiB). The
	// node has no vote on a job with a larger one.
	MaxOutput int64 `yaml:"max_output"`
	// PrivateOperators lets operators be asked at addresses that are not public. It is for
	// networks of one's own: an operator writes its address into its DID document itself.
	PrivateOperators bool `yaml:"private_operators"`
	// OperatorCA is a PEM file of the CAs that vouch for operators (empty: the system's).
	// Operators are URLs by the operators' DIDs that are asked in place of those in their
	// documents, also without TLS and at any address.
	OperatorCA string            `yaml:"operator_ca"`
	Operators  map[string]string `yaml:"operators"`
	// SEVSNP is by what quotes of AMD's SEV-SNP are judged, of which the ledger has the
	// digest alone. Nothing here: the node has no vote on them.
	SEVSNP snp.Config `yaml:"sev_snp"`
	// TPM is the same for quotes of TPMs.
	TPM tpm.Config `yaml:"tpm"`
}

// Check reports every mistake.
func (c *Config) Check() error {
	var errs []error
	if c.Keys == "" || c.PassphraseFile == "" {
		errs = append(errs, errors.New("keys and passphrase_file are needed"))
	}
	if _, _, err := net.SplitHostPort(c.Listen); c.Listen != "" && err != nil {
		errs = append(errs, fmt.Errorf("listen: %q is not host:port", c.Listen))
	}
	n := c.node()
	n.Identity = new(client.Identity) // that it can be opened is seen later
	return errors.Join(append(errs, n.Check())...)
}

// node is the node's part of the configuration.
func (c *Config) node() node.Config {
	return node.Config{
		Network: c.Network, Gateways: c.Gateways, Dir: c.Dir, Patience: c.Patience, Poll: c.Poll, Look: c.Look, Margin: c.Margin,
		MaxOutput: c.MaxOutput, Private: c.PrivateOperators, Operators: c.Operators,
	}
}

// identity opens the key file.
func (c *Config) identity() (*client.Identity, error) {
	passphrase, err := client.FirstLine(c.PassphraseFile)
	if err != nil {
		return nil, fmt.Errorf("passphrase_file: %w", err)
	}
	return client.Load(c.Keys, passphrase)
}

// certificates reads the CAs that vouch for operators, nil for those of the system.
func (c *Config) certificates() (*x509.CertPool, error) {
	if c.OperatorCA == "" {
		return nil, nil
	}
	data, err := os.ReadFile(c.OperatorCA)
	if err != nil {
		return nil, fmt.Errorf("operator_ca: %w", err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(data) {
		return nil, fmt.Errorf("operator_ca: %s has no certificate", c.OperatorCA)
	}
	return pool, nil
}
