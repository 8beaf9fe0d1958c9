package record_test

import (
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/killick-ledger/killick/chaincode/canon"
	"github.com/killick-ledger/killick/chaincode/fault"
	"github.com/killick-ledger/killick/chaincode/ledger"
	"github.com/killick-ledger/killick/chaincode/ops"
	"github.com/killick-ledger/killick/chaincode/ops/opstest"
	"github.com/killick-ledger/killick/chaincode/record"
)

// private is a record of a content that the members keep.
func private(name string, content []byte, size uint64) *ops.RecordSubmit {
	body := opstest.Submit(name)
	body.Size, body.Private = size, opstest.Digest(content)
	return body
}

// kept lists the digests of the contents that the members keep.
func kept(w *opstest.World) []string {
	var digests []string
	for _, key := range slices.Sorted(maps.Keys(w.Private.Values)) {
		digests = append(digests, key[strings.LastIndexByte(key, '/')+1:])
	}
	return digests
}

func fetch(t *testing.T, w *opstest.World, u *opstest.User, ref string) ([]byte, error) {
	t.Helper()
	item, err := ops.SignRead(u.Alg(), opstest.Network, ref, w.Now-10, u)
	if err != nil {
		t.Fatal(err)
	}
	return w.Invoke(ledger.Caller{}, "record:Content", item.Compact())
}

// PV-1: the members keep the content of a record's newest version and no other, and
// none of one that is deleted; owner and recipients can fetch it.
func TestLifeOfAContent(t *testing.T) {
	w := opstest.New(t)
	alice, bob, carol := opstest.NewUser("alice"), opstest.NewUser("bob"), opstest.NewUser("carol")
	for _, u := range []*opstest.User{alice, bob, carol} {
		w.Create(u)
	}
	first, second := opstest.Content(5, alice.DID+"#a", bob.DID+"#b"), opstest.Content(6, alice.DID+"#a")
	w.Give(first, second)
	body := private("first", first, 5)
	ref := w.Do(alice, body, "").String()
	var v record.View
	w.Read("record:Read", ref, &v)
	if v.Private != body.Private || !slices.Equal(kept(w), []string{body.Private}) {
		t.Fatalf("%+v, kept %q", v, kept(w))
	}
	for _, u := range []*opstest.User{alice, bob} {
		answer, err := fetch(t, w, u, ref)
		var c record.ContentView
		if err == nil {
			err = canon.Decode(answer, &c)
		}
		want := record.ContentView{Record: ref, Version: 1, Commitment: body.Commitment, Digest: body.Private, Content: string(first)}
		if err != nil || c != want {
			t.Errorf("%s fetches %+v, %v", u.DID, c, err)
		}
	}
	if _, err := fetch(t, w, carol, ref); fault.Of(err) != fault.NotOwner {
		t.Errorf("carol: %v", err)
	}
	amend := &ops.RecordAmend{Record: ref, Schema: "plain", Commitment: v.Commitment, Size: 6, Private: opstest.Digest(second)}
	w.Do(alice, amend, v.Hash)
	if !slices.Equal(kept(w), []string{amend.Private}) {
		t.Errorf("after the amendment %q are kept", kept(w))
	}
	if _, err := fetch(t, w, bob, ref); fault.Of(err) != fault.NotOwner {
		t.Errorf("bob, who is no recipient any more: %v", err)
	}
	w.Read("record:Read", ref, &v)
	w.Do(alice, &ops.RecordDelete{Record: ref}, v.Hash)
	if len(w.Private.Values) != 0 {
		t.Errorf("after the deletion %q are kept", kept(w))
	}
	if _, err := fetch(t, w, alice, ref); fault.Of(err) != fault.Deleted {
		t.Errorf("deleted: %v", err)
	}
	v = record.View{}
	w.Read("record:Read", ref, &v)
	if v.Private != "" || v.Status != "deleted" || v.Commitment != body.Commitment {
		t.Errorf("%+v", v)
	}
	var history record.HistoryView
	w.Read("record:History", record.HistoryQuery{Record: ref}, &history)
	if h := history.Versions; len(h) != 3 || h[0].Private != body.Private || h[1].Private != amend.Private {
		t.Errorf("%+v", history)
	}
}

// PV-1: an amendment without a content, and one to the same content.
func TestContentOfAnAmendment(t *testing.T) {
	w := opstest.New(t)
	alice := opstest.NewUser("alice")
	w.Create(alice)
	content := opstest.Content(5, alice.DID+"#a")
	w.Give(content)
	body := private("first", content, 5)
	ref := w.Do(alice, body, "").String()
	var v record.View
	w.Read("record:Read", ref, &v)
	w.Do(alice, &ops.RecordAmend{Record: ref, Schema: "other", Commitment: v.Commitment, Size: 5, Private: body.Private}, v.Hash)
	if !slices.Equal(kept(w), []string{body.Private}) {
		t.Errorf("%q", kept(w))
	}
	w.Read("record:Read", ref, &v)
	stale := &ops.RecordAmend{Record: ref, Schema: "plain", Commitment: v.Commitment, Size: 5}
	item, _ := w.Sign(alice, stale, v.Commitment)
	if got := w.Batch(item); fault.Code(got[0]) != fault.StalePrior || !slices.Equal(kept(w), []string{body.Private}) {
		t.Errorf("refused: %v, kept %q", got, kept(w))
	}
	w.Do(alice, stale, v.Hash)
	if len(w.Private.Values) != 0 {
		t.Errorf("%q", kept(w))
	}
	if _, err := fetch(t, w, alice, ref); fault.Of(err) != fault.NotFound {
		t.Errorf("no content: %v", err)
	}
	// Two records of the same content of the same owner: each has its own.
	one, ref2 := w.Sign(alice, private("second", content, 5), "")
	if got := w.Batch(one); got[0] != 0 {
		t.Fatal(got)
	}
	w.Read("record:Read", ref2.String(), &v)
	two, _ := w.Sign(alice, &ops.RecordDelete{Record: ref2.String()}, v.Hash)
	three, _ := w.Sign(alice, private("third", content, 5), "")
	if got := w.Batch(three, two); got[0] != 0 || got[1] != 0 || !slices.Equal(kept(w), []string{body.Private}) {
		t.Errorf("%v, kept %q", got, kept(w))
	}
}

// PV-1: void transactions leave what they brought with the members. Once an amendment is
// refused for good its content goes, but not what the record has, nor another's.
func TestContentOfARefusedAmendment(t *testing.T) {
	w := opstest.New(t)
	alice, bob := opstest.NewUser("alice"), opstest.NewUser("bob")
	w.Create(alice)
	w.Create(bob)
	live, late := opstest.Content(5, alice.DID+"#a", bob.DID+"#b"), opstest.Content(6, alice.DID+"#a", bob.DID+"#b")
	w.Give(live, late)
	ref := w.Do(alice, private("first", live, 5), "").String()
	other := w.Do(alice, private("other", late, 6), "").String()
	var v record.View
	for name, tc := range map[string]struct {
		by      *opstest.User
		record  string
		content []byte
		size    uint64
		prior   string
		code    fault.Code
		gone    bool
	}{
		"stale":                 {alice, ref, late, 6, opstest.Digest(late), fault.StalePrior, true},
		"stale, of the same":    {alice, ref, live, 5, opstest.Digest(late), fault.StalePrior, false},
		"a reader's":            {bob, ref, late, 6, opstest.Digest(late), fault.NotOwner, true},
		"a reader's of the one": {bob, ref, live, 5, opstest.Digest(late), fault.NotOwner, false},
		"of none":               {alice, ref[:9] + opstest.Digest(late), late, 6, opstest.Digest(late), fault.NotFound, true},
	} {
		key := record.PrivateKey(tc.record, canon.Sum(tc.content))
		w.Private.Values[key] = tc.content // a void transaction left it, or the record has it
		item, _ := w.Sign(tc.by, &ops.RecordAmend{Record: tc.record, Schema: "x", Commitment: opstest.Digest(late), Size: tc.size, Private: opstest.Digest(tc.content)}, tc.prior)
		if got := w.Batch(item); fault.Code(got[0]) != tc.code {
			t.Fatalf("%s: %v", name, got)
		}
		if w.Private.Values[key] == nil != tc.gone {
			t.Errorf("%s: kept %q", name, kept(w))
		}
	}
	w.Read("record:Read", ref, &v)
	w.Do(alice, &ops.RecordDelete{Record: ref}, v.Hash)
	w.Private.Values[record.PrivateKey(ref, canon.Sum(live))] = live // it came after the deletion
	item, _ := w.Sign(alice, &ops.RecordAmend{Record: ref, Schema: "x", Commitment: opstest.Digest(late), Size: 5, Private: opstest.Digest(live)}, v.Hash)
	if got := w.Batch(item); fault.Code(got[0]) != fault.Deleted {
		t.Errorf("%v", got)
	}
	if want := []string{opstest.Digest(late)}; !slices.Equal(kept(w), want) {
		t.Errorf("kept %q, want that of %s", kept(w), other)
	}
}

// PV-2: an operation without its content, or with another, is not done and leaves
// nothing, so that whoever has the content can have it done; once it is done it
// answers its first result, with or without.
func TestContentHasToCome(t *testing.T) {
	w := opstest.New(t)
	alice, bob := opstest.NewUser("alice"), opstest.NewUser("bob")
	w.Create(alice)
	w.Create(bob)
	good := opstest.Content(5, alice.DID+"#a")
	for name, tc := range map[string]struct {
		given []byte
		named []byte
		size  uint64
		code  fault.Code
	}{
		"nothing came":           {nil, good, 5, fault.ContentMissing},
		"of another size":        {good, good, 6, fault.InvalidValue},
		"not to the owner":       {opstest.Content(5, bob.DID+"#a"), opstest.Content(5, bob.DID+"#a"), 5, fault.InvalidValue},
		"to another network":     {foreign(alice), foreign(alice), 5, fault.WrongNetwork},
		"plaintext":              {[]byte("my secret"), []byte("my secret"), 5, fault.Malformed},
		"an object of plaintext": {[]byte(`{"name":"Alice"}`), []byte(`{"name":"Alice"}`), 5, fault.UnknownField},
	} {
		t.Run(name, func(t *testing.T) {
			w.Give()
			if tc.given != nil {
				w.Give(tc.given)
			}
			before := len(w.Store.Entries())
			item, _ := w.Sign(alice, private(name, tc.named, tc.size), "")
			if got := w.Batch(item); fault.Code(got[0]) != tc.code || len(w.Store.Entries()) != before || len(w.Private.Values) != 0 {
				t.Errorf("%v, want %v; %d keys more, kept %q", fault.Code(got[0]), tc.code, len(w.Store.Entries())-before, kept(w))
			}
		})
	}
	item, ref := w.Sign(alice, private("once", good, 5), "")
	w.Give()
	w.Private.Contents[opstest.Digest(good)] = opstest.Content(5, alice.DID+"#b") // a gateway that lies
	if got := w.Batch(item); fault.Code(got[0]) != fault.ContentMissing {
		t.Errorf("another content: %v", got)
	}
	w.Give(good)
	if got := w.Batch(item); got[0] != 0 {
		t.Fatalf("not done: %v", got)
	}
	w.Give()
	if got := w.Batch(item); got[0] != ops.Replayed {
		t.Errorf("done although it seemed to have failed: %v", got)
	}
	clear(w.Private.Values) // a peer that has not fetched it yet
	if _, err := fetch(t, w, alice, ref.String()); fault.Of(err) != fault.Unavailable {
		t.Errorf("not on this peer: %v", err)
	}
}

func foreign(u *opstest.User) []byte {
	return opstest.Content(5, u.DID+"#a", strings.Replace(u.DID, opstest.Network, "main-ffffffffffffffff", 1)+"#a")
}

// PV-2: whoever explains a batch, or runs it again, has no contents and finds the same.
func TestContentsAreNotNeededToExplain(t *testing.T) {
	w := opstest.New(t)
	alice := opstest.NewUser("alice")
	w.Create(alice)
	content := opstest.Content(5, alice.DID+"#a")
	item, _ := w.Sign(alice, private("first", content, 5), "")
	frame, err := ops.EncodeFrame([]ops.Item{item})
	if err != nil {
		t.Fatal(err)
	}
	var with, without ops.Explanation
	w.Give(content)
	w.Read("ops:Explain", frame, &with)
	w.Give()
	w.Read("ops:Explain", frame, &without)
	if with.Items[0] != without.Items[0] || without.Items[0].Result != "ok" {
		t.Errorf("%+v, without the content %+v", with, without)
	}
	tx := ledger.Begin(w.Store, w.Now, ledger.Caller{})
	tx.AssumeContents()
	if got, err := w.Engine.Invoke(tx, "ops:Batch", [][]byte{frame}); err != nil || got[0] != 0 {
		t.Errorf("run again: %v, %v", got, err)
	}
}

// PV-3: a signed read is for the network, its time and its purpose.
func TestSignedReads(t *testing.T) {
	w := opstest.New(t)
	alice := opstest.NewUser("alice")
	w.Create(alice)
	content := opstest.Content(5, alice.DID+"#a")
	w.Give(content)
	ref := w.Do(alice, private("first", content, 5), "").String()
	raw := func(header, payload string) string {
		item, err := ops.Sign([]byte(header), []byte(payload), alice)
		if err != nil {
			t.Fatal(err)
		}
		return item.Compact()
	}
	const typ = `,"typ":"killick-read"}`
	head := `{"alg":"EdDSA","kid":"` + alice.KeyID() + `"` + typ
	payload := func(net string, iat, exp uint64) string {
		b, err := canon.Marshal(struct {
			Net    string `json:"net"`
			Iat    uint64 `json:"iat"`
			Exp    uint64 `json:"exp"`
			Record string `json:"record"`
		}{net, iat, exp, ref})
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	good := payload(opstest.Network, w.Now, w.Now+300)
	if _, err := w.Invoke(ledger.Caller{}, "record:Content", raw(head, good)); err != nil {
		t.Fatal(err)
	}
	operation, _ := w.Sign(alice, &ops.RecordDelete{Record: ref}, ref[9:])
	stranger := opstest.NewUser("stranger")
	for name, tc := range map[string]struct {
		jws  string
		code fault.Code
	}{
		"no JWS":              {"x", fault.Malformed},
		"an operation":        {operation.Compact(), fault.UnknownField},
		"typ of operations":   {raw(strings.Replace(head, "read", "op", 1), good), fault.InvalidValue},
		"none":                {raw(strings.Replace(head, "EdDSA", "none", 1), good), fault.AlgMismatch},
		"another algorithm":   {raw(strings.Replace(head, "EdDSA", "ES256", 1), good), fault.AlgMismatch},
		"another network":     {raw(head, payload("main-ffffffffffffffff", w.Now, w.Now+300)), fault.WrongNetwork},
		"expired":             {raw(head, payload(opstest.Network, w.Now-300, w.Now)), fault.Expired},
		"not yet":             {raw(head, payload(opstest.Network, w.Now+301, w.Now+302)), fault.NotYetValid},
		"for too long":        {raw(head, payload(opstest.Network, w.Now, w.Now+301)), fault.LifetimeTooLong},
		"twice a member":      {raw(head, strings.Replace(good, "{", `{"net":"x",`, 1)), fault.DuplicateKey},
		"no record":           {raw(head, strings.Replace(good, ref, "x", 1)), fault.InvalidValue},
		"key of its own":      {raw(strings.Replace(head, "#k", "#none", 1), good), fault.KeyUnknown},
		"key of no purpose":   {raw(strings.Replace(head, "#k", "#auth", 1), good), fault.KeyPurpose},
		"another's key":       {raw(strings.Replace(head, alice.DID, stranger.DID, 1), good), fault.DIDUnknown},
		"a changed signature": {strings.TrimSuffix(raw(head, good), raw(head, good)[len(raw(head, good))-4:]) + "AAAA", fault.BadSignature},
	} {
		if _, err := w.Invoke(ledger.Caller{}, "record:Content", tc.jws); fault.Of(err) != tc.code {
			t.Errorf("%s: %v, want %v", name, err, tc.code)
		}
	}
	// A signed read is no operation either.
	if got := w.Must(ledger.Caller{MSP: "Org1MSP", Role: "client"}, "ops:Apply", raw(head, good)); fault.Code(got[0]) == fault.OK {
		t.Error("a signed read was executed")
	}
}
