package send_test

import (
	"context"
	"encoding/hex"
	"fmt"
	"io"
	"log/slog"
	"time"

	"github.com/killick-ledger/killick/anchor/send"
)

func ExampleSender() {
	f := newFake(0)
	s, err := send.Open(":memory:", map[string]send.Chain{f.ID(): f}, send.Config{
		Now: func() time.Time { return f.now }, Log: slog.New(slog.NewTextHandler(io.Discard, nil)),
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer s.Close()
	ctx := context.Background()
	_ = s.Plan(ctx, f.ID(), intent("anchor/eip155:7/4711"))
	for range 16 { // Run does this, with pauses
		_ = s.Step(ctx)
		f.mine(block3)
	}
	st, err := s.Status(ctx, "anchor/eip155:7/4711")
	try, ours := st.Landed()
	fmt.Println(st.Phase, ours, try.Outcome.Block, hex.EncodeToString(st.Want), err)
	// Output: final true 1 01 <nil>
}
