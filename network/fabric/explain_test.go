package fabric_test

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/hyperledger/fabric-protos-go-apiv2/common"
	"github.com/hyperledger/fabric-protos-go-apiv2/ledger/rwset"
	"github.com/hyperledger/fabric-protos-go-apiv2/ledger/rwset/kvrwset"
	"github.com/hyperledger/fabric-protos-go-apiv2/peer"
	"google.golang.org/protobuf/proto"

	"github.com/killick-ledger/killick/network/fabric"
)

// simulated is an answer to a batch that read one key, of this block, and wrote keys.
func simulated(t *testing.T, response string, block uint64, writes ...string) run {
	t.Helper()
	encode := func(m proto.Message) []byte {
		b, err := proto.Marshal(m)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	kv := &kvrwset.KVRWSet{Reads: []*kvrwset.KVRead{{Key: "did/x", Version: &kvrwset.Version{BlockNum: block}}}}
	for _, w := range writes {
		kv.Writes = append(kv.Writes, &kvrwset.KVWrite{Key: w, Value: []byte("v")})
	}
	set := encode(&rwset.TxReadWriteSet{NsRwset: []*rwset.NsReadWriteSet{{Namespace: "killick", Rwset: encode(kv)}}})
	payload := encode(&peer.ProposalResponsePayload{Extension: encode(&peer.ChaincodeAction{
		Results: set, Response: &peer.Response{Status: 200, Payload: []byte(response)},
	})})
	return func(context.Context) (*peer.ProposalResponse, error) {
		return &peer.ProposalResponse{Response: &peer.Response{Status: 200}, Payload: payload, Endorsement: &peer.Endorsement{}}, nil
	}
}

// says is a peer's explanation of a batch of two items.
func says(state, first, second string) func() (string, error) {
	return func() (string, error) {
		return fmt.Sprintf(`{"state":%q,"items":[{"id":"a","result":%q,"writes":"1"},{"id":"b","result":%q,"writes":"2"}]}`, state, first, second), nil
	}
}

func refuses(text string) func() (string, error) {
	return func() (string, error) { return "", errors.New(text) }
}

// inTurn gives one answer after the other and stays with the last.
func inTurn(answers ...func() (string, error)) func() (string, error) {
	var n atomic.Int64
	return func() (string, error) { return answers[min(int(n.Add(1)), len(answers))-1]() }
}

func at(heights ...uint64) func() proto.Message {
	var n atomic.Int64
	return func() proto.Message {
		return &common.BlockchainInfo{Height: heights[min(int(n.Add(1)), len(heights))-1]}
	}
}

// disputing is one organisation's peer: how it runs the batch, how it explains it,
// and its heights; nil is a peer that is down.
type disputing struct {
	run     run
	explain func() (string, error)
	height  func() proto.Message
}

func TestExplain(t *testing.T) {
	t.Parallel()
	good, lagging := simulated(t, "\x00\x00", 7, "op/a", "op/b"), simulated(t, "\x00\x05", 6, "op/a")
	refusing, more := simulated(t, "\x00\x1b", 7, "op/a"), simulated(t, "\x00\x00", 7, "op/a", "op/b", "x")
	ok, bad, behind := says("s7", "ok", "ok"), says("s7", "ok", "bad_signature"), says("s6", "ok", "did_unknown")
	honest := &disputing{good, ok, at(9)}
	second := []fabric.Item{{Index: 1, ID: "b", Text: "bad_signature in place of ok"}}
	for name, tc := range map[string]struct {
		peers   []*disputing
		want    []fabric.Deviation
		unknown []string
		none    bool // f + 1 do not agree
	}{
		"an item": {
			peers: []*disputing{{refusing, bad, at(9)}, honest, honest, honest},
			want: []fabric.Deviation{{Organisation: "Org1MSP", Items: second, Count: 1,
				Text: "on the same state it has other results: it does not write killick op/b"}},
		},
		"two organisations, one of which nobody asked to endorse": {
			peers: []*disputing{{refusing, bad, at(9)}, honest, honest, {good, says("s7", "expired", "ok"), at(9)}},
			want: []fabric.Deviation{
				{Organisation: "Org1MSP", Items: second, Count: 1, Text: "on the same state it has other results: it does not write killick op/b"},
				{Organisation: "Org4MSP", Items: []fabric.Item{{Index: 0, ID: "a", Text: "expired in place of ok"}}, Count: 1, Text: "on the same state it has other results"},
			},
		},
		"a write that it does not explain": {
			peers: []*disputing{{more, ok, at(9)}, honest, honest, honest},
			want:  []fabric.Deviation{{Organisation: "Org1MSP", Text: "on the same state it has other results: it also writes killick x"}},
		},
		"it explains itself as the others do": {
			peers: []*disputing{{refusing, ok, at(9)}, honest, honest, honest},
			want: []fabric.Deviation{{Organisation: "Org1MSP", Items: []fabric.Item{{Index: 1, ID: "b", Text: "answers 0x1b in place of 0x00"}}, Count: 1,
				Text: "on the same state it has other results: it does not write killick op/b"}},
		},
		"a peer that lags and catches up": {
			peers: []*disputing{{lagging, inTurn(behind, behind, ok), at(8, 8, 8, 9)}, honest, honest, honest},
		},
		"a peer that lags all the time": {
			peers:   []*disputing{{lagging, behind, at(8)}, honest, honest, honest},
			unknown: []string{"Org1MSP"},
		},
		"heights that move": {
			peers:   []*disputing{{lagging, behind, at(8, 9, 8, 9, 8, 9, 8, 9, 8, 9, 8, 9)}, honest, honest, honest},
			unknown: []string{"Org1MSP"},
		},
		"another state at the same height": {
			peers: []*disputing{{lagging, inTurn(behind), at(8, 8, 9)}, honest, honest, honest},
			want: []fabric.Deviation{{Organisation: "Org1MSP", Items: []fabric.Item{{Index: 1, ID: "b", Text: "did_unknown in place of ok"}}, Count: 1,
				Text: "at height 9 its state is another one, or it reads something else"}},
		},
		"one that is ahead of the others, and one that claims its height": {
			peers: []*disputing{{refusing, ok, at(10)}, honest, {good, ok, at(9)}, {good, says("s8", "did_unknown", "ok"), at(10)}},
			want: []fabric.Deviation{{Organisation: "Org1MSP", Items: []fabric.Item{{Index: 1, ID: "b", Text: "answers 0x1b in place of 0x00"}}, Count: 1,
				Text: "on the same state it has other results: it does not write killick op/b"}},
			unknown: []string{"Org4MSP"},
		},
		"a refusal": {
			peers: []*disputing{{refuse("clock_skew: late"), refuses("clock_skew: late"), at(9)}, honest, honest, honest},
			want:  []fabric.Deviation{{Organisation: "Org1MSP", Text: "refuses the batch: clock_skew: late"}},
		},
		"an older program and a peer that is down": {
			peers:   []*disputing{{lagging, refuses("unknown_function: ops:Explain"), at(9)}, honest, honest, nil},
			unknown: []string{"Org1MSP", "Org4MSP"},
		},
		"no f + 1 agree": {
			peers: []*disputing{honest, {refusing, bad, at(9)}, {more, says("s7", "expired", "ok"), at(9)}, nil},
			none:  true, unknown: []string{"Org1MSP", "Org2MSP", "Org3MSP", "Org4MSP"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var ps []*fakePeer
			for _, p := range tc.peers {
				if p == nil {
					ps = append(ps, nil)
					continue
				}
				ps = append(ps, &fakePeer{run: p.run, texts: map[string]func() (string, error){"ops:Explain": p.explain},
					ledger: map[string]func() proto.Message{"GetChainInfo": p.height}})
			}
			c := client(t, ps, orderers(allTake...))
			fabric.Wait(c) // another peer asked in place of a slow one would leave nothing to explain
			fabric.Hurry(c)
			tx, err := c.Prepare("ops:Batch", []byte("frame"))
			if err != nil {
				t.Fatal(err)
			}
			if err := tx.Endorse(t.Context()); (err == nil) == tc.none {
				t.Fatalf("endorse: %v", err)
			}
			if tx.Dispute() == nil {
				t.Fatal("organisations differed and there is no dispute")
			}
			ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
			defer cancel()
			got := c.Explain(ctx, tx.Dispute(), "ops:Explain", []byte("frame"))
			if diff := cmp.Diff(tc.want, got.Deviations); diff != "" {
				t.Errorf("deviations:\n%s", diff)
			}
			if diff := cmp.Diff(tc.unknown, got.Unknown); diff != "" {
				t.Errorf("unknown:\n%s", diff)
			}
			if (len(got.Undecided) > 0) != tc.none || got.TxID != tx.ID() {
				t.Errorf("%s: undecided %v", got.TxID, got.Undecided)
			}
		})
	}
}

func TestNoDispute(t *testing.T) {
	a := simulated(t, "\x00", 7)
	broken := refuse("error in simulation: failed to execute transaction: could not launch chaincode")
	for name, runs := range map[string][]run{"all agree": {a, a, a, a}, "one is down": {nil, a, a, a}, "one cannot run it": {broken, a, a, a}} {
		t.Run(name, func(t *testing.T) {
			c := client(t, peers(runs...), orderers(allTake...))
			tx, err := c.Prepare("ops:Batch", []byte("frame"))
			if err == nil {
				err = tx.Endorse(t.Context())
			}
			if err != nil || tx.Dispute() != nil {
				t.Errorf("%v, dispute %v", err, tx.Dispute())
			}
		})
	}
}

func TestExplainEndsWithItsContext(t *testing.T) {
	stuck := make(chan struct{})
	t.Cleanup(func() { close(stuck) })
	wait := func() (string, error) { <-stuck; return "", nil }
	var ps []*fakePeer
	for range organisations {
		ps = append(ps, &fakePeer{run: simulated(t, "x", 7), texts: map[string]func() (string, error){"ops:Explain": wait},
			ledger: map[string]func() proto.Message{"GetChainInfo": at(9)}})
	}
	ps[0].run = simulated(t, "y", 7)
	c := client(t, ps, orderers(allTake...))
	fabric.Wait(c)
	tx, err := c.Prepare("ops:Batch", []byte("frame"))
	if err == nil {
		err = tx.Endorse(t.Context())
	}
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	got := c.Explain(ctx, tx.Dispute(), "ops:Explain", []byte("frame"))
	if len(got.Deviations) != 1 || got.Deviations[0].Organisation != "Org1MSP" || len(got.Unknown) != 3 {
		t.Errorf("%+v", got)
	}
}
