package api_test

import (
	"bufio"
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
		fmt.Fprintf(conn, "POST /v1/operations:batch HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: %d\r\nExpect: 100-continue\r\n\r\n", size)
		// The server gives leave when it begins to read, so the room is taken then.
		leave, err := bufio.NewReader(conn).ReadString('\n')
		if err != nil || !strings.HasPrefix(leave, "HTTP/1.1 100 ") {
			t.Fatalf("no leave to send a body: %q, %v", leave, err)
		}
	}
	// The client waits for leave as well: a connection that is closed while the body
	// is under way may lose the answer.
	patient := &http.Client{Transport: &http.Transport{ExpectContinueTimeout: time.Minute}}
	t.Cleanup(patient.CloseIdleConnections)
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, h.url+"/v1/operations:batch", strings.NewReader(strings.Repeat(" ", size)))
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("Expect", "100-continue")
	response, err := patient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	after := response.Header.Get("Retry-After")
	if status, _, got := h.read(response); got.Code != "overloaded" || after != "1" {
		t.Errorf("status %d, code %q, Retry-After %q", status, got.Code, after)
	}
}

func TestMetrics(t *testing.T) {
	t.Parallel()
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
