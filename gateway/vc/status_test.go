package vc_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"math/rand/v2"
	"runtime"
	"strings"
	"testing"

	"github.com/killick-ledger/killick/chaincode/canon"
	"github.com/killick-ledger/killick/chaincode/did"
	"github.com/killick-ledger/killick/chaincode/fault"
	"github.com/killick-ledger/killick/gateway/vc"
)

func newBits(t testing.TB, set ...int) *vc.Bits {
	t.Helper()
	b := must[*vc.Bits](t)(vc.NewBits(vc.MinEntries))
	for _, i := range set {
		if err := b.Set(i); err != nil {
			t.Fatal(err)
		}
	}
	return b
}

// encodedList packs any bytes as encodedList has them.
func encodedList(list []byte) string {
	var out bytes.Buffer
	w := gzip.NewWriter(&out)
	_, _ = w.Write(list)
	_ = w.Close()
	return "u" + canon.B64(out.Bytes())
}

func TestBitsAreMostSignificantFirst(t *testing.T) {
	for i, want := range map[int]struct {
		at   int
		bits byte
	}{0: {0, 0x80}, 7: {0, 0x01}, 8: {1, 0x80}, 94567: {11820, 0x01}, vc.MinEntries - 1: {vc.MinEntries/8 - 1, 0x01}} {
		list := make([]byte, vc.MinEntries/8)
		list[want.at] = want.bits
		b := must[*vc.Bits](t)(vc.DecodeBits(encodedList(list)))
		for j := range b.Len() {
			if got := must[bool](t)(b.Has(j)); got != (j == i) {
				t.Fatalf("entry %d is %v where only %d is set", j, got, i)
			}
		}
		if newBits(t, i).Encode() != encodedList(list) {
			t.Errorf("entry %d is encoded otherwise", i)
		}
	}
}

func TestBitsRefuse(t *testing.T) {
	short, long := make([]byte, vc.MinEntries/8-1), make([]byte, vc.MaxEntries/8+1)
	good := encodedList(make([]byte, vc.MinEntries/8))
	raw := must[[]byte](t)(canon.UnB64(good[1:]))
	flipped := bytes.Clone(raw)
	flipped[len(flipped)-5] ^= 1
	for name, encoded := range map[string]string{
		"empty":            "",
		"no multibase":     good[1:],
		"base58btc":        "z" + good[1:],
		"padding":          good + "=",
		"not gzip":         "u" + canon.B64([]byte("abc")),
		"too short":        encodedList(short),
		"too long":         encodedList(long),
		"cut":              "u" + canon.B64(raw[:len(raw)-4]),
		"wrong checksum":   "u" + canon.B64(flipped),
		"data behind it":   "u" + canon.B64(append(bytes.Clone(raw), 0)),
		"two lists":        "u" + canon.B64(append(bytes.Clone(raw), raw...)),
		"expands to 16 MB": encodedList(make([]byte, 1<<24)),
	} {
		if _, err := vc.DecodeBits(encoded); fault.Of(err) != fault.InvalidValue {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, n := range []int{0, -8, vc.MinEntries - 8, vc.MinEntries + 1, vc.MaxEntries + 8} {
		if _, err := vc.NewBits(n); err == nil {
			t.Errorf("a list of %d entries", n)
		}
	}
	b := newBits(t)
	for _, i := range []int{-1, vc.MinEntries} {
		if _, err := b.Has(i); err == nil || b.Set(i) == nil {
			t.Errorf("entry %d is there", i)
		}
	}
}

// Base58 takes time that grows with the square of the length: a list in it is refused
// undecoded, for which what is allocated stands here.
func TestBitsDecodeNoBase58(t *testing.T) {
	encoded := "z" + strings.Repeat("z", 1<<17)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	_, err := vc.DecodeBits(encoded)
	runtime.ReadMemStats(&after)
	if took := after.TotalAlloc - before.TotalAlloc; fault.Of(err) != fault.InvalidValue || took > 1<<16 {
		t.Errorf("%v, and %d bytes of memory", err, took)
	}
}

const listURL = "https://issuer.example/status/3"

func TestStatus(t *testing.T) {
	v := verifier(t)
	ctx := context.Background()
	s, other := keySigner("issuer", did.EdDSA), keySigner("other", did.EdDSA)
	list := vc.StatusList{URL: listURL, Issuer: controller(s), Purpose: vc.Revocation, ValidFrom: now, ValidUntil: now.Add(1e9), Bits: newBits(t, 94567)}
	json := string(list.JSON())
	issue := func(json string, s *vc.Signer) []byte {
		return must[[]byte](t)(v.Contexts.Issue([]byte(json), s, proofTimes))
	}
	good := issue(json, s)
	entry := vc.ListEntry{Purpose: vc.Revocation, List: listURL, Index: 94567}
	with := func(change func(e *vc.ListEntry)) *vc.ListEntry {
		e := entry
		change(&e)
		return &e
	}
	for _, tt := range []struct {
		name    string
		entry   *vc.ListEntry
		secured []byte
		set     bool
		code    fault.Code
	}{
		{"set", &entry, good, true, fault.OK},
		{"set, as a JWT", &entry, []byte(must[string](t)(v.Contexts.IssueJWT([]byte(json), s))), true, fault.OK},
		{"not set", with(func(e *vc.ListEntry) { e.Index-- }), good, false, fault.OK},
		{"beyond the list", with(func(e *vc.ListEntry) { e.Index = vc.MinEntries }), good, false, fault.InvalidValue},
		{"another list", with(func(e *vc.ListEntry) { e.List = listURL + "4" }), good, false, fault.InvalidValue},
		{"another purpose", with(func(e *vc.ListEntry) { e.Purpose = vc.Suspension }), good, false, fault.InvalidValue},
		{"one list for both purposes", with(func(e *vc.ListEntry) { e.Purpose = vc.Suspension }), issue(edited(t, json, "credentialSubject/statusPurpose", `["revocation","suspension"]`), s), true, fault.OK},
		{"another issuer", &entry, issue(edited(t, json, "issuer", `"`+controller(other)+`"`), other), false, fault.KidMismatch},
		{"another issuer's signature", &entry, []byte(edited(t, string(good), "proof/verificationMethod", `"`+other.Method+`"`)), false, fault.BadSignature},
		{"expired", &entry, issue(edited(t, json, "validUntil", `"2026-06-01T12:00:00Z"`), s), false, fault.Expired},
		{"not a list", &entry, issue(edited(t, json, "type", `["VerifiableCredential"]`), s), false, fault.InvalidValue},
		{"subject is no list", &entry, issue(edited(t, json, "credentialSubject/type", ""), s), false, fault.InvalidValue},
		{"two subjects", &entry, issue(edited(t, json, "credentialSubject", `[{"id":"did:example:a"},{"id":"did:example:b"}]`), s), false, fault.InvalidValue},
		{"nothing encoded", &entry, issue(edited(t, json, "credentialSubject/encodedList", ""), s), false, fault.MissingField},
		{"changed", &entry, []byte(edited(t, string(good), "credentialSubject/encodedList", `"`+newBits(t).Encode()+`"`)), false, fault.BadSignature},
	} {
		t.Run(tt.name, func(t *testing.T) {
			set, err := v.Status(ctx, tt.entry, tt.secured, controller(s), now)
			if fault.Of(err) != tt.code || set != tt.set {
				t.Errorf("got %v, %v, want %v, %v", set, err, tt.set, tt.code)
			}
		})
	}
}

func TestListEntry(t *testing.T) {
	unsecured := alumni("did:example:a")
	read := func(doc string) (*vc.ListEntry, error) {
		status, _ := must[canon.Object](t)(canon.ParseObject([]byte(doc))).Find("credentialStatus")
		return vc.ParseListEntry(status.(canon.Object))
	}
	e := must[*vc.ListEntry](t)(must[*vc.Credential](t)(contexts(t).ParseCredential([]byte(unsecured))).Status[0].ListEntry())
	if *e != (vc.ListEntry{Purpose: vc.Revocation, List: listURL, Index: 94567}) {
		t.Errorf("read %+v", e)
	}
	if again := must[*vc.ListEntry](t)(read(edited(t, unsecured, "credentialStatus", string(e.JSON())))); *again != *e {
		t.Errorf("written and read: %+v", again)
	}
	for _, tt := range []struct {
		name, member, value string
		code                fault.Code
	}{
		{"id of its own", "id", `"` + listURL + `#94567"`, fault.OK},
		{"id of the list", "id", `"` + listURL + `"`, fault.InvalidValue},
		{"one bit", "statusSize", `1`, fault.OK},
		{"two bits", "statusSize", `2`, fault.InvalidValue},
		{"size is a text", "statusSize", `"1"`, fault.InvalidValue},
		{"another type", "type", `"JsonSchema"`, fault.InvalidValue},
		{"message", "statusPurpose", `"message"`, fault.InvalidValue},
		{"no purpose", "statusPurpose", ``, fault.MissingField},
		{"no list", "statusListCredential", ``, fault.MissingField},
		{"list is no URL", "statusListCredential", `"3"`, fault.InvalidValue},
		{"no index", "statusListIndex", ``, fault.MissingField},
		{"index is a number", "statusListIndex", `94567`, fault.MissingField},
		{"index below zero", "statusListIndex", `"-1"`, fault.InvalidValue},
		{"index with a plus", "statusListIndex", `"+1"`, fault.InvalidValue},
		{"index with a zero before it", "statusListIndex", `"01"`, fault.InvalidValue},
		{"index in hexadecimal", "statusListIndex", `"0x1"`, fault.InvalidValue},
		{"index of no list", "statusListIndex", `"99999999999999999999"`, fault.InvalidValue},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if _, err := read(edited(t, unsecured, "credentialStatus/"+tt.member, tt.value)); fault.Of(err) != tt.code {
				t.Errorf("%v, want %v", err, tt.code)
			}
		})
	}
}

// FuzzDecodeBits: what is read and written again is the same list.
func FuzzDecodeBits(f *testing.F) {
	f.Add(newBits(f).Encode())
	f.Add(newBits(f, 1, 2, 3, 70000).Encode())
	f.Fuzz(func(t *testing.T, encoded string) {
		b, err := vc.DecodeBits(encoded)
		if err != nil {
			return
		}
		again, err := vc.DecodeBits(b.Encode())
		if err != nil || again.Encode() != b.Encode() || again.Len() != b.Len() {
			t.Fatalf("a list of %d entries became another: %v", b.Len(), err)
		}
	})
}

// BenchmarkStatusList renders and signs a full list, half of whose entries are set at
// random, which gzip cannot shorten, and reads it.
func BenchmarkStatusList(b *testing.B) {
	v := verifier(b)
	s := keySigner("issuer", did.EdDSA)
	bits := newBits(b)
	source := rand.New(rand.NewPCG(1, 2))
	for i := range bits.Len() {
		if source.IntN(2) == 1 {
			_ = bits.Set(i)
		}
	}
	list := vc.StatusList{URL: listURL, Issuer: controller(s), Purpose: vc.Revocation, ValidFrom: now, Bits: bits}
	var secured []byte
	b.Run("render", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			secured = must[[]byte](b)(v.Contexts.Issue(list.JSON(), s, proofTimes))
		}
	})
	entry := &vc.ListEntry{Purpose: vc.Revocation, List: listURL, Index: 94567}
	b.Run("look up", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := v.Status(context.Background(), entry, secured, controller(s), now); err != nil {
				b.Fatal(err)
			}
		}
	})
}
