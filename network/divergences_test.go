package main

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

func TestDivergencesAreShown(t *testing.T) {
	for answer, want := range map[string]string{
		`{"status":"ok","divergences":[{"organisation":"Org2MSP","count":2,"time":"2026-01-02T03:04:05Z","operations":["aa","bb"],"text":"it differs"}]}`: "differs  Org2MSP on 2 batches, says the gateway URL; last 2026-01-02T03:04:05Z: it differs (operations aa, bb)\n",
		`{"status":"ok"}`: "",
		`nonsense`:        "",
	} {
		web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, answer) }))
		var out strings.Builder
		writeDivergences(&out, web.URL)
		web.Close()
		if got := strings.ReplaceAll(out.String(), web.URL, "URL"); got != want {
			t.Errorf("%s: %q, want %q", answer, got, want)
		}
	}
	var out strings.Builder
	if writeDivergences(&out, "http://127.0.0.1:0"); out.Len() > 0 {
		t.Errorf("no gateway: %q", out.String())
	}
}
