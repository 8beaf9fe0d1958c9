// Command page builds the verifier's page: one HTML file that holds anchor/verify as
// WebAssembly. The same source and the same Go make the same bytes. Run it from the
// repository's folder.
package main

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"flag"
	"fmt"
	"html"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/killick-ledger/killick/anchor/log"
)

const (
	parts = "anchor/verify/page"
	limit = 2_500_000 // bytes of the page, compressed; a promise to auditors
)

func main() {
	out := flag.String("o", ".killick/killick-verify.html", "`file` to write")
	policy := flag.String("policy", "", "policy `file` to build into the page, so that its users pin it with the page")
	flag.Parse()
	if err := build(*out, *policy); err != nil {
		fmt.Fprintf(os.Stderr, "page: %v\n", err)
		os.Exit(1)
	}
}

func build(out, policy string) error {
	program, err := compile()
	if err != nil {
		return err
	}
	page, err := assemble(program, policy)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(out), 0o755); err != nil {
		return err
	}
	if err := os.WriteFile(out, page, 0o644); err != nil {
		return err
	}
	small, err := compress(page)
	if err != nil {
		return err
	}
	fmt.Printf("  %-36s %d bytes, %d compressed; the program in it %d\n", filepath.Base(out), len(page), len(small), len(program))
	if len(small) > limit {
		return fmt.Errorf("%s is longer than %d bytes compressed", out, limit)
	}
	return nil
}

// compile builds the program, without secp256k1's table of multiples of the base point:
// it would be a third of it.
func compile() (program []byte, err error) {
	work, err := os.MkdirTemp("", "killick-page-")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(work)) }()
	if _, err := output("off", "scripts/small", work); err != nil {
		return nil, err
	}
	workspace, file := filepath.Join(work, "go.work"), filepath.Join(work, "killick-verify.wasm")
	// Without inlining the program is smaller by a sixth.
	_, err = output(workspace, "go", "build", "-tags", "tinygo", "-trimpath", "-buildvcs=false",
		"-gcflags=all=-l", "-ldflags=-s -w -buildid=", "-o", file, "./anchor/verify")
	if err != nil {
		return nil, err
	}
	return os.ReadFile(file)
}

// output runs a program for WebAssembly, in a workspace or "off", and returns what it
// prints.
func output(workspace, name string, args ...string) (string, error) {
	cmd := exec.Command(name, args...)
	cmd.Env = append(os.Environ(), "GOOS=js", "GOARCH=wasm", "CGO_ENABLED=0", "GOWORK="+workspace, "GOFLAGS=", "GOEXPERIMENT=", "GOFIPS140=", "GOWASM=")
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("%s: %w\n%s", strings.Join(append([]string{name}, args[:1]...), " "), err, stderr.String())
	}
	return strings.TrimSpace(string(out)), nil
}

// assemble puts the parts into one file.
func assemble(program []byte, policy string) ([]byte, error) {
	text := map[string]string{}
	for _, name := range []string{"page.html", "page.css", "page.js", "frame.js"} {
		b, err := os.ReadFile(filepath.Join(parts, name))
		if err != nil {
			return nil, err
		}
		text[name] = string(b)
	}
	goroot, err := output("off", "go", "env", "GOROOT")
	if err != nil {
		return nil, err
	}
	glue, err := os.ReadFile(filepath.Join(goroot, "lib/wasm/wasm_exec.js"))
	if err != nil {
		return nil, err
	}
	frame := string(glue) + "\n" + text["frame.js"]
	script := strings.ReplaceAll(text["page.js"], "{{frame-hash}}", hashOf(frame))
	for _, s := range []string{frame, script} {
		if strings.Contains(strings.ToLower(s), "</script") || strings.Contains(s, "<!--") || strings.Contains(s, "\r") {
			return nil, errors.New("a script holds what would end it inside HTML")
		}
	}
	small, err := compress(program)
	if err != nil {
		return nil, err
	}
	pinned, name, err := pin(policy)
	if err != nil {
		return nil, err
	}
	digest := sha256.Sum256(program)
	// The frame inherits this and may do what both allow: which connections the user
	// allows is decided when a frame is made.
	csp := fmt.Sprintf("default-src 'none'; script-src 'sha256-%s' 'sha256-%s' 'wasm-unsafe-eval'; style-src 'sha256-%s'; img-src data:; connect-src http: https:; base-uri 'none'; form-action 'none'",
		hashOf(script), hashOf(frame), hashOf(text["page.css"]))
	return []byte(strings.NewReplacer(
		"{{policy}}", csp, "{{style}}", text["page.css"], "{{script}}", script, "{{frame}}", frame,
		"{{digest}}", hex.EncodeToString(digest[:]), "{{program}}", base64.StdEncoding.EncodeToString(small),
		"{{pinned}}", pinned, "{{pinned-name}}", html.EscapeString(name),
	).Replace(text["page.html"])), nil
}

// pin reads the policy, which must be one.
func pin(policy string) (encoded, name string, err error) {
	if policy == "" {
		return "", "", nil
	}
	data, err := os.ReadFile(policy)
	if err != nil {
		return "", "", err
	}
	if _, err := log.ParsePolicy(data); err != nil {
		return "", "", fmt.Errorf("%s: %w", policy, err)
	}
	return base64.StdEncoding.EncodeToString(data), filepath.Base(policy), nil
}

// hashOf is how Content-Security-Policy names an inline script.
func hashOf(script string) string {
	h := sha256.Sum256([]byte(script))
	return base64.StdEncoding.EncodeToString(h[:])
}

func compress(data []byte) ([]byte, error) {
	var b bytes.Buffer
	w, err := gzip.NewWriterLevel(&b, gzip.BestCompression)
	if err != nil {
		return nil, err
	}
	if _, err := w.Write(data); err != nil {
		return nil, err
	}
	err = w.Close()
	return b.Bytes(), err
}
