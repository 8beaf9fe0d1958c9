package ops_test

import (
	"testing"

	"github.com/killick-ledger/killick/chaincode/fault"
	"github.com/killick-ledger/killick/chaincode/ledger"
	"github.com/killick-ledger/killick/chaincode/ops"
	"github.com/killick-ledger/killick/chaincode/ops/opstest"
)

// BenchmarkOperation applies one operation of each kind alone, with its signature, on the
// store in memory, up to what it would write. BenchmarkBatch shows what is left of it
// in a batch.
func BenchmarkOperation(b *testing.B) {
	scene := opstest.NewScene(b, opstest.Start)
	for _, name := range ops.Names() {
		b.Run(name, func(b *testing.B) {
			item, _ := scene.Item(scene.Examples[name])
			frame, err := ops.EncodeFrame([]ops.Item{item})
			if err != nil {
				b.Fatal(err)
			}
			b.ReportAllocs()
			defer opstest.MeasureCPU(b)()
			for b.Loop() {
				tx := ledger.Begin(scene.Store, scene.Now, ledger.Caller{})
				answer, err := scene.Engine.Invoke(tx, "ops:Batch", [][]byte{frame})
				if err != nil || fault.Code(answer[0]) != fault.OK || len(tx.Changes()) == 0 {
					b.Fatal(answer, err)
				}
			}
		})
	}
}
