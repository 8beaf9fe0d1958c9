package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"flag"
	"fmt"
	"testing"

	"github.com/hyperledger/fabric-protos-go-apiv2/ledger/rwset/kvrwset"

	"github.com/killick-ledger/killick/anchor/block/blocktest"
)

// verification is the CPU time of one P-256 verification in seconds, here and now.
func verification(b *testing.B) float64 {
	key := blocktest.Must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))
	digest := make([]byte, 32)
	signature := blocktest.Must(ecdsa.SignASN1(rand.Reader, key, digest))
	const times = 2000
	begin := cpuTime()
	for range times {
		if !ecdsa.VerifyASN1(&key.PublicKey, digest, signature) {
			b.Fatal("not verified")
		}
	}
	return (cpuTime() - begin).Seconds() / times
}

var fsckMB = flag.Int("fsck.mb", 32, "megabytes of blocks that BenchmarkFsck checks")

// BenchmarkFsck checks block files in a log's folder, with and without signatures: blocks
// of 100 transactions of one write, and of four batches of 500. Each transaction has its
// creator's and two endorsers' signatures, each block those of three orderers. 200
// transactions of each kind are made, and occur again and again; nothing remembers that
// their signatures were checked.
//
// Beside MB/s stands least-MB/s, the target on two cores that do nothing else: 1 GB in 60 s
// without signatures, and with them half of what two cores of the processor of
// docs/benchmarks.md can verify, 33 MB/s and (for batches of 200, smaller than these) 346.
func BenchmarkFsck(b *testing.B) {
	for _, kind := range []struct {
		name             string
		txs, writes, arg int // in a block; in a transaction; bytes of its arguments
		least            float64
	}{{"one operation", 100, 1, 300, 33. / 2}, {"batches of 500", 4, 500, 150_000, 346. / 2}} {
		a := newArchive(b)
		var pool [][]byte
		for i := range 200 {
			var writes []*kvrwset.KVWrite
			for w := range kind.writes {
				writes = append(writes, put(fmt.Sprintf("op/%08x/%064x", i, w), fmt.Sprintf("%0200d", w)))
			}
			pool = append(pool, a.tx(make([]byte, kind.arg), writes...))
		}
		size := 0
		for n := 0; size < *fsckMB*1e6; n++ {
			var envelopes [][]byte
			for i := range kind.txs {
				envelopes = append(envelopes, pool[(n*kind.txs+i)%len(pool)])
			}
			a.add(make([]byte, kind.txs), envelopes...)
			size += len(a.stored[len(a.stored)-1])
		}
		each := max(1, len(a.stored)*64/max(*fsckMB, 64)) // about 64 MB in a file, as Fabric has it
		a.write(0, each, len(a.stored))
		a.stored, a.blocks = nil, nil
		for _, o := range []fsckOptions{{}, {noSignatures: true}} {
			name, least := kind.name+"/all signatures", kind.least
			if o.noSignatures {
				name, least = kind.name+"/no signatures", 1000./60
			}
			b.Run(name, func(b *testing.B) {
				b.SetBytes(int64(size))
				cpu, ideal := 0.0, 0.0
				verify := verification(b)
				for b.Loop() {
					r, err := a.fsck(o)
					if err != nil {
						b.Fatal(err, r.Difference)
					}
					cpu += r.CPUSeconds
					ideal += float64(3*r.Txs+3*r.Blocks) * verify
				}
				b.ReportMetric(least, "least-MB/s")
				b.ReportMetric(cpu/float64(b.N)/float64(size)*1e9, "cpu-s/GB")
				if !o.noSignatures {
					b.ReportMetric(verify*1e6, "us/P-256")
					b.ReportMetric(ideal/cpu*100, "%verifying")
				}
			})
		}
	}
}
