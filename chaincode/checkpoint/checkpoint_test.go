package checkpoint_test

import (
	"crypto/ed25519"
	"crypto/sha512"
	"encoding/base64"
	"fmt"
	"slices"
	"testing"

	"filippo.io/edwards25519"
	"github.com/hdevalence/ed25519consensus"
	"github.com/killick-ledger/killick/chaincode/canon"
	"github.com/killick-ledger/killick/chaincode/checkpoint"
	"github.com/killick-ledger/killick/chaincode/fault"
	"github.com/killick-ledger/killick/chaincode/ledger"
	"github.com/killick-ledger/killick/chaincode/ops"
	"github.com/killick-ledger/killick/chaincode/ops/opstest"
)

var root = canon.Sum([]byte("root"))

// CP-1: a cosignature is the calling organisation's own, both signatures good.
func TestCosignRefuses(t *testing.T) {
	w := opstest.New(t)
	one, two := w.Members[0], w.Members[1]
	good := w.Cosign(one, 7, root, opstest.Start)
	stranger := base64.StdEncoding.EncodeToString(ed25519.Sign(ed25519.NewKeyFromSeed(opstest.Seed("x")), []byte("x")))
	for name, c := range map[string]struct {
		caller ledger.Caller
		change func(*checkpoint.Cosign)
		code   fault.Code
	}{
		"not a member":      {ledger.Caller{MSP: "Org9MSP", Role: "client"}, func(*checkpoint.Cosign) {}, fault.NotMember},
		"a peer":            {ledger.Caller{MSP: one.MSP, Role: "peer"}, func(*checkpoint.Cosign) {}, fault.NotMember},
		"another's":         {two.Caller(), func(*checkpoint.Cosign) {}, fault.BadSignature},
		"another's ed25519": {one.Caller(), func(c *checkpoint.Cosign) { c.Ed25519 = w.Cosign(two, 7, root, opstest.Start).Ed25519 }, fault.BadSignature},
		"another's chain":   {one.Caller(), func(c *checkpoint.Cosign) { c.Secp256k1 = w.Cosign(two, 7, root, opstest.Start).Secp256k1 }, fault.BadSignature},
		"stranger":          {one.Caller(), func(c *checkpoint.Cosign) { c.Ed25519 = stranger }, fault.BadSignature},
		"other size":        {one.Caller(), func(c *checkpoint.Cosign) { c.Size = 8 }, fault.BadSignature},
		"other time":        {one.Caller(), func(c *checkpoint.Cosign) { c.Time++ }, fault.BadSignature},
		"other root":        {one.Caller(), func(c *checkpoint.Cosign) { c.Root = canon.Hex(opstest.Seed("r")) }, fault.BadSignature},
		"size zero":         {one.Caller(), func(c *checkpoint.Cosign) { c.Size = 0 }, fault.InvalidValue},
		"time zero":         {one.Caller(), func(c *checkpoint.Cosign) { c.Time = 0 }, fault.InvalidValue},
		"short root":        {one.Caller(), func(c *checkpoint.Cosign) { c.Root = "00" }, fault.InvalidValue},
		"no base64":         {one.Caller(), func(c *checkpoint.Cosign) { c.Ed25519 = "?" }, fault.InvalidValue},
		"short signature":   {one.Caller(), func(c *checkpoint.Cosign) { c.Secp256k1 = "AAAA" }, fault.InvalidValue},
	} {
		bad := good
		c.change(&bad)
		if _, err := w.Invoke(c.caller, "checkpoint:Cosign", bad); fault.Of(err) != c.code {
			t.Errorf("%s: %v, want %v", name, err, c.code)
		}
	}
	w.Must(one.Caller(), "checkpoint:Cosign", good)
	w.Must(one.Caller(), "checkpoint:Cosign", good) // the same again is harmless
	var found []checkpoint.MemberSignatures
	w.Read("checkpoint:Cosignatures", ops.CosignaturesQuery{Size: 7, Root: good.Root, Time: opstest.Start}, &found)
	if len(found) != 1 || found[0].MSP != one.MSP || found[0].Ed25519 != good.Ed25519 || found[0].Secp256k1 != good.Secp256k1 {
		t.Errorf("%+v", found)
	}
}

// A signature whose nonce point has a part of small order passes ZIP-215, and no
// reader of notes takes it: it must not become a cosignature.
func TestCosignTakesWhatReadersTake(t *testing.T) {
	w := opstest.New(t)
	one := w.Members[0]
	c := w.Cosign(one, 7, root, opstest.Start)
	message := checkpoint.CosignedMessage(opstest.Network, opstest.LogID, 7, root, opstest.Start)
	signature := cofactored(t, one.CosignKey(), message)
	public := one.CosignKey().Public().(ed25519.PublicKey)
	if !ed25519consensus.Verify(public, message, signature) || ed25519.Verify(public, message, signature) {
		t.Fatal("the signature is not one that ZIP-215 alone takes")
	}
	c.Ed25519 = base64.StdEncoding.EncodeToString(signature)
	if _, err := w.Invoke(one.Caller(), "checkpoint:Cosign", c); fault.Of(err) != fault.BadSignature {
		t.Errorf("Cosign = %v, want bad_signature", err)
	}
}

// cofactored signs with a point of order 8 added to the nonce point.
func cofactored(t *testing.T, key ed25519.PrivateKey, message []byte) []byte {
	t.Helper()
	small, err := new(edwards25519.Point).SetBytes(canonHex(t, "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a"))
	if err != nil {
		t.Fatal(err)
	}
	secret := sha512.Sum512(key.Seed())
	a, err := new(edwards25519.Scalar).SetBytesWithClamping(secret[:32])
	if err != nil {
		t.Fatal(err)
	}
	nonce := sha512.Sum512(append(secret[32:], message...))
	r, err := new(edwards25519.Scalar).SetUniformBytes(nonce[:])
	if err != nil {
		t.Fatal(err)
	}
	point := new(edwards25519.Point).ScalarBaseMult(r)
	point.Add(point, small)
	hash := sha512.Sum512(slices.Concat(point.Bytes(), key.Public().(ed25519.PublicKey), message))
	h, err := new(edwards25519.Scalar).SetUniformBytes(hash[:])
	if err != nil {
		t.Fatal(err)
	}
	return append(point.Bytes(), new(edwards25519.Scalar).MultiplyAdd(h, a, r).Bytes()...)
}

func canonHex(t *testing.T, text string) []byte {
	t.Helper()
	b, err := canon.UnHex(text, len(text)/2)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// CP-2: K different members, and growth in size and in time.
func TestAcceptRefuses(t *testing.T) {
	w := opstest.New(t)
	w.Checkpoint(10, opstest.Start)
	sign := func(size, time uint64, members ...int) {
		for _, i := range members {
			w.Must(w.Members[i].Caller(), "checkpoint:Cosign", w.Cosign(w.Members[i], size, root, time))
		}
	}
	sign(11, opstest.Start+1, 0, 1)
	sign(10, opstest.Start+1, 0, 1, 2)
	sign(11, opstest.Start, 0, 1, 2)
	sign(9, opstest.Start+5, 0, 1, 2)
	three := []string{"Org1MSP", "Org2MSP", "Org3MSP"}
	for name, c := range map[string]struct {
		size, time uint64
		signers    []string
		code       fault.Code
	}{
		"third has not signed": {11, opstest.Start + 1, three, fault.NoQuorum},
		"two signers":          {11, opstest.Start + 1, three[:2], fault.NoQuorum},
		"one twice":            {11, opstest.Start + 1, []string{"Org1MSP", "Org1MSP", "Org2MSP"}, fault.InvalidValue},
		"a stranger":           {11, opstest.Start + 1, []string{"Org1MSP", "Org9MSP", "Org2MSP"}, fault.NotMember},
		"nobody signed that":   {12, opstest.Start + 1, three, fault.NoQuorum},
		"same size":            {10, opstest.Start + 1, three, fault.NotGrowing},
		"same time":            {11, opstest.Start, three, fault.NotGrowing},
		"smaller":              {9, opstest.Start + 5, three, fault.NotGrowing},
	} {
		a := checkpoint.Accept{Size: c.size, Root: canon.Hex(root[:]), Time: c.time, Signers: c.signers}
		if _, err := w.Invoke(w.Members[3].Caller(), "checkpoint:Accept", a); fault.Of(err) != c.code {
			t.Errorf("%s: %v, want %v", name, err, c.code)
		}
	}
	outsider := ledger.Caller{MSP: "Org9MSP", Role: "admin"}
	if _, err := w.Invoke(outsider, "checkpoint:Accept", checkpoint.Accept{Size: 11, Root: canon.Hex(root[:]), Time: 1, Signers: three}); fault.Of(err) != fault.NotMember {
		t.Errorf("by an outsider: %v", err)
	}
	sign(11, opstest.Start+1, 3)
	w.Must(w.Members[3].Caller(), "checkpoint:Accept",
		checkpoint.Accept{Size: 11, Root: canon.Hex(root[:]), Time: opstest.Start + 1, Signers: []string{"Org4MSP", "Org2MSP", "Org1MSP"}})
	var head checkpoint.Checkpoint
	w.Read("checkpoint:Head", nil, &head)
	if head.Number != 2 || !slices.Equal(head.Signers, []string{"Org1MSP", "Org2MSP", "Org4MSP"}) {
		t.Errorf("%+v", head)
	}
}

// CP-3: elapsed grows with time, by two heartbeats at most for each step.
func TestElapsed(t *testing.T) {
	w := opstest.New(t)
	if _, err := w.Invoke(ledger.Caller{}, "checkpoint:Head", nil); fault.Of(err) != fault.NotFound {
		t.Errorf("head before the first: %v", err)
	}
	time, elapsed := uint64(opstest.Start), uint64(0)
	for i, step := range []uint64{0, 5, 60, 119, 120, 121, 86400, 1} {
		time += step
		elapsed += min(step, 120)
		w.Checkpoint(uint64(i+1), time)
		var c checkpoint.Checkpoint
		w.Read("checkpoint:At", ops.AtQuery{Number: uint64(i + 1)}, &c)
		if c.Elapsed != elapsed || c.Time != time || c.Size != uint64(i+1) {
			t.Errorf("after a step of %d: %+v, want elapsed %d", step, c, elapsed)
		}
	}
	if _, err := w.Invoke(ledger.Caller{}, "checkpoint:At", ops.AtQuery{Number: 99}); fault.Of(err) != fault.NotFound {
		t.Errorf("unknown number: %v", err)
	}
}

func TestReceipts(t *testing.T) {
	w := opstest.New(t)
	hash := canon.Hex(root[:])
	good := checkpoint.Receipt{Chain: "eip155:1337", Size: 7, Tx: "0x" + hash, Block: 9, BlockHash: hash}
	for name, c := range map[string]struct {
		caller ledger.Caller
		change func(*checkpoint.Receipt)
		code   fault.Code
	}{
		"not a member": {ledger.Caller{MSP: "Org9MSP", Role: "client"}, func(*checkpoint.Receipt) {}, fault.NotMember},
		"chain":        {w.Members[0].Caller(), func(r *checkpoint.Receipt) { r.Chain = "bip122:x" }, fault.InvalidValue},
		"size zero":    {w.Members[0].Caller(), func(r *checkpoint.Receipt) { r.Size = 0 }, fault.InvalidValue},
		"no hash":      {w.Members[0].Caller(), func(r *checkpoint.Receipt) { r.Tx = "0x" }, fault.InvalidValue},
	} {
		bad := good
		c.change(&bad)
		if _, err := w.Invoke(c.caller, "checkpoint:Receipt", bad); fault.Of(err) != c.code {
			t.Errorf("%s: %v, want %v", name, err, c.code)
		}
	}
	for _, i := range []int{2, 0} {
		w.Must(w.Members[i].Caller(), "checkpoint:Receipt", good)
	}
	var found []checkpoint.MemberReceipt
	w.Read("checkpoint:Receipts", ops.ReceiptsQuery{Chain: good.Chain, Size: 7}, &found)
	want := checkpoint.Anchored{Tx: good.Tx, Block: 9, BlockHash: hash}
	if fmt.Sprint(found) != fmt.Sprint([]checkpoint.MemberReceipt{{MSP: "Org1MSP", Anchored: want}, {MSP: "Org3MSP", Anchored: want}}) {
		t.Errorf("%+v", found)
	}
}
