package ops_test

import (
	"fmt"
	"syscall"
	"testing"
	"time"

	"github.com/killick-ledger/killick/chaincode/canon"
	"github.com/killick-ledger/killick/chaincode/did"
	"github.com/killick-ledger/killick/chaincode/ledger"
	"github.com/killick-ledger/killick/chaincode/ops"
	"github.com/killick-ledger/killick/chaincode/ops/opstest"
	"github.com/killick-ledger/killick/chaincode/reward"
)

var benchKinds = []string{"record.submit", "reward.pay", "record.allow", "record.withdraw", "attest.use"}

const (
	benchBatch    = 500
	benchAccounts = 2000
)

// BenchmarkBatch applies batches of 500 operations of 2,000 DIDs on the store in
// memory, for each algorithm and operation. ns/op is for a batch; the metric
// cpu-us/operation is what counts: it is CPU time, which a busy machine does not
// change much.
func BenchmarkBatch(b *testing.B) {
	for _, alg := range did.Algorithms {
		w, users := benchWorld(b, alg)
		for _, kind := range benchKinds {
			b.Run(string(alg)+"/"+kind, func(b *testing.B) {
				frames := benchFrames(w, users, kind)
				apply := func(i int) {
					tx := ledger.Begin(w.Store, w.Now, ledger.Caller{})
					answer, err := w.Engine.Invoke(tx, "ops:Batch", [][]byte{frames[i%len(frames)]})
					if err != nil || answer[0]|answer[benchBatch-1] != 0 {
						b.Fatal(err, answer)
					}
					tx.Changes()
				}
				for i := range frames { // all signers are known
					apply(i)
				}
				b.ReportAllocs()
				b.ResetTimer()
				begin := cpu()
				for i := range b.N {
					apply(i)
				}
				b.ReportMetric(float64((cpu()-begin).Nanoseconds())/1000/float64(b.N*benchBatch), "cpu-us/operation")
			})
		}
	}
}

// BenchmarkAdmit reads an operation, with the gateway's Admit.
func BenchmarkAdmit(b *testing.B) {
	w := opstest.New(b)
	alice, bob := opstest.NewUser("alice"), opstest.NewUser("bob")
	for _, body := range []ops.Body{opstest.Submit("the content of the record"), opstest.Pay("usd", bob, 5)} {
		item, _ := w.Sign(alice, body, "")
		b.Run(fmt.Sprintf("%T", body), func(b *testing.B) {
			b.ReportAllocs()
			begin := cpu()
			for range b.N {
				if _, err := ops.Admit(item, opstest.Network, w.Now); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64((cpu()-begin).Nanoseconds())/1000/float64(b.N), "cpu-us/operation")
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

func benchWorld(b *testing.B, alg did.Algorithm) (*opstest.World, []*opstest.User) {
	w := opstest.New(b)
	users := make([]*opstest.User, benchAccounts)
	for i := range users {
		users[i] = opstest.NewUserOf(fmt.Sprint("bench ", i), alg)
	}
	for at := 0; at < benchAccounts; at += benchBatch {
		var items []ops.Item
		fund := reward.Fund{ID: canon.Hex(opstest.Seed(fmt.Sprint("fund ", at))), Asset: "usd"}
		for _, u := range users[at : at+benchBatch] {
			item, _ := w.Sign(u, &ops.DIDCreate{Document: u.Doc}, "")
			items = append(items, item)
			fund.Lines = append(fund.Lines, reward.Line{To: u.DID, Amount: 1 << 40})
		}
		w.Batch(items...)
		w.Must(w.Members[0].Caller(), "reward:Fund", fund)
	}
	return w, users
}

func benchFrames(w *opstest.World, users []*opstest.User, kind string) [][]byte {
	var granted []benchGrant
	if kind != "record.submit" && kind != "reward.pay" {
		granted = benchGrants(w, users)
	}
	frames := make([][]byte, 8)
	for f := range frames {
		items := make([]ops.Item, benchBatch)
		for i := range items {
			n := f*benchBatch + i
			body := ops.Body(opstest.Submit(fmt.Sprint("bench ", n)))
			g := benchGrant{}
			if granted != nil {
				g = granted[n%benchAccounts]
			}
			switch kind {
			case "reward.pay":
				body = opstest.Pay("usd", users[(n*7+1)%benchAccounts], 5)
			case "record.allow":
				body = g.allow
			case "record.withdraw":
				body = &ops.RecordWithdraw{Grant: g.use.Grant}
			case "attest.use": // of another's record
				body = granted[(n+1)%benchAccounts].use
			}
			items[i], _ = w.Sign(users[n%benchAccounts], body, "")
		}
		frames[f], _ = ops.EncodeFrame(items)
	}
	return frames
}

// benchGrant is a user's offer on the user's record, and a use of it.
type benchGrant struct {
	allow *ops.RecordAllow
	use   *ops.AttestUse
}

func benchGrants(w *opstest.World, users []*opstest.User) []benchGrant {
	granted := make([]benchGrant, len(users))
	uses := uint64(1_000_000)
	for at := 0; at < len(users); at += benchBatch {
		var records, offers []ops.Item
		for i, u := range users[at : at+benchBatch] {
			item, record := w.Sign(u, opstest.Submit(fmt.Sprint("granted ", at+i)), "")
			allow := &ops.RecordAllow{
				Record: record.String(), Client: "anyone", Operation: "read", Scope: []string{"/lab"}, Asset: "usd", Price: 5, Expires: w.Now + 1<<20, Uses: &uses,
			}
			offer, grant := w.Sign(u, allow, "")
			granted[at+i] = benchGrant{allow, &ops.AttestUse{
				Grant: grant.String(), Record: record.String(), Version: 1, Owner: u.DID, Operation: "read", Path: "/lab/1", Asset: "usd", Price: 5,
			}}
			records, offers = append(records, item), append(offers, offer)
		}
		w.Batch(records...)
		w.Batch(offers...)
	}
	return granted
}
