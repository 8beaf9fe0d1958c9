package api_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/killick-ledger/killick/gateway/api"
)

func TestDivergencesAreShown(t *testing.T) {
	t.Parallel()
	found := []api.Divergence{{Organisation: "Org1MSP"}, {
		Organisation: "Org2MSP", Count: 3, Time: time.Unix(1_700_000_000, 0).UTC(), Transaction: zeros, Operations: []string{"aa"}, Text: "it differs",
	}}
	h := start(t, func(c *api.Config) { c.Divergences = func() []api.Divergence { return found } })
	status, data, _ := h.get("/healthz")
	want := "[map[count:3 operations:[aa] organisation:Org2MSP text:it differs time:2023-11-14T22:13:20Z transaction:" + zeros + "]]"
	if got := fmt.Sprint(object(t, data)["divergences"]); status != 200 || got != want {
		t.Errorf("%d, divergences %s, want %s", status, got, want)
	}
	_, data, _ = h.get("/metrics")
	for _, line := range []string{`killick_gateway_divergence_total{organisation="Org1MSP"} 0`, `killick_gateway_divergence_total{organisation="Org2MSP"} 3`} {
		if !strings.Contains(string(data), "\n"+line+"\n") {
			t.Errorf("metrics have no line %s:\n%s", line, data)
		}
	}
}
