package ops_test

import (
	"fmt"
	"testing"

	"github.com/killick-ledger/killick/chaincode/canon"
	"github.com/killick-ledger/killick/chaincode/ledger"
	"github.com/killick-ledger/killick/chaincode/ops"
	"github.com/killick-ledger/killick/chaincode/ops/opstest"
	"github.com/killick-ledger/killick/chaincode/reward"
)

// BenchmarkBatch applies batches of 500 operations of 2,000 DIDs on the store in
// memory. ns/op is for a batch; the metric us/operation is what counts.
func BenchmarkBatch(b *testing.B) {
	const size, accounts = 500, 2000
	for _, kind := range []string{"record.submit", "reward.pay"} {
		b.Run(kind, func(b *testing.B) {
			w := opstest.New(b)
			users := make([]*opstest.User, accounts)
			for i := range users {
				users[i] = opstest.NewUser(fmt.Sprint("bench ", i))
			}
			for at := 0; at < accounts; at += size {
				var items []ops.Item
				fund := reward.Fund{ID: canon.Hex(opstest.Seed(fmt.Sprint("fund ", at))), Asset: "usd"}
				for _, u := range users[at : at+size] {
					item, _ := w.Sign(u, &ops.DIDCreate{Document: u.Doc}, "")
					items = append(items, item)
					fund.Lines = append(fund.Lines, reward.Line{To: u.DID, Amount: 1 << 40})
				}
				w.Batch(items...)
				w.Must(w.Members[0].Caller(), "reward:Fund", fund)
			}
			frames := make([][]byte, 8)
			for f := range frames {
				items := make([]ops.Item, size)
				for i := range items {
					n := f*size + i
					body := ops.Body(opstest.Submit(fmt.Sprint("bench ", n)))
					if kind == "reward.pay" {
						body = opstest.Pay("usd", users[(n*7+1)%accounts], 5)
					}
					items[i], _ = w.Sign(users[n%accounts], body, "")
				}
				frames[f], _ = ops.EncodeFrame(items)
			}
			b.ReportAllocs()
			b.ResetTimer()
			for i := range b.N {
				tx := ledger.Begin(w.Store, w.Now, ledger.Caller{})
				answer, err := w.Engine.Invoke(tx, "ops:Batch", [][]byte{frames[i%len(frames)]})
				if err != nil || answer[0]|answer[size-1] != 0 {
					b.Fatal(err, answer)
				}
				tx.Changes()
			}
			b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(b.N*size), "us/operation")
		})
	}
}
