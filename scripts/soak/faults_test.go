package main

import (
	"math/rand/v2"
	"reflect"
	"testing"
	"time"
)

var processes = []string{
	"anchor.org1", "anchor.org2", "anchor.org3", "anchor.org4", "chaincode.org1", "chaincode.org2", "chaincode.org3", "chaincode.org4",
	"gateway.org1", "gateway.org2", "orderer.org1", "orderer.org2", "orderer.org3", "orderer.org4", "peer.org1", "peer.org2", "peer.org3", "peer.org4",
}

// What is drawn is what the network tolerates, and every process has its turn.
func TestFaultsAreTolerable(t *testing.T) {
	const pace = 3 * time.Second
	random := rand.New(rand.NewPCG(5, 0))
	killed, frozen := map[string]int{}, map[string]int{}
	for range 3000 {
		wait, victims := next(random, processes, pace)
		if wait < pace/2 || wait >= 2*pace {
			t.Fatalf("pause of %s", wait)
		}
		if n := len(victims); n < 1 || n > 2 {
			t.Fatalf("%d victims", n)
		}
		kinds := map[string]bool{}
		for _, v := range victims {
			if kinds[v.kind()] {
				t.Fatalf("two of a kind: %v", victims)
			}
			kinds[v.kind()] = true
			if v.away < minAway || v.away >= maxAway {
				t.Fatalf("away for %s", v.away)
			}
			if v.freeze {
				frozen[v.name]++
			} else {
				killed[v.name]++
			}
		}
	}
	for _, p := range processes {
		if killed[p] == 0 || frozen[p] == 0 {
			t.Errorf("%s: killed %d times, frozen %d times", p, killed[p], frozen[p])
		}
	}
}

func TestSeedRepeatsTheSchedule(t *testing.T) {
	schedule := func(seed uint64) (all [][]victim) {
		random := rand.New(rand.NewPCG(seed, 0))
		for range 50 {
			_, victims := next(random, processes, time.Second)
			all = append(all, victims)
		}
		return all
	}
	if !reflect.DeepEqual(schedule(1), schedule(1)) || reflect.DeepEqual(schedule(1), schedule(2)) {
		t.Error("the schedule is not that of the seed")
	}
}

func TestMemoryQuarters(t *testing.T) {
	m := &memory{samples: map[string][]uint64{}}
	for i := range 8 {
		m.take(map[string]uint64{"peer.org1": uint64(10+i) << 20, "peer.org2": uint64(20+i) << 20})
	}
	for _, r := range m.rows() {
		if r.kind == "peer" && r != (row{"peer", 15, 21, 22}) {
			t.Errorf("%+v", r)
		}
	}
}
