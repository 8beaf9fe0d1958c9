package checkpoint_test

import (
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/killick-ledger/killick/chaincode/canon"
	"github.com/killick-ledger/killick/chaincode/checkpoint"
	"github.com/killick-ledger/killick/chaincode/fault"
	"github.com/killick-ledger/killick/chaincode/govern"
	"github.com/killick-ledger/killick/chaincode/ledger"
	"github.com/killick-ledger/killick/chaincode/ops"
	"github.com/killick-ledger/killick/chaincode/ops/opstest"
)

// waits returns a ledger with a checkpoint of size 7, on which Org5MSP is to take the
// place of Org4MSP, and the members before and after.
func waits(t testing.TB) (w *opstest.World, old, next []opstest.Member) {
	w = opstest.New(t)
	w.Checkpoint(7, opstest.Start)
	old = slices.Clone(w.Members)
	next = []opstest.Member{old[0], old[1], old[2], opstest.NewMember(5)}
	w.Decide("members", w.JSON(w.Membership(3, next...)))
	return w, old, next
}

func refuses(t *testing.T, w *opstest.World, caller ledger.Caller, code fault.Code, function string, request any) {
	t.Helper()
	if _, err := w.Invoke(caller, function, request); fault.Of(err) != code {
		t.Errorf("%s by %s: %v, want %v", function, caller.MSP, err, code)
	}
}

// cosign has members cosign, and returns the acceptance that names them.
func cosign(w *opstest.World, size, time uint64, members ...opstest.Member) checkpoint.Accept {
	a := checkpoint.Accept{Size: size, Root: canon.Hex(root[:]), Time: time}
	for _, m := range members {
		w.Must(m.Caller(), "checkpoint:Cosign", w.Cosign(m, size, root, time))
		a.Signers = append(a.Signers, m.MSP)
	}
	return a
}

// RO-3: K members of the set in force hand over, each by its own signature over exactly
// the rotation that waits; then the next set is in force, and the one before is not.
func TestRotation(t *testing.T) {
	w, old, next := waits(t)
	good := w.SignRotation(old[0])
	bad := func(change func(*checkpoint.SignRotation)) checkpoint.SignRotation {
		s := good
		change(&s)
		return s
	}
	stranger := opstest.NewMember(5)
	refuses(t, w, stranger.Caller(), fault.NotMember, "checkpoint:SignRotation", w.SignRotation(stranger))
	refuses(t, w, ledger.Caller{MSP: "Org1MSP", Role: "peer"}, fault.NotMember, "checkpoint:SignRotation", good)
	refuses(t, w, old[1].Caller(), fault.BadSignature, "checkpoint:SignRotation", good)
	refuses(t, w, old[0].Caller(), fault.BadSignature, "checkpoint:SignRotation", bad(func(s *checkpoint.SignRotation) { s.Secp256k1 = w.SignRotation(old[0].Rekeyed("x")).Secp256k1 }))
	refuses(t, w, old[0].Caller(), fault.InvalidValue, "checkpoint:SignRotation", bad(func(s *checkpoint.SignRotation) { s.Secp256k1 = "AAAA" }))
	refuses(t, w, old[0].Caller(), fault.AlreadyDone, "checkpoint:SignRotation", bad(func(s *checkpoint.SignRotation) { s.Version = 1 }))
	refuses(t, w, old[0].Caller(), fault.NotFound, "checkpoint:SignRotation", bad(func(s *checkpoint.SignRotation) { s.Version = 3 }))
	refuses(t, w, old[0].Caller(), fault.NotFound, "checkpoint:SignRotation", bad(func(s *checkpoint.SignRotation) { s.Version = 0 }))
	for _, m := range []opstest.Member{old[3], old[0]} {
		w.Must(m.Caller(), "checkpoint:SignRotation", w.SignRotation(m))
		w.Must(m.Caller(), "checkpoint:SignRotation", w.SignRotation(m)) // the same again is harmless
	}
	rotate := func(version uint64, signers ...string) checkpoint.Rotate {
		return checkpoint.Rotate{Version: version, Signers: signers}
	}
	refuses(t, w, old[0].Caller(), fault.NoQuorum, "checkpoint:Rotate", rotate(2, "Org1MSP", "Org4MSP"))
	refuses(t, w, old[0].Caller(), fault.NoQuorum, "checkpoint:Rotate", rotate(2, "Org1MSP", "Org2MSP", "Org4MSP"))
	w.Must(old[1].Caller(), "checkpoint:SignRotation", w.SignRotation(old[1]))
	refuses(t, w, old[0].Caller(), fault.InvalidValue, "checkpoint:Rotate", rotate(2, "Org1MSP", "Org1MSP", "Org4MSP"))
	refuses(t, w, old[0].Caller(), fault.NotMember, "checkpoint:Rotate", rotate(2, "Org1MSP", "Org2MSP", "Org5MSP"))
	refuses(t, w, old[0].Caller(), fault.NotFound, "checkpoint:Rotate", rotate(3, "Org1MSP", "Org2MSP", "Org4MSP"))
	refuses(t, w, stranger.Caller(), fault.NotMember, "checkpoint:Rotate", rotate(2, "Org1MSP", "Org2MSP", "Org4MSP"))
	var sets checkpoint.SetsView
	if w.Read("checkpoint:Sets", checkpoint.SetsQuery{}, &sets); len(sets.Sets) != 1 || sets.Next == nil || sets.Next.Version != 2 || len(sets.Next.Signatures) != 3 {
		t.Errorf("%+v", sets)
	}
	want := *w.Next()
	reads := w.Reads(old[2].Caller(), "checkpoint:Rotate", rotate(2, "Org4MSP", "Org2MSP", "Org1MSP"))
	if slices.Contains(reads, checkpoint.RotationSignatureKey(2, "Org3MSP")) {
		t.Errorf("Rotate reads %v", reads)
	}
	w.Must(old[2].Caller(), "checkpoint:Rotate", rotate(2, "Org4MSP", "Org2MSP", "Org1MSP"))
	refuses(t, w, old[0].Caller(), fault.AlreadyDone, "checkpoint:Rotate", rotate(2, "Org4MSP", "Org2MSP", "Org1MSP"))
	refuses(t, w, old[2].Caller(), fault.AlreadyDone, "checkpoint:SignRotation", good)
	refuses(t, w, old[3].Caller(), fault.NotMember, "checkpoint:Cosign", w.Cosign(old[3], 8, root, opstest.Start+1))

	w.Read("checkpoint:Sets", checkpoint.SetsQuery{}, &sets)
	founding := govern.Set{Version: 1, From: 1, K: 3}
	for _, m := range old {
		founding.Members = append(founding.Members, m.Public())
	}
	if len(sets.Sets) != 2 {
		t.Fatalf("%+v", sets)
	}
	if diff := cmp.Diff([]govern.Set{founding, want}, []govern.Set{sets.Sets[0].Set, sets.Sets[1].Set}); diff != "" {
		t.Error(diff)
	}
	// Whoever has the sets alone can check the hand-over.
	hash, err := founding.Hash()
	if err != nil {
		t.Fatal(err)
	}
	to, err := want.Hash()
	if err != nil {
		t.Fatal(err)
	}
	digest := canon.RotationDigest(opstest.LogID, hash, 2, to, want.ListHash(), 8)
	for i, m := range []opstest.Member{old[0], old[1], old[3]} {
		s := sets.Sets[1].Signatures[i]
		raw, err := base64.StdEncoding.DecodeString(s.Secp256k1)
		if err != nil {
			t.Fatal(err)
		}
		if signer, err := canon.Recover(digest, raw); err != nil || signer != m.Address() || s.MSP != m.MSP {
			t.Errorf("signature %d is of %x for %s: %v", i, signer, s.MSP, err)
		}
	}
	w.Members = next
	w.Checkpoint(8, opstest.Start+1)
}

// RO-4: a size belongs to one set. The one before signs and accepts nothing from where
// the next begins, and what its members had cosigned there counts for nobody afterwards.
func TestSizesOfSets(t *testing.T) {
	w := opstest.New(t)
	w.Checkpoint(7, opstest.Start)
	old := slices.Clone(w.Members)
	early := cosign(w, 9, opstest.Start+9, old[:3]...) // K of them, and not accepted in time
	next := []opstest.Member{old[0], old[1], old[2], opstest.NewMember(5)}
	w.Decide("members", w.JSON(w.Membership(3, next...)))
	refuses(t, w, old[0].Caller(), fault.NotDue, "checkpoint:Accept", early)
	refuses(t, w, old[3].Caller(), fault.NotDue, "checkpoint:Cosign", w.Cosign(old[3], 9, root, opstest.Start+9))
	refuses(t, w, old[3].Caller(), fault.NotDue, "checkpoint:Cosign", w.Cosign(old[3], 8, root, opstest.Start+9))
	w.Must(old[3].Caller(), "checkpoint:Cosign", w.Cosign(old[3], 7, root, opstest.Start+9)) // it can make no other checkpoint
	w.HandOver(old[1:4], next)
	refuses(t, w, old[0].Caller(), fault.NoQuorum, "checkpoint:Accept", early)
	refuses(t, w, old[0].Caller(), fault.NotGrowing, "checkpoint:Cosign", w.Cosign(old[0], 7, root, opstest.Start+9))
	again := cosign(w, 9, opstest.Start+9, next[1:]...)
	w.Must(old[0].Caller(), "checkpoint:Accept", again)
	if again.Signers[2] != "Org5MSP" {
		t.Errorf("%+v", again)
	}
	// Each checkpoint is answered with the signatures of its set.
	var by []checkpoint.MemberSignatures
	first := canon.Sum(fmt.Append(nil, "root", 7))
	w.Read("checkpoint:Cosignatures", ops.CosignaturesQuery{Size: 7, Root: canon.Hex(first[:]), Time: opstest.Start}, &by)
	if len(by) != 3 || by[2].MSP != "Org3MSP" {
		t.Errorf("of set 1: %+v", by)
	}
	w.Read("checkpoint:Cosignatures", ops.CosignaturesQuery{Size: 9, Root: canon.Hex(root[:]), Time: opstest.Start + 9}, &by)
	if len(by) != 3 || by[2].MSP != "Org5MSP" {
		t.Errorf("of set 2: %+v", by)
	}
}

// RO-5: an acceptance and an enactment that go into one block void one another, whichever
// comes first, and so do a cosignature, the enactment and the hand-over.
func TestRotationInOneBlock(t *testing.T) {
	begin := func() (w *opstest.World, enact govern.Enact, accept checkpoint.Accept) {
		w = opstest.New(t)
		w.Checkpoint(7, opstest.Start)
		enact.Proposal = w.Propose(w.Members[0], w.Request("members", w.JSON(w.Membership(2, w.Members[:3]...))))
		for _, m := range w.Members[1:3] {
			w.Must(m.Admin(), "govern:Approve", govern.Approve{Proposal: enact.Proposal})
		}
		enact.Approvals = []string{"Org1MSP", "Org2MSP", "Org3MSP"}
		return w, enact, cosign(w, 8, opstest.Start+1, w.Members[:3]...)
	}
	for _, enactFirst := range []bool{true, false} {
		w, enact, accept := begin()
		one := w.EndorseCall(w.Members[0].Caller(), "govern:Enact", enact)
		two := w.EndorseCall(w.Members[0].Caller(), "checkpoint:Accept", accept)
		if !enactFirst {
			one, two = two, one
		}
		if !w.Order(one) || w.Order(two) {
			t.Errorf("enacted first %v: both are valid, or none", enactFirst)
		}
		if enactFirst {
			refuses(t, w, w.Members[0].Caller(), fault.NotDue, "checkpoint:Accept", accept)
			if from := w.Next().From; from != 8 {
				t.Errorf("from %d", from)
			}
			continue
		}
		w.Must(w.Members[0].Caller(), "govern:Enact", enact)
		if from := w.Next().From; from != 9 {
			t.Errorf("from %d", from)
		}
	}
	w, enact, _ := begin()
	signed := w.EndorseCall(w.Members[3].Caller(), "checkpoint:Cosign", w.Cosign(w.Members[3], 9, root, opstest.Start+2))
	treasuries := w.Propose(w.Members[0], w.Request("treasuries", `["Org4MSP"]`))
	for _, m := range w.Members[1:3] {
		w.Must(m.Admin(), "govern:Approve", govern.Approve{Proposal: treasuries})
	}
	leaving := w.EndorseCall(w.Members[0].Caller(), "govern:Enact", govern.Enact{Proposal: treasuries, Approvals: enact.Approvals})
	w.Must(w.Members[0].Caller(), "govern:Enact", enact)
	if w.Order(signed) {
		t.Error("a cosignature of the set before came after the enactment")
	}
	if w.Order(leaving) {
		t.Error("an organisation that leaves became a treasury")
	}
	r := checkpoint.Rotate{Version: 2}
	for _, m := range w.Members[:3] {
		w.Must(m.Caller(), "checkpoint:SignRotation", w.SignRotation(m))
		r.Signers = append(r.Signers, m.MSP)
	}
	signed = w.EndorseCall(w.Members[3].Caller(), "checkpoint:Cosign", w.Cosign(w.Members[3], 7, root, opstest.Start+2))
	twice := w.EndorseCall(w.Members[1].Caller(), "checkpoint:Rotate", r)
	w.Must(w.Members[0].Caller(), "checkpoint:Rotate", r)
	if w.Order(signed) || w.Order(twice) {
		t.Error("what was endorsed under the set before is valid under the next")
	}
}

// Whatever N - K members do or leave undone, the others rotate, also back to a set that
// was: it is another version, and what was signed for the first one counts for it no more.
func TestRotateBack(t *testing.T) {
	w, old, next := waits(t)
	first := w.SignRotation(old[0])
	w.HandOver(old[:3], next) // Org4MSP, which leaves, is silent
	w.Checkpoint(8, opstest.Start+1)
	w.Rotate(3, old...)
	w.Checkpoint(9, opstest.Start+2)
	w.Rotate(3, next...)
	w.Checkpoint(10, opstest.Start+3)
	w.Decide("members", w.JSON(w.Membership(3, old...)))
	first.Version = 5
	refuses(t, w, old[0].Caller(), fault.BadSignature, "checkpoint:SignRotation", first)
	w.HandOver(next[1:], old)
	w.Checkpoint(11, opstest.Start+4)
	var sets checkpoint.SetsView
	w.Read("checkpoint:Sets", checkpoint.SetsQuery{After: 1}, &sets)
	var got [][2]uint64
	hashes := map[[32]byte]bool{}
	for _, s := range sets.Sets {
		got = append(got, [2]uint64{s.Version, s.From})
		hash, err := s.Hash()
		if err != nil || hashes[hash] {
			t.Errorf("set %d has the hash of another (%v)", s.Version, err)
		}
		hashes[hash] = true
	}
	if want := [][2]uint64{{2, 8}, {3, 9}, {4, 10}, {5, 11}}; !slices.Equal(got, want) || sets.Next != nil {
		t.Errorf("%v, want %v", got, want)
	}
	w.Read("checkpoint:Sets", checkpoint.SetsQuery{After: 1<<53 - 1}, &sets)
	if len(sets.Sets) != 0 {
		t.Errorf("%+v", sets)
	}
}

// brokenStore is a peer's state of which the set in force cannot be read.
type brokenStore struct{ ledger.Store }

var errBroken = errors.New("peer is gone")

func (b brokenStore) Get(key string) ([]byte, error) {
	if key == govern.RotationKey(2) {
		return nil, errBroken
	}
	return b.Store.Get(key)
}

// A set that cannot be read is an error, and makes no answer.
func TestSetsFail(t *testing.T) {
	w, old, next := waits(t)
	w.HandOver(old[:3], next)
	tx := ledger.Begin(brokenStore{w.Store}, w.Now, ledger.Caller{})
	n, err := govern.Load(tx)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := checkpoint.Cosignatures(tx, n, checkpoint.Point{Size: 9, Root: canon.Hex(root[:]), Time: opstest.Start}); !errors.Is(err, errBroken) {
		t.Errorf("cosignatures: %v", err)
	}
	if _, err := (&checkpoint.SetsQuery{}).Answer(tx, n); !errors.Is(err, errBroken) {
		t.Errorf("sets: %v", err)
	}
}

func TestPagesOfSets(t *testing.T) {
	w := opstest.New(t)
	old := slices.Clone(w.Members)
	for i := range 18 {
		w.Checkpoint(uint64(i+1), opstest.Start+uint64(i))
		if i%2 == 0 {
			w.Rotate(2, old[:3]...)
		} else {
			w.Rotate(3, old...)
		}
	}
	var seen []uint64
	for after := uint64(0); ; {
		var page checkpoint.SetsView
		w.Read("checkpoint:Sets", checkpoint.SetsQuery{After: after}, &page)
		if len(page.Sets) == 0 {
			break
		}
		for _, s := range page.Sets {
			seen = append(seen, s.Version)
		}
		after = seen[len(seen)-1]
	}
	if len(seen) != 19 || seen[0] != 1 || !slices.IsSorted(seen) {
		t.Errorf("%v", seen)
	}
}

// Whatever is signed, the ledger takes it or refuses it with a code.
func FuzzSignRotation(f *testing.F) {
	w, old, _ := waits(f)
	f.Add([]byte(w.JSON(w.SignRotation(old[0]))))
	f.Add([]byte(`{"version":2,"secp256k1":""}`))
	f.Fuzz(func(t *testing.T, request []byte) {
		w := w.Clone(t)
		for _, function := range []string{"checkpoint:SignRotation", "checkpoint:Rotate", "checkpoint:Sets"} {
			if _, err := w.Invoke(old[0].Caller(), function, request); fault.Of(err) >= fault.Internal {
				t.Fatalf("%s: %v", function, err)
			}
		}
	})
}
