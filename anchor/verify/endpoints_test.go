package main

import (
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"
)

// Who must answer for a chain, and what becomes of those that do not.
func TestEndpoints(t *testing.T) {
	s := stage(t, nil)
	lying := stage(t, func(c *chain) { c.Roots = nil })
	moved := httptest.NewServer(http.RedirectHandler(s.evm, http.StatusTemporaryRedirect))
	defer moved.Close()
	gone := httptest.NewServer(nil)
	gone.Close()
	again := stage(t, nil)
	both := []string{"--evm", s.evm, "--tron", s.tron}
	with := func(more ...string) []string { return slices.Concat(both, more) }
	tests := []struct {
		name string
		args []string
		exit int
		want string
	}{
		{"two each", []string{"--evm", s.evm, "--evm", again.evm, "--tron", s.tron, "--tron", again.tron}, exitVerified, "VERIFIED at depth L1"},
		{"one each", both, exitPartly, "alone answered: 2 at different hosts or ports must agree"},
		{"one each, which is enough", with("--one-endpoint"), exitVerified, "which --one-endpoint takes as enough"},
		{"two of one chain, one of the other", with("--evm", again.evm), exitPartly, "alone answered"},
		{"the same one twice", with("--evm", s.evm, "--tron", s.tron+"?a"), exitPartly, "alone answered"},
		{"one chain", []string{"--evm", s.evm, "--evm", again.evm}, exitPartly, "no endpoint was given"},
		{"offline", []string{"--offline"}, exitPartly, "NOT FULLY CHECKED"},
		{"two that differ", with("--evm", lying.evm, "--tron", again.tron), exitInvalid, "INVALID"},
		{"one that is enough and another that differs", with("--evm", lying.evm, "--one-endpoint"), exitInvalid, "INVALID"},
		{"one of two answers", with("--evm", gone.URL, "--tron", again.tron), exitPartly, "not used"},
		{"two of three answer", with("--evm", gone.URL, "--evm", again.evm, "--tron", again.tron), exitVerified, "not used"},
		{"one of two serves another chain", with("--evm", s.tron, "--one-endpoint"), exitVerified, "not used"},
		{"none answers", []string{"--evm", gone.URL, "--tron", s.tron}, exitPartly, "refused"},
		{"redirect", []string{"--evm", moved.URL, "--tron", s.tron}, exitPartly, "HTTP status 307"},
		{"chains swapped", []string{"--evm", s.tron, "--tron", s.evm}, exitPartly, "serves chain"},
		{"no URL", []string{"--evm", "ftp://x", "--tron", s.tron}, exitPartly, "not an http"},
		{"offline with chains", []string{"--offline", "--evm", s.evm}, exitPartly, "reads no chain"},
		{"unknown flag", []string{"--xyz"}, exitPartly, "not defined"},
		{"two bundles", []string{"another"}, exitPartly, "one BUNDLE"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			code, out := s.run(append([]string{s.bundle, "--policy", s.policy}, tt.args...)...)
			if code != tt.exit || !strings.Contains(out, tt.want) {
				t.Errorf("exit %d:\n%s", code, out)
			}
		})
	}
	if code, out := s.run("--policy", s.policy, "--evm", s.evm, s.bundle, "--one-endpoint", "--tron", s.tron); code != exitVerified {
		t.Errorf("bundle between flags: exit %d\n%s", code, out)
	}
	if code, _ := s.run(s.bundle, "--policy", s.bundle); code != exitPartly {
		t.Errorf("a policy that is none: exit %d", code)
	}
	if code, _ := s.run(s.policy, "--policy", s.policy, "--offline"); code != exitInvalid {
		t.Errorf("a bundle that is none: exit %d", code)
	}
	if code, out := s.run("--help"); code != exitPartly || !strings.Contains(out, "exit 0: verified") {
		t.Errorf("help: exit %d\n%s", code, out)
	}
}

// However it is written, one host and port is one party.
func TestParty(t *testing.T) {
	for _, same := range [][]string{
		{"https://rpc.example/v3/key", "https://RPC.example", "https://rpc.example.:443", "https://user@rpc.example:443/other"},
		{"http://rpc.example", "http://rpc.example:80/"},
		{"http://[::1]:8545", "http://[::1]:8545/jsonrpc", "http://[0:0::0:1]:08545"},
		{"https://192.0.2.1", "https://192.0.2.1:0443", "https://[::ffff:192.0.2.1]:443"},
		{"https://rpc.example:8545"},
	} {
		for _, url := range same {
			if got := party(url); got != party(same[0]) {
				t.Errorf("%s is %s, %s is %s", url, got, same[0], party(same[0]))
			}
		}
		if other := party("https://rpc.example:8080"); other == party(same[0]) {
			t.Errorf("%s is %s", same[0], other)
		}
	}
}

// An endpoint that takes requests and never answers costs its own time, not that
// of those after it.
func TestEndpointThatHangs(t *testing.T) {
	t.Parallel()
	s := stage(t, nil)
	done := make(chan struct{})
	silent := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-done }))
	defer silent.Close()
	defer close(done)
	code, out := exitPartly, ""
	for limit := time.Second / 2; code != exitVerified && limit < time.Minute; limit *= 2 { // the machine may be slow
		code, out = s.run(s.bundle, "--policy", s.policy, "--evm", silent.URL, "--evm", s.evm, "--tron", s.tron, "--one-endpoint", "--timeout", limit.String())
	}
	if code != exitVerified || !strings.Contains(out, "not used") {
		t.Errorf("exit %d:\n%s", code, out)
	}
}

// A key in an endpoint's URL does not reach the output.
func TestNoURLInOutput(t *testing.T) {
	s := stage(t, nil)
	gone := httptest.NewServer(nil)
	gone.Close()
	for _, url := range []string{gone.URL, "ftp://rpc.example", "rpc.example", "http://[rpc.example", "http://%zz"} {
		_, out := s.run(s.bundle, "--policy", s.policy, "--evm", url+"/v3/secret-key", "--tron", s.tron)
		if strings.Contains(out, "secret-key") {
			t.Errorf("the URL is in the output:\n%s", out)
		}
	}
}
