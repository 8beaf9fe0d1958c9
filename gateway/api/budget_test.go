package api_test

import (
	"fmt"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"
)

// Requests whose bodies are announced and do not come take no more memory together
// than there is for them; the next one is told when to come back, unread. Metrics
// and queries are served again when they are gone.
func TestRequestsTakeBoundedMemory(t *testing.T) {
	h := start(t)
	const size = 8 << 20
	for range 15 { // of 128 MB
		conn, err := net.Dial("tcp", strings.TrimPrefix(h.url, "http://"))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = conn.Close() })
		fmt.Fprintf(conn, "POST /v1/operations:batch HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n{", size)
	}
	deadline := time.Now().Add(30 * time.Second)
	for {
		response, err := http.Post(h.url+"/v1/operations:batch", "application/json", strings.NewReader(strings.Repeat(" ", size)))
		if err == nil { // otherwise the connection was closed while the body was sent
			after := response.Header.Get("Retry-After")
			if _, _, got := h.read(response); got.Code == "overloaded" && after == "1" {
				return
			}
		}
		if time.Now().After(deadline) {
			t.Fatal("no refusal within 30 s")
		}
	}
}

func TestMetrics(t *testing.T) {
	h := start(t)
	jws, _ := h.alice.Record("measured")
	if status, data, _ := h.post("/v1/operations", strings.NewReader(`{"operation":"`+jws+`"}`)); status != 200 {
		t.Fatalf("%d %s", status, data)
	}
	_, data, _ := h.get("/metrics")
	for _, want := range []string{
		"killick_operations_done_total ", "killick_operation_seconds_bucket{le=\"+Inf\"} ", "killick_batch_operations_count ",
		"killick_batch_hold_seconds_bucket{le=\"0.02\"} ", "killick_batch_limit 500", "killick_operations_pending 0",
	} {
		if !strings.Contains(string(data), want) {
			t.Errorf("no %q in\n%s", want, data)
		}
	}
}
