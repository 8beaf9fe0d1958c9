package cli_test

import (
	"strings"
	"testing"
)

func TestLogin(t *testing.T) {
	t.Parallel()
	w := founded(t)
	w.do("keys", "new", "--out", w.path("alice"), "--alg", "ES256K")
	keys := w.path("alice.keys")
	// A DID that is not there cannot log in.
	if exit, out, errOut := w.run("login", "--keys", keys, "--url", w.url); exit != 1 || out != "" || !strings.Contains(errOut, "invalid_grant") {
		t.Errorf("before the DID: exit %d, %s%s", exit, out, errOut)
	}
	did := w.do("did", "create", "--keys", keys)["did"]
	v := w.do("login", "--keys", keys, "--url", w.url)
	if v["did"] != did || v["key"] != did.(string)+"#key-1" || v["waiting"].(map[string]any)["operations"] != 0.0 {
		t.Errorf("login: %v", v)
	}
	if v := w.do("call", "get", "/v1/me", "--keys", keys, "--url", w.url); v["did"] != did {
		t.Errorf("call: %v", v)
	}
	for name, args := range map[string][]string{
		"a path that is not there":             {"call", "GET", "/v1/nothing", "--keys", keys, "--url", w.url},
		"a URL with a path":                    {"login", "--keys", keys, "--url", w.url + "/x"},
		"a name that is not the gateway's own": {"login", "--keys", keys, "--url", strings.Replace(w.url, "127.0.0.1", "localhost", 1)},
		"no file":                              {"call", "POST", "/v1/me", "--keys", keys, "--url", w.url, "--data", w.path("none.json")},
	} {
		if exit, out, errOut := w.run(args...); exit != 1 || out != "" || errOut == "" {
			t.Errorf("%s: exit %d, %s%s", name, exit, out, errOut)
		}
	}
}
