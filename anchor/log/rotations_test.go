package log_test

import (
	"bytes"
	"strings"
	"testing"

	"github.com/killick-ledger/killick/anchor/log"
)

// Rotations by themselves lead whoever pins a set to the newest, and are read in one
// form alone.
func TestRotationsAlone(t *testing.T) {
	l := newFixture(t)
	a := l.third(t)
	all := []log.Rotation{l.rotation, l.next.handOver(t, a, 7, 0, 1, 2)}
	data, err := log.MarshalRotations(l.Policy.Network, all)
	if err != nil {
		t.Fatal(err)
	}
	read, err := log.ParseRotations(l.Policy.Network, data)
	if err != nil || len(read) != 2 {
		t.Fatalf("%d rotations, %v", len(read), err)
	}
	sets, err := l.Policy.Set().Follow(read)
	if err != nil || len(sets) != 3 || sets[2].Version != 3 || sets[2].From != 7 || sets[1].Hash() != l.next.Policy.Set().Hash() {
		t.Errorf("%d sets, %v", len(sets), err)
	}
	if later, err := sets[1].Follow(read); err != nil || len(later) != 2 || later[1].Hash() != sets[2].Hash() {
		t.Errorf("from the set between: %d sets, %v", len(later), err)
	}
	if _, err := l.Policy.Set().Follow(read[1:]); err == nil {
		t.Error("followed with one left out")
	}
	bad := read[1]
	bad.Signatures = bad.Signatures[:1]
	if sets, err := l.Policy.Set().Follow([]log.Rotation{read[0], bad}); err == nil || len(sets) != 2 {
		t.Errorf("followed a rotation with one signature: %d sets, %v", len(sets), err)
	}
	if none, err := log.ParseRotations(l.Policy.Network, nil); err != nil || len(none) != 0 {
		t.Errorf("no rotations: %v, %v", none, err)
	}
	for name, text := range map[string]string{
		"empty line": "\n", "more behind": string(data) + "x\n", "no end": strings.TrimSuffix(string(data), "\n"),
		"two spaces": strings.Replace(string(data), "rotation 2", "rotation  2", 1), "member first": "member Org1MSP\n" + string(data),
		"twice": string(data) + string(data), "number": strings.Replace(string(data), "rotation 2", "rotation 02", 1),
	} {
		if _, err := log.ParseRotations(l.Policy.Network, []byte(text)); err == nil {
			t.Errorf("%s: taken", name)
		}
	}
}

func FuzzRotations(f *testing.F) {
	l := newFixture(f)
	data, err := log.MarshalRotations(l.Policy.Network, []log.Rotation{l.rotation})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(data)
	f.Fuzz(func(t *testing.T, data []byte) {
		all, err := log.ParseRotations(l.Policy.Network, data)
		if err != nil {
			return
		}
		if again, err := log.MarshalRotations(l.Policy.Network, all); err != nil || !bytes.Equal(again, data) {
			t.Errorf("%q became %q, %v", data, again, err)
		}
		_, _ = l.Policy.Set().Follow(all)
	})
}
