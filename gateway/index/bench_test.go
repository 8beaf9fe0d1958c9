package index_test

import (
	"context"
	"encoding/binary"
	"fmt"
	"log/slog"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/killick-ledger/killick/chaincode/canon"
	"github.com/killick-ledger/killick/chaincode/ledger"
	"github.com/killick-ledger/killick/chaincode/record"
	"github.com/killick-ledger/killick/gateway/index"
	"github.com/killick-ledger/killick/gateway/submit"
	"github.com/killick-ledger/killick/gateway/submit/submittest"
)

const benchOwners = 10_000

// benchBlocks are blocks of 500 new records, of 10,000 owners and 20 schemas, on a
// ledger that has first records before them.
func benchBlocks(first, blocks int) []submit.Block {
	out := make([]submit.Block, blocks)
	n := first
	for b := range out {
		tx := submit.Committed{Valid: true, Time: uint64(1_700_000_000 + b)}
		for range 500 {
			id := canon.Sum(binary.BigEndian.AppendUint64(nil, uint64(n)))
			owner := canon.Sum(fmt.Append(nil, "owner ", n%benchOwners))
			v := record.Value{Status: record.Live, Version: 1, Owner: ledger.ID(owner[:20]), Commitment: id, Size: uint64(n), Schema: fmt.Sprint("schema-", n%20), Location: "https://example.org/records"}
			ref := ledger.Reference{Expiry: uint32(1_700_003_600 + b), ID: id}
			tx.Writes = append(tx.Writes, submit.Write{Key: record.Key(ref.String()), Value: v.Encode()})
			n++
		}
		out[b] = submit.Block{Number: uint64(b), Transactions: []submit.Committed{tx}}
	}
	return out
}

func benchIndex(b *testing.B, blocks []submit.Block) *index.Index {
	b.Helper()
	x, err := index.Open(index.Config{File: filepath.Join(b.TempDir(), "index"), Network: submittest.Network, Ledger: fixed(blocks), Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = x.Close() })
	if err := x.Reach(context.Background(), uint64(len(blocks))); err != nil {
		b.Fatal(err)
	}
	return x
}

// BenchmarkTake is what the index costs for each record that the ledger creates: CPU
// time, from blocks that are decoded. An operation is a block of 500.
func BenchmarkTake(b *testing.B) {
	blocks := benchBlocks(0, b.N)
	b.ResetTimer()
	begin := cpu()
	benchIndex(b, blocks)
	b.ReportMetric(float64((cpu()-begin).Nanoseconds())/1000/float64(b.N*500), "cpu-us/record")
}

// BenchmarkPage reads a page of 100 of 100,000 records.
func BenchmarkPage(b *testing.B) {
	x := benchIndex(b, benchBlocks(0, 200))
	first, err := x.Records(context.Background(), index.Records{})
	if err != nil {
		b.Fatal(err)
	}
	for name, q := range map[string]index.Records{
		"all": {}, "owner": {Owner: first.Items[0].Owner}, "schema": {Schema: "schema-7"}, "time": {Since: 1_700_000_100}, "deleted, of which there are none": {Status: "deleted"},
	} {
		b.Run(name, func(b *testing.B) {
			begin := cpu()
			for range b.N {
				if _, err := x.Records(context.Background(), q); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64((cpu()-begin).Nanoseconds())/1000/float64(b.N), "cpu-us/page")
		})
	}
}

// cpu is the CPU time that the process has used.
func cpu() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		panic(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
