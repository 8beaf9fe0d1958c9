//go:build agreement

package main

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// browserStage is what the tests in browser/ are given.
type browserStage struct {
	Chromium string `json:"chromium"`
	Page     string `json:"page"`
	Pinned   string `json:"pinned"` // the page with the vectors' policy in it
	Shots    string `json:"shots"`  // folder for pictures, "" for none

	Policy  string          `json:"policy"`
	Bundles []browserBundle `json:"bundles"`
	Headers []string        `json:"headers"` // that the first bundle matches

	Honest browserNodes `json:"honest"`
	Lying  browserNodes `json:"lying"`
	Gone   string       `json:"gone"`
	Moved  string       `json:"moved"` // redirects to an honest node

	Real browserReal `json:"real"` // the EVM node and the Tron node

	Vectors string `json:"vectors"` // serves the tests of anchor/log as WebAssembly
}

type browserBundle struct {
	Name    string `json:"name"`
	Verdict string `json:"verdict"`
	Failed  string `json:"failed"`
	File    string `json:"file"`
}

type browserNodes struct {
	EVM  []string `json:"evm"`
	Tron []string `json:"tron"`
}

type browserReal struct {
	Policy string `json:"policy"`
	Bundle string `json:"bundle"`
	Payout string `json:"payout"`
	browserNodes
}

// TestBrowser runs the tests in browser/ against the page in Chromium.
// "make browser" installs what they need.
func TestBrowser(t *testing.T) {
	honest, again := stage(t, nil), stage(t, nil)
	lying := stage(t, func(c *chain) { c.Roots = map[string]string{"5": c.LogID} })
	gone := httptest.NewServer(nil)
	gone.Close()
	moved := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Access-Control-Allow-Origin", "*")
		if w.Header().Set("Access-Control-Allow-Headers", "Content-Type"); r.Method != http.MethodOptions {
			http.Redirect(w, r, honest.evm, http.StatusTemporaryRedirect)
		}
	}))
	t.Cleanup(moved.Close)
	actual := realNodes(t)
	s := browserStage{
		Chromium: chromium(t), Page: page(t), Shots: os.Getenv("KILLICK_SHOTS"),
		Policy: honest.policy,
		Honest: browserNodes{EVM: []string{honest.evm, again.evm}, Tron: []string{honest.tron, again.tron}},
		Lying:  browserNodes{EVM: []string{lying.evm}, Tron: []string{lying.tron}},
		Gone:   gone.URL, Moved: moved.URL,
		Real: browserReal{Policy: actual.policy, Bundle: actual.operation, Payout: actual.payout, browserNodes: browserNodes{
			EVM: []string{actual.evm, second(t, actual.evm)}, Tron: []string{actual.tron, second(t, actual.tron)},
		}},
		Vectors: vectorsAsWASM(t),
	}
	for _, c := range honest.v.Chains {
		s.Headers = append(s.Headers, c.ID+"=5,"+c.Roots["5"])
	}
	for _, b := range honest.v.Bundles {
		s.Bundles = append(s.Bundles, browserBundle{b.Name, b.Verdict, b.Failed, honest.write("b.anchorproof", []byte(b.Bundle))})
	}
	s.Pinned = page(t, "-policy", s.Policy)
	text, err := json.Marshal(s)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), "node", "--test", "--test-reporter=spec", "page.test.mjs")
	cmd.Dir, cmd.Env = "browser", append(os.Environ(), "KILLICK_STAGE="+honest.write("stage.json", text))
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	if err := cmd.Run(); err != nil {
		t.Error(err)
	}
}

// chromium finds the browser: Playwright's own downloads are not used.
func chromium(t *testing.T) string {
	t.Helper()
	if path := os.Getenv("CHROMIUM"); path != "" {
		return path
	}
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome", "google-chrome-stable"} {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	t.Fatal("no Chromium: install one (apt-get install chromium), or set CHROMIUM to its program")
	return ""
}

// page builds the page.
func page(t *testing.T, args ...string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "page.html")
	command(t, "../..", "go", append([]string{"run", "./scripts/page", "-o", file}, args...)...)
	return file
}

// second is another way to a node, with a host of its own.
func second(t *testing.T, address string) string {
	t.Helper()
	to, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(httputil.NewSingleHostReverseProxy(&url.URL{Scheme: to.Scheme, Host: to.Host}))
	t.Cleanup(server.Close)
	return server.URL + to.Path
}

// vectorsAsWASM serves the tests of anchor/log, compiled for browsers, with the vectors
// that they read.
func vectorsAsWASM(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	command(t, ".", "env", "GOOS=js", "GOARCH=wasm", "go", "test", "-c", "-o", filepath.Join(dir, "log.test.wasm"), "../log")
	mux := http.NewServeMux()
	mux.Handle("/", http.FileServer(http.Dir(dir)))
	mux.Handle("/vectors/", http.StripPrefix("/vectors/", http.FileServer(http.Dir("../../docs/formats/vectors"))))
	mux.Handle("/wasm/", http.StripPrefix("/wasm/", http.FileServer(http.Dir(filepath.Join(command(t, ".", "go", "env", "GOROOT"), "lib/wasm")))))
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	return server.URL
}

func command(t *testing.T, dir, name string, args ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), name, args...)
	cmd.Dir, cmd.Stderr = dir, os.Stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s %v: %v", name, args, err)
	}
	return strings.TrimSpace(string(out))
}
