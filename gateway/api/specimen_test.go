package api_test

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"fmt"
	"reflect"
	"strings"
	"testing"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/killick-ledger/killick/chaincode/canon"
	"github.com/killick-ledger/killick/chaincode/did"
	"github.com/killick-ledger/killick/chaincode/fault"
	"github.com/killick-ledger/killick/chaincode/ops"
	"github.com/killick-ledger/killick/chaincode/ops/opstest"
)

// specimen is an operation that would be done, as header and payload, about which
// things are made wrong one at a time.
type specimen struct {
	t       *testing.T
	scene   *opstest.Scene
	name    string
	example *opstest.Example
	header  string
	payload string
	found   []bad
}

func newSpecimen(t *testing.T, scene *opstest.Scene, name string) *specimen {
	t.Helper()
	e := scene.Examples[name]
	header, err := ops.Header(e.Signer().Alg(), e.Signer().KeyID())
	if err != nil {
		t.Fatal(err)
	}
	payload, err := ops.Request{Network: opstest.Network, IssuedAt: scene.Now - 10, Expires: scene.Now + 3600, Prior: e.Prior, Body: e.Body}.Payload()
	if err != nil {
		t.Fatal(err)
	}
	return &specimen{t: t, scene: scene, name: name, example: e, header: string(header), payload: string(payload)}
}

// signed is the compact form of header and payload, signed by the example's key.
func (s *specimen) signed(header, payload string) string {
	return s.signedBy(s.example.Signer(), header, payload)
}

func (s *specimen) signedBy(by ops.Signer, header, payload string) string {
	s.t.Helper()
	item, err := ops.Sign([]byte(header), []byte(payload), by)
	if err != nil {
		s.t.Fatal(err)
	}
	return item.Compact()
}

// jws is the specimen with nothing wrong about it.
func (s *specimen) jws() string { return s.signed(s.header, s.payload) }

func (s *specimen) add(kind string, code fault.Code, jws string) {
	if other, ok := s.example.Codes[kind]; ok {
		code = other
	}
	if code == fault.OK {
		return // not wrong of this operation
	}
	s.found = append(s.found, bad{kind: kind, jws: jws, code: code})
}

// bad lists everything that is made wrong.
func (s *specimen) bad() []bad {
	s.found = nil
	s.forms()
	s.texts()
	s.names()
	s.signatures()
	s.keys()
	s.priors()
	s.values("header", s.header, func(changed string) string { return s.signed(changed, s.payload) })
	s.values("payload", s.payload, func(changed string) string { return s.signed(s.header, changed) })
	return s.found
}

// forms are wrong about the JWS, before anything of it is decoded.
func (s *specimen) forms() {
	good := s.jws()
	parts := strings.Split(good, ".")
	header, payload, signature := parts[0], parts[1], parts[2]
	join := func(parts ...string) string { return strings.Join(parts, ".") }
	s.add("nothing", fault.MissingField, "")
	for kind, jws := range map[string]string{
		"no JWS":                    "hello",
		"one part":                  payload,
		"two parts":                 join(header, payload),
		"four parts":                join(header, payload, signature, signature),
		"five parts":                join(header, payload, signature, signature, signature),
		"detached payload":          join(header, "", signature),
		"no header":                 join("", payload, signature),
		"JSON serialisation":        fmt.Sprintf(`{"payload":%q,"protected":%q,"signature":%q}`, payload, header, signature),
		"header with padding":       join(header+"=", payload, signature),
		"payload with padding":      join(header, payload+"=", signature),
		"signature with padding":    join(header, payload, signature+"=="),
		"base64 of the other kind":  join(header, payload, "+/"+signature[2:]),
		"line break":                join(header, payload[:8]+"\n"+payload[8:], signature),
		"blank before":              " " + good,
		"unused bits of the base64": join(header, payload, signature[:85]+"B"),
		"header as it is":           join(s.header, payload, signature),
		"not UTF-8":                 join(header, payload[:8]+"\xff"+payload[8:], signature),
		"zero byte":                 join(header, payload[:8]+"\x00"+payload[8:], signature),
	} {
		s.add(kind, fault.Malformed, jws)
	}
	s.add("more than 65,536 bytes", fault.TooLarge, s.signed(s.header, strings.Repeat(" ", 60000)+s.payload))
	s.add("20 MB", fault.TooLarge, join(header, strings.Repeat("ICAg", 5<<20)+payload, signature))
}

// texts are wrong about header and payload as JSON texts.
func (s *specimen) texts() {
	for _, part := range []struct {
		name, text string
		sign       func(string) string
	}{
		{"header", s.header, func(text string) string { return s.signed(text, s.payload) }},
		{"payload", s.payload, func(text string) string { return s.signed(s.header, text) }},
	} {
		for _, c := range []struct {
			kind string
			code fault.Code
			text string
		}{
			{"no JSON", fault.Malformed, "hello"},
			{"a text", fault.Malformed, `"hello"`},
			{"null", fault.WrongType, `null`},
			{"empty", fault.Malformed, ""},
			{"cut off", fault.Malformed, part.text[:len(part.text)-1]},
			{"byte order mark", fault.Malformed, "\xef\xbb\xbf" + part.text},
			{"UTF-16", fault.Malformed, "\x00" + strings.Join(strings.Split(part.text, ""), "\x00")},
			{"comma at the end", fault.Malformed, part.text[:len(part.text)-1] + ",}"},
			{"comment", fault.Malformed, strings.Replace(part.text, ":", ":/**/", 1)},
			{"array", fault.WrongType, "[" + part.text + "]"},
			{"trailing object", fault.TrailingData, part.text + "{}"},
			{"trailing blank", fault.TrailingData, part.text + " "},
			{"trailing zero byte", fault.TrailingData, part.text + "\x00"},
		} {
			s.add(part.name+": "+c.kind, c.code, part.sign(c.text))
		}
	}
}

// names are wrong about what the operation says of itself: algorithm, type, kid,
// network, name and times.
func (s *specimen) names() {
	const elsewhere = "main-ffffffffffffffff"
	header := func(kind string, code fault.Code, pointer, value string) {
		s.add(kind, code, s.signed(s.set(s.header, pointer, value), s.payload))
	}
	for _, alg := range []string{"none", "None", "HS256", "RS256", "ES512", "Ed25519", "eddsa", ""} {
		header("alg "+alg, fault.AlgMismatch, "/alg", fmt.Sprintf("%q", alg))
	}
	for _, alg := range did.Algorithms {
		if alg != s.example.Signer().Alg() {
			header("alg of another kind of key: "+string(alg), fault.AlgMismatch, "/alg", fmt.Sprintf("%q", alg))
		}
	}
	header("typ JWT", fault.InvalidValue, "/typ", `"JWT"`)
	header("typ in other case", fault.InvalidValue, "/typ", `"Killick-Op"`)
	kid := s.example.Signer().KeyID()
	actor, fragment, _ := strings.Cut(kid, "#")
	header("kid without a fragment", fault.KidMismatch, "/kid", fmt.Sprintf("%q", actor))
	header("kid that is a fragment", fault.KidMismatch, "/kid", fmt.Sprintf("%q", "#"+fragment))
	header("kid with a query", fault.KidMismatch, "/kid", fmt.Sprintf("%q", actor+"?versionId=1#"+fragment))
	header("kid of another method", fault.KidMismatch, "/kid", `"did:web:example.org#key-1"`)
	header("kid on another network", fault.WrongNetwork, "/kid", fmt.Sprintf("%q", strings.Replace(kid, opstest.Network, elsewhere, 1)))
	for member, value := range map[string]string{
		"crit": `["exp"]`, "b64": "false", "jku": `"https://example.org/keys"`, "jwk": `{"kty":"OKP"}`, "x5c": `["AA=="]`, "zip": `"DEF"`, "cty": `"json"`,
	} {
		s.add("header with "+member, fault.UnknownField, s.signed(strings.TrimSuffix(s.header, "}")+`,"`+member+`":`+value+"}", s.payload))
	}

	payload := func(kind string, code fault.Code, changes ...string) {
		text := s.payload
		for i := 0; i < len(changes); i += 2 {
			text = s.set(text, changes[i], changes[i+1])
		}
		s.add(kind, code, s.signed(s.header, text))
	}
	payload("unknown operation", fault.UnknownOperation, "/op", `"record.destroy"`)
	payload("no operation", fault.UnknownOperation, "/op", `""`)
	payload("operation in other case", fault.UnknownOperation, "/op", fmt.Sprintf("%q", strings.ToUpper(s.name)))
	payload("function of organisations", fault.Batched, "/op", `"reward.fund"`)
	payload("query", fault.UnknownOperation, "/op", `"reward.balance"`)
	payload("net of another ledger", fault.WrongNetwork, "/net", `"`+elsewhere+`"`)
	s.add("operation of another ledger", fault.WrongNetwork, s.signed(
		strings.ReplaceAll(s.header, opstest.Network, elsewhere), strings.ReplaceAll(s.payload, opstest.Network, elsewhere)))
	at := func(seconds int64) string { return fmt.Sprint(int64(s.scene.Now) + seconds) }
	payload("expired", fault.Expired, "/iat", at(-7200), "/exp", at(-3600))
	payload("iat in the far future", fault.NotYetValid, "/iat", at(3600), "/exp", at(7200))
	payload("lives for more than a day", fault.LifetimeTooLong, "/exp", at(86400))
	payload("exp before iat", fault.LifetimeTooLong, "/exp", at(-11))
	payload("exp is iat", fault.LifetimeTooLong, "/exp", at(-10))
	payload("exp in the far future", fault.LifetimeTooLong, "/exp", fmt.Sprint(uint64(1)<<32))
	payload("iat as milliseconds", fault.NotYetValid, "/iat", at(0)+"000")
}

// signatures are wrong about the signature alone.
func (s *specimen) signatures() {
	item, err := ops.ParseCompact(s.jws())
	if err != nil {
		s.t.Fatal(err)
	}
	add := func(kind string, signature []byte) {
		changed := item
		changed.Signature = signature
		s.add(kind, fault.BadSignature, changed.Compact())
	}
	flipped := bytes.Clone(item.Signature)
	flipped[3] ^= 1
	add("changed signature", flipped)
	add("signature of nothing", nil)
	add("signature that is cut", item.Signature[:63])
	add("signature with more behind it", append(bytes.Clone(item.Signature), 0))
	add("signature of zeros", make([]byte, 64))
	other := item
	other.Payload = []byte(s.set(s.payload, "/iat", fmt.Sprint(s.scene.Now-11)))
	s.add("signature of another payload", fault.BadSignature, other.Compact())
	alg := item
	alg.Header = []byte(" " + s.header)
	s.add("signature of another header", fault.BadSignature, alg.Compact())

	// What confuses libraries into taking what nobody signed.
	header := s.set(s.header, "/alg", `"none"`)
	input := canon.B64([]byte(header)) + "." + canon.B64([]byte(s.payload)) + "."
	s.add("alg none without a signature", fault.AlgMismatch, input)
	header = s.set(s.header, "/alg", `"HS256"`)
	input = canon.B64([]byte(header)) + "." + canon.B64([]byte(s.payload))
	for kind, secret := range map[string][]byte{"its bytes": s.publicKey().Ed25519(), "its text": []byte(s.publicKey().String())} {
		mac := hmac.New(sha256.New, secret)
		mac.Write([]byte(input))
		s.add("HS256 with the public key as the secret, "+kind, fault.AlgMismatch, input+"."+canon.B64(mac.Sum(nil)))
	}
}

// publicKey is the key that signs the example.
func (s *specimen) publicKey() *did.PublicKey {
	text := s.example.By.Own().Multikey
	if s.example.Recovery {
		text = s.example.By.Recovery.Multikey
	}
	key, err := did.ParseKey(text)
	if err != nil {
		s.t.Fatal(err)
	}
	return key
}

// keys are signed well, by a key that may not.
func (s *specimen) keys() {
	nobody := opstest.NewUser("nobody")
	// by has one key sign under the kid of another.
	by := func(kind string, key ops.Signer, kid string, plain, creating, recovering fault.Code) {
		code := plain
		switch {
		case s.example.Recovery:
			code = recovering
		case s.name == "did.create":
			code = creating
		}
		s.add(kind, code, s.signedBy(key, s.set(s.header, "/kid", fmt.Sprintf("%q", kid)), s.payload))
	}
	own, u := s.example.Signer(), s.example.By
	fragment := "#k"
	key := func(of *opstest.User) opstest.Key { return of.Own() }
	if s.example.Recovery {
		fragment = "#" + did.RecoveryFragment
		key = func(of *opstest.User) opstest.Key { return of.Recovery }
	}
	by("unknown key", own, u.DID+"#key-9", fault.KeyUnknown, fault.KeyUnknown, fault.KidMismatch)
	by("key without the purpose", u.With(u.Auth, "auth"), u.DID+"#auth", fault.KeyPurpose, fault.KeyPurpose, fault.KidMismatch)
	by("another DID's kid", own, s.scene.Carol.DID+fragment, fault.BadSignature, fault.KidMismatch, fault.KeyUnknown)
	by("another DID's key", s.scene.Carol.With(key(s.scene.Carol), ""), u.DID+fragment, fault.BadSignature, fault.BadSignature, fault.BadSignature)
	by("unknown DID", nobody.With(key(nobody), ""), nobody.DID+fragment, fault.DIDUnknown, fault.KidMismatch, fault.DIDUnknown)
	by("deactivated DID", s.scene.Gone.With(key(s.scene.Gone), ""), s.scene.Gone.DID+fragment, fault.DIDDeactivated, fault.KidMismatch, fault.DIDDeactivated)
	if !s.example.Recovery {
		by("the recovery key", u.With(u.Recovery, ""), u.DID+"#"+did.RecoveryFragment, fault.KeyUnknown, fault.KeyUnknown, 0)
	}
}

// priors are wrong about the version that is replaced.
func (s *specimen) priors() {
	zeros := strings.Repeat("0", 64)
	if s.example.Prior == "" {
		s.add("prior where none belongs", fault.UnexpectedPrior, s.signed(s.header, strings.TrimSuffix(s.payload, "}")+`,"prior":"`+zeros+`"}`))
		return
	}
	with := func(kind string, code fault.Code, value string) {
		s.add(kind, code, s.signed(s.header, s.set(s.payload, "/prior", fmt.Sprintf("%q", value))))
	}
	with("prior in upper case", fault.InvalidValue, strings.ToUpper(s.example.Prior))
	with("prior that is cut", fault.InvalidValue, s.example.Prior[:63])
	with("empty prior", fault.InvalidValue, "")
	with("stale prior", fault.StalePrior, zeros)
}

// set replaces a value of a JSON text.
func (s *specimen) set(text, pointer, value string) string {
	s.t.Helper()
	for _, v := range valuesOf(text) {
		if v.pointer == pointer {
			return text[:v.start] + value + text[v.end:]
		}
	}
	s.t.Fatalf("%s has no %s", text, pointer)
	return ""
}

// optional says that a member may be left out: of the body, where its type says so, and
// what lies deeper, which each format has rules of its own for.
func (s *specimen) optional(pointer string) bool {
	body := reflect.TypeOf(s.example.Body).Elem()
	for i := range body.NumField() {
		name, options, _ := strings.Cut(body.Field(i).Tag.Get("json"), ",")
		if pointer == "/body/"+name {
			return strings.Contains(options, "omit")
		}
	}
	return strings.Count(pointer, "/") > 1
}

// value is a value within a JSON text.
type value struct {
	pointer    string
	name       string // of the member, empty for an element and the whole text
	start, end int
	kind       jsontext.Kind
}

// valuesOf lists all values of a JSON text, the whole one first.
func valuesOf(text string) []value {
	whole := value{end: len(text), kind: jsontext.Value(text).Kind()}
	return append([]value{whole}, within(text, whole)...)
}

func within(text string, outer value) []value {
	var found []value
	if outer.kind != '{' && outer.kind != '[' {
		return nil
	}
	d := jsontext.NewDecoder(strings.NewReader(text[outer.start:outer.end]))
	read := func(err error) {
		if err != nil {
			panic(err) // the text was made here
		}
	}
	_, err := d.ReadToken()
	read(err)
	for i := 0; d.PeekKind() != '}' && d.PeekKind() != ']'; i++ {
		v := value{pointer: fmt.Sprintf("%s/%d", outer.pointer, i)}
		if outer.kind == '{' {
			token, err := d.ReadToken()
			read(err)
			v.name = token.String()
			v.pointer = outer.pointer + "/" + v.name
		}
		raw, err := d.ReadValue()
		read(err)
		v.kind, v.end = raw.Kind(), outer.start+int(d.InputOffset())
		v.start = v.end - len(raw)
		found = append(append(found, v), within(text, v)...)
	}
	return found
}
