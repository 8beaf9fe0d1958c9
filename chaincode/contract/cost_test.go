package contract_test

import (
	"fmt"
	"slices"
	"testing"

	"github.com/hyperledger/fabric-protos-go-apiv2/ledger/rwset/kvrwset"
	"google.golang.org/protobuf/proto"

	"github.com/killick-ledger/killick/chaincode/canon"
	"github.com/killick-ledger/killick/chaincode/ops"
	"github.com/killick-ledger/killick/chaincode/ops/opstest"
	"github.com/killick-ledger/killick/chaincode/reward"
)

const batchSize = 500

// busy is a channel with funded accounts, and batches of what they do.
func busy(t testing.TB, kind string, accounts, batches int) (c *channel, frames []string) {
	c = newChannel(t)
	c.done("ops:Init", c.founding())
	users := make([]*opstest.User, accounts)
	for i := range users {
		users[i] = opstest.NewUser(fmt.Sprint("busy ", i))
	}
	frame := func(items []ops.Item) string {
		f, err := ops.EncodeFrame(items)
		if err != nil {
			t.Fatal(err)
		}
		return string(f)
	}
	for some := range slices.Chunk(users, batchSize) {
		fund := reward.Fund{ID: canon.Hex(opstest.Seed("fund " + some[0].DID)), Asset: "usd"}
		var items []ops.Item
		for _, u := range some {
			item, _ := c.world.Sign(u, &ops.DIDCreate{Document: u.Doc}, "")
			items = append(items, item)
			fund.Lines = append(fund.Lines, reward.Line{To: u.DID, Amount: 1 << 40})
		}
		c.done("ops:Batch", frame(items))
		request, err := canon.Marshal(fund)
		if err != nil {
			t.Fatal(err)
		}
		c.done("reward:Fund", string(request))
	}
	for f := range batches {
		items := make([]ops.Item, batchSize)
		for i := range items {
			n := f*batchSize + i
			body := ops.Body(opstest.Submit(fmt.Sprint("busy ", n)))
			if kind == "reward.pay" {
				body = opstest.Pay("usd", users[(n*7+1)%accounts], 5)
			}
			items[i], _ = c.world.Sign(users[n%accounts], body, "")
		}
		frames = append(frames, frame(items))
	}
	return c, frames
}

// readWriteSet is what the last call puts into its transaction, as Fabric writes
// it down.
func (c *channel) readWriteSet() *kvrwset.KVRWSet {
	set := new(kvrwset.KVRWSet)
	for key := range c.last.reads {
		read := &kvrwset.KVRead{Key: key}
		if _, there := c.state[key]; there {
			read.Version = &kvrwset.Version{BlockNum: 100_000, TxNum: 10}
		}
		set.Reads = append(set.Reads, read)
	}
	for key, value := range c.last.writes {
		set.Writes = append(set.Writes, &kvrwset.KVWrite{Key: key, Value: value, IsDelete: value == nil})
	}
	return set
}

// CC-4: a batch asks the peer twice, for the network and for everything else, and
// hands its writes over together; it reads and writes each key once.
func TestRoundTripsOfABatch(t *testing.T) {
	for _, kind := range []string{"record.submit", "reward.pay"} {
		t.Run(kind, func(t *testing.T) {
			c, frames := busy(t, kind, batchSize, 1)
			if got := c.done("ops:Batch", frames[0]); got[0]|got[batchSize-1] != 0 {
				t.Fatal(got)
			}
			s := c.last
			if s.trips > 2 || s.batches != 1 {
				t.Errorf("%d reads and %d write batches", s.trips, s.batches)
			}
			if s.asked != len(s.reads) || s.puts != len(s.writes) {
				t.Errorf("%d keys are read %d times, %d are written %d times", len(s.reads), s.asked, len(s.writes), s.puts)
			}
		})
	}
}

// BenchmarkReadWriteSet runs batches of 500 operations of 2,000 DIDs on the shim's
// side of a peer and reports what each operation makes peers read, write and
// carry.
func BenchmarkReadWriteSet(b *testing.B) {
	for _, kind := range []string{"record.submit", "reward.pay"} {
		b.Run(kind, func(b *testing.B) {
			c, frames := busy(b, kind, 2000, 8)
			b.ReportAllocs()
			b.ResetTimer()
			for i := range b.N {
				c.last = &stub{state: c.state, writes: map[string][]byte{}, creator: c.identity, claimed: c.claimed,
					args: [][]byte{[]byte("ops:Batch"), []byte(frames[i%len(frames)])}}
				if r := c.chaincode.Invoke(c.last); r.GetPayload()[0]|r.GetPayload()[batchSize-1] != 0 {
					b.Fatal(r)
				}
			}
			b.StopTimer()
			set := c.readWriteSet()
			per := func(n int, unit string) { b.ReportMetric(float64(n)/batchSize, unit) }
			per(len(set.Reads), "reads/operation")
			per(len(set.Writes), "writes/operation")
			per(proto.Size(&kvrwset.KVRWSet{Reads: set.Reads}), "B-read/operation")
			per(proto.Size(&kvrwset.KVRWSet{Writes: set.Writes}), "B-written/operation")
			b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(b.N*batchSize), "us/operation")
		})
	}
}
