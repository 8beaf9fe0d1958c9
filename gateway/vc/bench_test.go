package vc_test

import (
	"context"
	"crypto/ed25519"
	"crypto/sha256"
	"slices"
	"testing"
	"time"

	"github.com/killick-ledger/killick/chaincode/did"
	"github.com/killick-ledger/killick/chaincode/ops/opstest"
	"github.com/killick-ledger/killick/gateway/vc"
)

func sha256Of(data []byte) [32]byte { return sha256.Sum256(data) }

// BenchmarkVerify verifies one credential of 0.9 kB in each form, and beside it the
// bare signature of the same key.
func BenchmarkVerify(b *testing.B) {
	v := verifier(b)
	ctx := context.Background()
	for _, alg := range did.Algorithms {
		s := keySigner("issuer", alg)
		unsecured := []byte(alumni(controller(s)))
		key := must[*vc.Method](b)(vc.KeyMethod(s.Method)).Key
		message := make([]byte, 64)
		signature := must[[]byte](b)(s.Sign(message))
		b.Run(string(alg)+"/bare", func(b *testing.B) {
			defer opstest.MeasureCPU(b)()
			for b.Loop() {
				if !key.Verify(message, signature) {
					b.Fatal("refused")
				}
			}
		})
		verify := func(name string, secured []byte) {
			b.Run(string(alg)+"/"+name, func(b *testing.B) {
				b.ReportAllocs()
				defer opstest.MeasureCPU(b)()
				for b.Loop() {
					if _, err := v.Credential(ctx, secured, now); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
		if alg != did.ES256K {
			verify("proof", must[[]byte](b)(v.Contexts.Issue(unsecured, s, proofTimes)))
		}
		verify("jwt", []byte(must[string](b)(v.Contexts.IssueJWT(unsecured, s))))
	}
}

// BenchmarkSelective verifies a dc+sd-jwt of eight hidden claims, all shown as its
// holder receives it, or three of them with the holder's key binding: two signatures.
func BenchmarkSelective(b *testing.B) {
	v := verifier(b)
	ctx := context.Background()
	for _, alg := range did.Algorithms {
		issuer, holder := keySigner("issuer", alg), keySigner("holder", alg)
		issued := must[string](b)(vc.IssueSelective([]byte(personClaims(controller(issuer))), personPaths, publicKey(b, "holder", alg), issuer))
		keep := func(path []string) bool { return path[0] == "age" || path[0] == "address" }
		presented := must[string](b)(vc.PresentSelective(issued, keep, holder, bindingOptions))
		verify := func(name, compact string, expect *vc.Expectation) {
			b.Run(string(alg)+"/"+name, func(b *testing.B) {
				b.ReportAllocs()
				defer opstest.MeasureCPU(b)()
				for b.Loop() {
					if _, err := v.Selective(ctx, []byte(compact), expect, now); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
		verify("received", issued, nil)
		verify("bound", presented, &selectiveRequest)
	}
}

// BenchmarkOfBare verifies in turn a signature of Ed25519 alone, with the standard
// library and with the rules of ZIP-215 as everywhere here, and a credential with
// eddsa-jcs-2022, and reports the medians as ratios: whatever else the machine does, it
// does to all three.
func BenchmarkOfBare(b *testing.B) {
	v := verifier(b)
	s := keySigner("issuer", did.EdDSA)
	key := must[*vc.Method](b)(vc.KeyMethod(s.Method)).Key
	message := make([]byte, 64) // of a proof two hashes are signed
	signature := must[[]byte](b)(s.Sign(message))
	secured := must[[]byte](b)(v.Contexts.Issue([]byte(alumni(controller(s))), s, proofTimes))
	steps := []func() bool{
		func() bool { return ed25519.Verify(key.Ed25519(), message, signature) },
		func() bool { return key.Verify(message, signature) },
		func() bool { _, err := v.Credential(context.Background(), secured, now); return err == nil },
	}
	taken := make([][]time.Duration, len(steps))
	for b.Loop() {
		for i, step := range steps {
			begin := time.Now()
			if !step() {
				b.Fatal("refused")
			}
			taken[i] = append(taken[i], time.Since(begin))
		}
	}
	median := func(i int) float64 {
		slices.Sort(taken[i])
		return float64(taken[i][len(taken[i])/2])
	}
	b.ReportMetric(median(2)/median(0), "of-standard-library")
	b.ReportMetric(median(2)/median(1), "of-zip215")
	b.ReportMetric(median(1)/1000, "median-us-zip215")
	b.ReportMetric(median(2)/1000, "median-us-eddsa-jcs-2022")
}
