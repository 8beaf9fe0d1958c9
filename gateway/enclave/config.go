package main

import (
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/killick-ledger/killick/chaincode/canon"
	"github.com/killick-ledger/killick/chaincode/reward"
	"github.com/killick-ledger/killick/chaincode/tee"
	"github.com/killick-ledger/killick/gateway/client"
	"github.com/killick-ledger/killick/gateway/enclave/analysis"
	"github.com/killick-ledger/killick/gateway/enclave/inside"
	"github.com/killick-ledger/killick/gateway/enclave/operator"
)

// File is enclave.yaml.
type File struct {
	// Gateways are gRPC addresses of gateways, as host:port or https://host[:port]: the first
	// that answers is used. Those of several members keep one from silencing the operator.
	Gateways []string `yaml:"gateways"`
	// Network is the ledger's name, "<channel>-<16 hex digits>".
	Network string `yaml:"network"`
	// Keys is the operator's key file, PassphraseFile the file whose first line opens it.
	Keys           string `yaml:"keys"`
	PassphraseFile string `yaml:"passphrase_file"`
	// Journal is the folder that holds what is under way and the platform's secret. It is
	// made. One process uses it at a time.
	Journal string `yaml:"journal"`
	// Listen is host:port of the service, without TLS: bind it to a loopback or inner
	// address and let the operator's edge end TLS before it. The DID document names the
	// edge's https: URL under a service of the type KillickEnclave.
	Listen string `yaml:"listen"`
	// Platform is what makes quotes: simulated-sgx or simulated-tdx.
	Platform string `yaml:"platform"`
	// Seed is the file whose bytes all keys of the simulated platform follow from, Since when
	// it was set up, in seconds since 1970. Root and certificates are those of both, so
	// neither changes later.
	Seed  string `yaml:"seed_file"`
	Since uint64 `yaml:"since"`
	// MREnclave is what quotes of simulated-sgx measure, 64 hex digits. Empty: the
	// simulation's own.
	MREnclave string `yaml:"mrenclave"`
	// Operations are those that are run. None: all (job.count-by-schema, job.k-means, job.mean).
	Operations []string `yaml:"operations"`
	// Assets are those in which jobs are taken.
	Assets []Asset `yaml:"assets"`
	// Jobs is how many jobs may be under way (0: 8).
	Jobs int `yaml:"jobs"`
	// PollSeconds is how often the ledger is asked when no event tells of anything (0: 5).
	PollSeconds int `yaml:"poll_seconds"`
	// PatienceSeconds is how many seconds of the checkpoints' clock before the end of the
	// time for evidence a job is run without records that nobody brought (0: 60).
	PatienceSeconds uint64 `yaml:"patience_seconds"`
	// KeepDays is for how many days outputs are kept after a job has ended (0: 30).
	KeepDays int `yaml:"keep_days"`
}

// Asset is on which terms jobs in an asset are taken. Amounts are micro-units.
type Asset struct {
	Name       string `yaml:"name"`
	MinFee     string `yaml:"min_fee"`     // smallest TEE fee (empty: any)
	MaxDeposit string `yaml:"max_deposit"` // for one job (empty: any)
	MaxAtRisk  string `yaml:"max_at_risk"` // of all jobs under way together (empty: any)
}

// Check reports every mistake that can be seen without the ledger.
func (f *File) Check() error {
	var errs []error
	for name, value := range map[string]string{"network": f.Network, "keys": f.Keys, "passphrase_file": f.PassphraseFile, "journal": f.Journal, "listen": f.Listen, "seed_file": f.Seed} {
		if value == "" {
			errs = append(errs, fmt.Errorf("%s: it is needed", name))
		}
	}
	if len(f.Gateways) == 0 {
		errs = append(errs, errors.New("gateways: at least one is needed"))
	}
	if f.Platform != "simulated-sgx" && f.Platform != "simulated-tdx" {
		errs = append(errs, fmt.Errorf("platform: %q is neither simulated-sgx nor simulated-tdx", f.Platform))
	}
	if f.Since < 1_600_000_000 || f.Since > uint64(time.Now().Unix()) {
		errs = append(errs, errors.New("since: want when the platform was set up, in seconds since 1970"))
	}
	if _, err := canon.UnHex32(f.MREnclave); f.MREnclave != "" && err != nil {
		errs = append(errs, errors.New("mrenclave: want 64 hex digits"))
	}
	if len(f.Assets) == 0 {
		errs = append(errs, errors.New("assets: without one no job is taken"))
	}
	if _, err := f.terms(); err != nil {
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

func (f *File) terms() (list []operator.Asset, err error) {
	for i, a := range f.Assets {
		terms := operator.Asset{Name: a.Name}
		for _, one := range []struct {
			text string
			into *reward.Amount
		}{{a.MinFee, &terms.MinFee}, {a.MaxDeposit, &terms.MaxDeposit}, {a.MaxAtRisk, &terms.MaxAtRisk}} {
			if one.text == "" {
				continue
			}
			if err := one.into.UnmarshalText([]byte(one.text)); err != nil {
				return nil, fmt.Errorf("assets, number %d: %w", i+1, err)
			}
		}
		list = append(list, terms)
	}
	return list, nil
}

func (f *File) operations() []string {
	if len(f.Operations) == 0 {
		return analysis.Names()
	}
	return f.Operations
}

// simulation describes the platform. Errors are those of reading the seed.
func (f *File) simulation() (inside.Simulation, error) {
	seed, err := os.ReadFile(f.Seed)
	if err != nil {
		return inside.Simulation{}, fmt.Errorf("read seed: %w", err)
	}
	if len(seed) < 16 {
		return inside.Simulation{}, fmt.Errorf("seed %s: fewer than 16 bytes", f.Seed)
	}
	s := inside.Simulation{Kind: tee.SGX, Seed: string(seed), Since: f.Since}
	if f.Platform == "simulated-tdx" {
		s.Kind = tee.TDX
	}
	if f.MREnclave != "" {
		if s.MREnclave, err = canon.UnHex32(f.MREnclave); err != nil {
			return s, err
		}
	}
	return s, nil
}

// open connects and loads keys. done closes what was opened.
func (f *File) open() (cfg *operator.Config, done func(), err error) {
	passphrase, err := client.FirstLine(f.PassphraseFile)
	if err != nil {
		return nil, nil, fmt.Errorf("passphrase_file: %w", err)
	}
	identity, err := client.Load(f.Keys, passphrase)
	if err != nil {
		return nil, nil, err
	}
	platform, err := f.simulation()
	if err != nil {
		return nil, nil, err
	}
	terms, err := f.terms()
	if err != nil {
		return nil, nil, err
	}
	gateway, err := client.Dial(f.Gateways[0], f.Gateways[1:]...)
	if err != nil {
		return nil, nil, err
	}
	return &operator.Config{
		Gateway: gateway, Identity: identity, Network: f.Network, Platform: platform.Platform(uint64(time.Now().Unix())), Dir: f.Journal, Listen: f.Listen,
		Operations: f.Operations, Assets: terms, Jobs: f.Jobs, Poll: time.Duration(f.PollSeconds) * time.Second, Patience: f.PatienceSeconds,
		Keep: time.Duration(f.KeepDays) * 24 * time.Hour,
	}, func() { _ = gateway.Close() }, nil // nothing is under way any more
}
