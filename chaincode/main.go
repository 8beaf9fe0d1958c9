// Command killick-chaincode serves Killick's chaincode to the peer of its
// organisation, as an external service over mutual TLS. Before it serves, it
// checks fixed vectors of every digest and signature that state depends on.
package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"runtime"
	"syscall"

	"github.com/killick-ledger/killick/chaincode/contract"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:], os.Stdout, os.Stderr); err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "killick-chaincode:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string, out, errs io.Writer) error {
	flags := flag.NewFlagSet("killick-chaincode", flag.ContinueOnError)
	flags.SetOutput(errs)
	flags.Usage = func() {
		fmt.Fprintln(errs, "Serves Killick's chaincode to a peer. Stops on SIGTERM.\n\nUsage: killick-chaincode --config FILE")
		flags.PrintDefaults()
	}
	path := flags.String("config", "", "`FILE` with listen, package_id, tls (cert, key, client_ca) and organisation, in YAML")
	version := flags.Bool("version", false, "print the SHA-256 of this program and stop")
	if err := flags.Parse(args); err != nil {
		return err
	}
	digest, err := ownDigest()
	if err != nil {
		return err
	}
	if *version {
		_, err := fmt.Fprintf(out, "killick-chaincode sha256:%s %s\n", digest, runtime.Version())
		return err
	}
	config, err := readConfig(*path)
	if err != nil {
		return err
	}
	if err := contract.SelfTest(); err != nil {
		return fmt.Errorf("self-test: %w", err)
	}
	log := slog.New(slog.NewJSONHandler(errs, nil)).With("organisation", config.Organisation)
	return serve(ctx, config, digest, log)
}

// ownDigest returns the hash of the program file: what the organisations
// compare to know that they run the same code.
func ownDigest() (string, error) {
	path, err := os.Executable()
	if err != nil {
		return "", fmt.Errorf("find this program: %w", err)
	}
	file, err := os.Open(path)
	if err != nil {
		return "", fmt.Errorf("read this program: %w", err)
	}
	defer file.Close()
	h := sha256.New()
	if _, err := io.Copy(h, file); err != nil {
		return "", fmt.Errorf("read this program: %w", err)
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}
