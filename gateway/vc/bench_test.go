package vc_test

import (
	"context"
	"crypto/sha256"
	"testing"

	"github.com/killick-ledger/killick/chaincode/did"
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
			for b.Loop() {
				if !key.Verify(message, signature) {
					b.Fatal("refused")
				}
			}
		})
		verify := func(name string, secured []byte) {
			b.Run(string(alg)+"/"+name, func(b *testing.B) {
				b.ReportAllocs()
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

// BenchmarkSelective verifies a dc+sd-jwt of eight hidden claims, of which three are
// shown, with the holder's key binding: two signatures.
func BenchmarkSelective(b *testing.B) {
	v := verifier(b)
	issuer, holder := keySigner("issuer", did.EdDSA), keySigner("holder", did.EdDSA)
	issued := must[string](b)(vc.IssueSelective([]byte(personClaims(controller(issuer))), personPaths, publicKey(b, "holder", did.EdDSA), issuer))
	keep := func(path []string) bool { return path[0] == "age" || path[0] == "address" }
	presented := []byte(must[string](b)(vc.PresentSelective(issued, keep, holder, bindingOptions)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := v.Selective(context.Background(), presented, &selectiveRequest, now); err != nil {
			b.Fatal(err)
		}
	}
}
