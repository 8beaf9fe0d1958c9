// Command killick-signer keeps secp256k1 keys away from the anchors' machine and signs
// digests for them, over mutual TLS (docs/formats/signer.md). Keys are in a PKCS#11
// token, which they never leave, or in key files of its own.
//
// It knows nothing of chains and ledgers and cannot judge what it signs. It keeps no
// state and sends nothing anywhere.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/killick-ledger/killick/anchor/signer"
	"github.com/killick-ledger/killick/chaincode/canon"
	"github.com/killick-ledger/killick/network/configuration"
)

// config is signer.yaml.
type config struct {
	Listen string      `yaml:"listen"` // host:port
	Cert   string      `yaml:"cert"`   // PEM file with the own certificate
	Key    string      `yaml:"key"`    // PEM file with its private key
	CA     string      `yaml:"ca"`     // PEM file: who has a certificate of these may have anything signed
	Keys   []keyConfig `yaml:"keys"`
}

// keyConfig is one key: in a file or in a token.
type keyConfig struct {
	File  string       `yaml:"file"`
	Token *tokenConfig `yaml:"token"`
}

// tokenConfig says where a key is in a PKCS#11 token.
type tokenConfig struct {
	Module string `yaml:"module"` // the token maker's library
	Label  string `yaml:"label"`  // of the token
	PIN    string `yaml:"pin"`    // file with the user's PIN
	Key    string `yaml:"key"`    // label of the key pair, on secp256k1
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	slog.SetDefault(slog.New(slog.NewJSONHandler(os.Stderr, nil)))
	if err := command().ExecuteContext(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "killick-signer:", err)
		os.Exit(1)
	}
}

func command() *cobra.Command {
	var path string
	var addresses bool
	c := &cobra.Command{
		Use: "killick-signer", Short: "sign for anchors with keys that never reach them", Args: cobra.NoArgs,
		SilenceErrors: true, SilenceUsage: true,
		RunE: func(c *cobra.Command, _ []string) error {
			cfg := &config{}
			if err := configuration.Read(path, cfg); err != nil {
				return err
			}
			keys, err := open(cfg)
			if err != nil {
				return err
			}
			if addresses {
				return print(c.OutOrStdout(), keys)
			}
			l, err := (&net.ListenConfig{}).Listen(c.Context(), "tcp", cfg.Listen)
			if err != nil {
				return fmt.Errorf("listen: %w", err)
			}
			return serve(c.Context(), cfg, keys, l)
		},
	}
	c.Flags().StringVar(&path, "config", "", "YAML `file` with the settings (required)")
	c.Flags().BoolVar(&addresses, "addresses", false, "print the keys' addresses, each proved by a signature, and exit")
	_ = c.MarkFlagRequired("config") // the flag was defined above
	return c
}

// Check reports all mistakes at once.
func (c *config) Check() error {
	var errs []error
	if len(c.Keys) == 0 {
		errs = append(errs, errors.New("keys: at least one is needed"))
	}
	for i, k := range c.Keys {
		if (k.File == "") == (k.Token == nil) {
			errs = append(errs, fmt.Errorf("keys[%d]: want either file or token", i))
		}
		if t := k.Token; t != nil && (t.Module == "" || t.Label == "" || t.PIN == "" || t.Key == "") {
			errs = append(errs, fmt.Errorf("keys[%d]: token needs module, label, pin and key", i))
		}
	}
	return errors.Join(errs...)
}

// open opens all keys and has each sign once: one that cannot is found now.
func open(c *config) ([]*signer.Key, error) {
	var keys []*signer.Key
	for i, k := range c.Keys {
		var key *signer.Key
		var err error
		if k.Token != nil {
			key, err = openToken(*k.Token)
		} else {
			key, err = signer.Open(k.File)
		}
		if err == nil {
			_, err = key.Sign(context.Background(), canon.Sum([]byte("killick-signer starts")))
		}
		if err != nil {
			return nil, fmt.Errorf("keys[%d]: %w", i, err)
		}
		keys = append(keys, key)
	}
	return keys, nil
}

func print(w io.Writer, keys []*signer.Key) error {
	for _, k := range keys {
		if _, err := fmt.Fprintf(w, "0x%x\n", k.Address()); err != nil {
			return err
		}
	}
	return nil
}

// serve serves until ctx ends.
func serve(ctx context.Context, c *config, keys []*signer.Key, l net.Listener) error {
	mutual, err := signer.TLS(c.Cert, c.Key, c.CA)
	if err != nil {
		return errors.Join(err, l.Close())
	}
	s := &http.Server{Handler: signer.Handler(keys), TLSConfig: mutual, MaxHeaderBytes: 8 << 10,
		ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 5 * time.Second, WriteTimeout: 20 * time.Second, IdleTimeout: 5 * time.Minute}
	stopped := make(chan struct{})
	go func() {
		<-ctx.Done()
		// Not ctx, which is over: requests that are under way get a moment.
		last, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Second)
		defer cancel()
		if s.Shutdown(last) != nil {
			_ = s.Close() // whoever is cut off asks again
		}
		close(stopped)
	}()
	for _, k := range keys {
		slog.Info("signs", "address", fmt.Sprintf("0x%x", k.Address()), "listen", l.Addr().String())
	}
	if err := s.ServeTLS(l, "", ""); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	<-stopped
	return nil
}
