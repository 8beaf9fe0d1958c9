package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
)

// suite is one of the W3C's suites.
type suite struct {
	name string // of its folder
	// config is what the suite's localConfig.cjs says of this implementation.
	config func(s *subject) map[string]any
	// explained are the titles of the tests that fail for a reason that
	// docs/conformance.md gives.
	explained map[string]bool
}

var all = []suite{
	{name: "did-resolution-mocha-test-suite", config: func(s *subject) map[string]any {
		return map[string]any{"didResolvers": []any{map[string]any{
			"id": s.http, "endpoint": s.http + "/1.0/identifiers", "tags": []string{"did-resolution"},
			"supportedDids": map[string]any{
				"valid":            []any{didOf(s.live, nil), didOf(s.live, map[string]any{"versionId": "1"}), didOf(s.did(edKeys), nil)},
				"notFound":         s.unknown,
				"deactivated":      s.ended,
				"derefUrls":        []any{map[string]any{"didUrl": s.live + "#files"}, map[string]any{"didUrl": s.method(edKeys)}},
				"serviceDerefUrls": []any{map[string]any{"didUrl": s.live + "?service=files&relativeRef=x"}},
			},
		}}}
	}},
	{name: "vc-data-model-2.0-test-suite", config: func(s *subject) map[string]any {
		return map[string]any{
			"issuers": []any{s.issuer(edKeys, nil, "vc2.0")}, "verifiers": []any{s.verifier(nil, "vc2.0")},
			"vpVerifiers": []any{map[string]any{"id": s.did(edKeys), "endpoint": s.http + "/presentations/verify", "tags": []string{"vc2.0"}}},
		}
	}, explained: map[string]bool{
		"Advanced Concepts Killick The value of the relatedResource property MUST be one or more objects of the following form:": true,
	}},
	{name: "vc-di-eddsa-test-suite", config: func(s *subject) map[string]any {
		return map[string]any{"issuers": []any{s.issuer(edKeys, nil, "eddsa-jcs-2022")}, "verifiers": []any{s.verifier(nil, "eddsa-jcs-2022", "eddsa-rdfc-2022")}}
	}, explained: map[string]bool{
		"Data Integrity (eddsa-rdfc-2022 verifiers) Killick An OPTIONAL string value (proof.previousProof) or unordered list of string values. Each value identifies another data integrity proof that MUST verify before the current proof is processed.": true,
		"Data Integrity (eddsa-rdfc-2022 verifiers) Killick If an unordered list (proof), all referenced proofs in the array MUST verify.":                                                                                                                 true,
	}},
	{name: "vc-di-ecdsa-test-suite", config: func(s *subject) map[string]any {
		curves := map[string]any{"supportedEcdsaKeyTypes": []string{"P-256"}}
		return map[string]any{"issuers": []any{s.issuer(p256Keys, curves, "ecdsa-jcs-2019")}, "verifiers": []any{s.verifier(curves, "ecdsa-jcs-2019")}}
	}, explained: map[string]bool{
		"Algorithms - Verify Proof (ecdsa-jcs-2019) Killick The following algorithm specifies how to verify a data integrity proof given an secured data document. Required inputs are an secured data document (map securedDocument). This algorithm returns a verification result.": true,
	}},
	{name: "vc-bitstring-status-list-test-suite", config: func(s *subject) map[string]any {
		return map[string]any{"issuers": []any{s.ledgerIssuer("BitstringStatusList", "Revocation", "Suspension")},
			"verifiers": []any{s.verifier(nil, "BitstringStatusList", "Revocation", "Suspension")}}
	}},
}

func didOf(did string, options map[string]any) map[string]any {
	if options == nil {
		options = map[string]any{}
	}
	return map[string]any{"did": did, "resolutionOptions": options}
}

// outcome is what came out of a suite.
type outcome struct {
	suite   suite
	passed  int
	skipped int
	failed  map[string]string // title to message
}

func (o *outcome) unexplained() []string {
	var titles []string
	for title := range o.failed {
		if !o.suite.explained[title] {
			titles = append(titles, title)
		}
	}
	slices.Sort(titles)
	return titles
}

// measure runs a suite. Its localConfig.cjs is written for that and taken out again.
func (s *subject) measure(ctx context.Context, suite suite) (*outcome, error) {
	dir := filepath.Join(s.suites, suite.name)
	if _, err := os.Stat(filepath.Join(dir, "node_modules")); err != nil {
		return nil, fmt.Errorf("clone it there and run npm install in it: %w", err)
	}
	implementation := suite.config(s)
	implementation["name"], implementation["implementation"] = "Killick", "gateway"
	config, err := json.Marshal(map[string]any{
		"settings":        map[string]any{"enableInteropTests": false, "testAllImplementations": false},
		"implementations": []any{implementation},
	})
	if err != nil {
		return nil, err
	}
	local := filepath.Join(dir, "localConfig.cjs")
	if err := os.WriteFile(local, []byte("module.exports = "+string(config)+";\n"), 0o600); err != nil {
		return nil, err
	}
	defer os.Remove(local)
	file := filepath.Join(s.dir, suite.name+".json")
	if err := os.Remove(file); err != nil && !errors.Is(err, os.ErrNotExist) { // of an earlier run
		return nil, err
	}
	fmt.Printf("%s ...\n", suite.name)
	c := exec.CommandContext(ctx, filepath.Join(dir, "node_modules/.bin/mocha"), "tests/", "--no-config",
		"--reporter", "json", "--reporter-option", "output="+file, "--timeout", "30000", "--preserve-symlinks")
	c.Dir = dir
	c.Env = append(os.Environ(), "APP_ROOT_PATH="+dir, "NODE_EXTRA_CA_CERTS="+s.path("edge.pem"))
	output, err := c.CombinedOutput()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) { // it exits with the number of failures
		return nil, err
	}
	data, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("mocha wrote no report: %s", bytes.TrimSpace(output))
	}
	return read(suite, data)
}

// read reads the report of mocha's JSON reporter.
func read(suite suite, data []byte) (*outcome, error) {
	var report struct {
		Stats    struct{ Passes, Pending int }
		Failures []struct {
			FullTitle string
			Err       struct{ Message string }
		}
	}
	if err := json.Unmarshal(data, &report); err != nil {
		return nil, fmt.Errorf("mocha's report: %w", err)
	}
	if report.Stats.Passes == 0 {
		return nil, errors.New("no test passed: the suite did not find this implementation")
	}
	o := &outcome{suite: suite, passed: report.Stats.Passes, skipped: report.Stats.Pending, failed: map[string]string{}}
	for _, f := range report.Failures {
		o.failed[f.FullTitle] = f.Err.Message
	}
	return o, nil
}
