// Command killick-enclave works for a TEE operator: it accepts jobs, lets owners bring
// sealed records to an enclave, runs named operations on them, hands in the evidence and
// delivers outputs. Its enclave is SIMULATED, and everything that shows it says so.
package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/killick-ledger/killick/gateway/enclave/inside"
	"github.com/killick-ledger/killick/gateway/enclave/operator"
	"github.com/killick-ledger/killick/network/configuration"
)

const about = `usage: killick-enclave --config FILE [--init | --listing]

Works for a TEE operator until SIGINT or SIGTERM: accepts jobs that it can run, receives
sealed records, runs operations on them, hands in evidence and delivers outputs
(docs/formats/enclave.md).

The enclave is SIMULATED: there is no hardware behind it, and whoever runs this program can
read what owners let in. It is for test ledgers, which say so in their name.
`

func main() {
	path := flag.String("config", "enclave.yaml", "configuration `file` (docs/operations.md lists its fields)")
	first := flag.Bool("init", false, "permit an empty journal: the first start")
	listing := flag.Bool("listing", false, "print, as JSON, what the members decide so that this platform is taken, and end")
	flag.Usage = func() {
		fmt.Fprint(flag.CommandLine.Output(), about+"\n")
		flag.PrintDefaults()
	}
	flag.Parse()
	if flag.NArg() > 0 {
		flag.Usage()
		os.Exit(2)
	}
	log := slog.New(slog.NewJSONHandler(os.Stderr, nil))
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	run := func() error { return serve(ctx, *path, *first, log) }
	if *listing {
		run = func() error { return list(*path) }
	}
	if err := run(); err != nil {
		log.Error("enclave ends", "error", err)
		os.Exit(1)
	}
}

// list prints what the members decide for this platform.
func list(path string) error {
	f := new(File)
	if err := configuration.Read(path, f); err != nil {
		return err
	}
	simulation, err := f.simulation()
	if err != nil {
		return err
	}
	l, err := inside.ListingOf(simulation.Platform(uint64(time.Now().Unix())), f.operations())
	if err != nil {
		return err
	}
	e := json.NewEncoder(os.Stdout)
	e.SetIndent("", "  ")
	return e.Encode(l)
}

func serve(ctx context.Context, path string, first bool, log *slog.Logger) (err error) {
	f := new(File)
	if err := configuration.Read(path, f); err != nil {
		return err
	}
	cfg, done, err := f.open()
	if err != nil {
		return err
	}
	defer done()
	cfg.Init, cfg.Log = first, log
	o, err := operator.Open(*cfg)
	if err != nil {
		return err
	}
	log.Info("operator serves", "operator", o.DID(), "network", cfg.Network, "address", o.Address().String(), "enclave", "SIMULATED")
	return o.Run(ctx)
}
