package main

import (
	"bytes"
	"context"
	"encoding/json"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"

	"github.com/killick-ledger/killick/gateway/client"
)

// page is a log that can be read while it is written.
type page struct {
	mu  sync.Mutex
	all bytes.Buffer
	new chan struct{}
}

func (p *page) Write(data []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	select {
	case p.new <- struct{}{}:
	default:
	}
	return p.all.Write(data)
}

func (p *page) String() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.all.String()
}

// The program starts without a gateway that answers, says what it is wherever it is asked,
// and ends when it is told to. It takes no empty journal without leave.
func TestProgram(t *testing.T) {
	identity, _, err := client.Generate("EdDSA", false)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	keys, pass := filepath.Join(dir, "operator.keys"), filepath.Join(dir, "pass")
	if err := identity.Save(keys, []byte("passphrase")); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(pass, []byte("passphrase\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	text := strings.NewReplacer("operator.keys", keys, "passphrase_file: pass", "passphrase_file: "+pass, "journal: jobs", "journal: "+filepath.Join(dir, "jobs"),
		"127.0.0.1:8090", "127.0.0.1:0", "[127.0.0.1:17029, 127.0.0.1:17129]", "[127.0.0.1:1]").Replace(good)
	path := write(t, text)
	log := &page{new: make(chan struct{}, 1)}
	logger := slog.New(slog.NewJSONHandler(log, nil))
	if err := serve(t.Context(), path, false, logger); err == nil || !strings.Contains(err.Error(), "the journal is empty") {
		t.Fatalf("an empty journal: %v", err)
	}
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- serve(ctx, path, true, logger) }()
	address := regexp.MustCompile(`"address":"([^"]+)"`)
	for address.FindStringSubmatch(log.String()) == nil {
		select {
		case <-log.new:
		case err := <-ended:
			t.Fatalf("it ended: %v", err)
		}
	}
	answer, err := http.Get("http://" + address.FindStringSubmatch(log.String())[1] + "/v1/status")
	if err != nil {
		t.Fatal(err)
	}
	var status struct{ Enclave, Operator string }
	if err := json.NewDecoder(answer.Body).Decode(&status); err != nil || status.Enclave != "SIMULATED tdx" || status.Operator != identity.DID("test-0011223344556677") {
		t.Errorf("status %+v, %v", status, err)
	}
	if err := answer.Body.Close(); err != nil {
		t.Error(err)
	}
	stop()
	if err := <-ended; err != nil {
		t.Errorf("it ends with %v", err)
	}
	for _, want := range []string{"SIMULATED: its operator can read", "operator stopped"} {
		if !strings.Contains(log.String(), want) {
			t.Errorf("the log does not say %q: %s", want, log)
		}
	}
	if !strings.Contains(about, "SIMULATED") {
		t.Error("the help does not say that it is a simulation")
	}
}
