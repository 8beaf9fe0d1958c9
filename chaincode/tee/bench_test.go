package tee_test

import (
	"testing"

	"github.com/killick-ledger/killick/chaincode/tee"
	"github.com/killick-ledger/killick/chaincode/tee/simulated"
)

func BenchmarkAppraise(b *testing.B) {
	for _, m := range makers {
		b.Run(m.name, func(b *testing.B) {
			p := simulated.New(m.spec())
			quote, c, roots := p.Quote(data), p.Collateral(), p.Roots()
			b.ReportAllocs()
			for b.Loop() {
				if _, err := tee.Appraise(quote, c, roots, now, nil); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkRead(b *testing.B) {
	quote := simulated.New(makers[1].spec()).Quote(data)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := tee.Read(quote); err != nil {
			b.Fatal(err)
		}
	}
}
