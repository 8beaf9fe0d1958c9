package evm_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/killick-ledger/killick/anchor/evm"
)

// A node that sends without end fills no memory, whatever status it begins with.
func TestAnswersAreBounded(t *testing.T) {
	const all = 64 << 20
	for _, status := range []int{200, 500} {
		var sent atomic.Int64
		s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(status)
			text := []byte(strings.Repeat("0", 1<<20))
			_, err := w.Write([]byte(`{"jsonrpc":"2.0","id":1,"result":"0x`))
			for err == nil && sent.Load() < all {
				_, err = w.Write(text)
				sent.Add(int64(len(text)))
			}
		}))
		defer s.Close()
		_, err := evm.Dial(t.Context(), evm.Config{Chain: chain, URLs: []string{s.URL}})
		if err == nil || sent.Load() >= all {
			t.Errorf("status %d: %d bytes sent, %v", status, sent.Load(), err)
		}
	}
}
