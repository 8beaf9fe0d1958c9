package certificate_test

import (
	"context"
	"encoding/json"
	"iter"
	"math/rand/v2"
	"testing"

	"github.com/killick-ledger/killick/chaincode/credential"
	"github.com/killick-ledger/killick/chaincode/did"
	"github.com/killick-ledger/killick/chaincode/ops/opstest"
	"github.com/killick-ledger/killick/gateway/certificate"
	"github.com/killick-ledger/killick/gateway/resolver"
	"github.com/killick-ledger/killick/gateway/status"
	"github.com/killick-ledger/killick/gateway/submit"
	"github.com/killick-ledger/killick/gateway/vc"
)

// given is a ledger with these blocks.
type given struct {
	submit.Ledger
	blocks []submit.Block
}

func (g *given) Blocks(_ context.Context, from uint64) iter.Seq2[submit.Block, error] {
	return func(yield func(submit.Block, error) bool) {
		for _, b := range g.blocks[from:] {
			if !yield(b, nil) {
				return
			}
		}
	}
}

// BenchmarkStatusList renders and signs a list of 131,072 entries, half of them revoked,
// after a block that changed it: from the index to what is sent.
func BenchmarkStatusList(b *testing.B) {
	issuer := opstest.NewUser("issuer")
	random := rand.New(rand.NewPCG(1, 2))
	write := func(index uint32, state string) submit.Write {
		value, err := json.Marshal(credential.Credential{Issuer: issuer.DID, Index: index, Status: state})
		if err != nil {
			b.Fatal(err)
		}
		return submit.Write{Key: "credential/x", Value: value}
	}
	block := func(number uint64, writes []submit.Write) submit.Block {
		return submit.Block{Number: number, Transactions: []submit.Committed{{Valid: true, Writes: writes}}}
	}
	var writes []submit.Write
	for n := range uint32(credential.ListEntries) {
		state := credential.Active
		if random.IntN(2) == 0 {
			state = credential.Revoked
		}
		writes = append(writes, write(n, state), submit.Write{Key: credential.EntryKey(issuer.ID, 0, n)})
	}
	g := &given{blocks: []submit.Block{block(0, writes)}}
	index, err := status.Open(b.TempDir()+"/status.db", opstest.Network)
	if err != nil {
		b.Fatal(err)
	}
	defer index.Close()
	follow := func() {
		for range index.Watch(g).Blocks(b.Context(), index.Next()) {
		}
	}
	follow()
	s := certificate.At(certificate.Config{
		Resolver: resolver.Resolver{"key": resolver.Key}, Network: opstest.Network, Statuses: index, Height: func(context.Context) (uint64, error) { return uint64(len(g.blocks)), nil }, URL: "https://gateway.example",
		Issuers: []certificate.Issuer{{DID: issuer.DID, Algorithm: did.EdDSA, Keys: issuer}},
	}, now)
	l := status.List{Issuer: issuer.ID}
	turn := 0
	for b.Loop() {
		b.StopTimer()
		turn++
		state := credential.Active
		if turn%2 == 0 {
			state = credential.Revoked
		}
		g.blocks = append(g.blocks, block(uint64(len(g.blocks)), []submit.Write{write(7, state)}))
		follow()
		b.StartTimer()
		if _, err := s.List(b.Context(), l, vc.Revocation); err != nil {
			b.Fatal(err)
		}
	}
}
