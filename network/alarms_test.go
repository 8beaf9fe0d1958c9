package main

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

func TestAlarmsAreShown(t *testing.T) {
	for answer, want := range map[string]string{
		`{"organisation":"Org1MSP","alarms":["program of Org2MSP: it differs"]}`: "alarm    program of Org2MSP: it differs, says the anchor of Org1MSP\n",
		`{"organisation":"Org1MSP","alarms":[]}`:                                 "",
		`{"organisation":"Org1MSP","alarms":["posts: a\nb \u001b[2J"]}`:          "alarm    posts: a b  [2J, says the anchor of Org1MSP\n",
		`nonsense`: "",
	} {
		web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, answer) }))
		var out strings.Builder
		writeAlarms(&out, web.URL)
		web.Close()
		if out.String() != want {
			t.Errorf("%s: %q, want %q", answer, out.String(), want)
		}
	}
}

// An error quotes what other organisations' nodes said.
func TestErrorsOnTheTerminal(t *testing.T) {
	if got, want := lines("consortium.yaml:\n\tno \u001b]0;x\a\r\nend"), "consortium.yaml:\n no  ]0;x  \nend"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}
