package vc_test

import (
	"bytes"
	"context"
	"slices"
	"strings"
	"testing"

	"github.com/killick-ledger/killick/chaincode/canon"
	"github.com/killick-ledger/killick/chaincode/did"
	"github.com/killick-ledger/killick/chaincode/fault"
	"github.com/killick-ledger/killick/chaincode/ops/opstest"
	"github.com/killick-ledger/killick/gateway/vc"
)

// personClaims are claims of several shapes.
func personClaims(issuer string) string {
	return `{"iss":"` + issuer + `","vct":"https://issuer.example/person","iat":1780000000,"exp":1800000000,"given_name":"Erika","age":41,` +
		`"address":{"street":"Way 1","country":"DE"},"nationalities":["DE","FR"],"degrees":[{"name":"A","year":2001},{"name":"B","year":2002}]}`
}

// personPaths hide claims, elements, and claims within claims that are hidden too.
var personPaths = [][]string{{"given_name"}, {"age"}, {"address"}, {"address", "street"}, {"nationalities", "1"}, {"degrees", "0"}, {"degrees", "0", "year"}, {"degrees", "1", "name"}}

func publicKey(t testing.TB, name string, alg did.Algorithm) *did.PublicKey {
	return must[*did.PublicKey](t)(did.ParseKey(opstest.NewKey(name, alg).Multikey))
}

// bindingOptions answer the request that selectiveRequest expects.
var (
	selectiveRequest = vc.Expectation{Challenge: "n-1", Domain: "https://verifier.example"}
	bindingOptions   = vc.ProofOptions{Created: now, Challenge: "n-1", Domain: "https://verifier.example"}
)

func TestSelectiveDisclosure(t *testing.T) {
	v := verifier(t)
	ctx := context.Background()
	all := func([]string) bool { return true }
	for _, alg := range did.Algorithms {
		issuer, holder := keySigner("issuer", did.EdDSA), keySigner("holder", alg)
		issued := must[string](t)(vc.IssueSelective([]byte(personClaims(controller(issuer))), personPaths, publicKey(t, "holder", alg), issuer))
		received := must[*vc.Selective](t)(v.Selective(ctx, []byte(issued), nil, now))
		cnf, _ := received.Claims.Find("cnf")
		if want := edited(t, personClaims(controller(issuer)), "cnf", string(cnf.(canon.Object).JCS())); string(received.Claims.JCS()) != want {
			t.Errorf("the holder received %s, want %s", received.Claims.JCS(), want)
		}
		if received.Type != "https://issuer.example/person" || received.Issuer != controller(issuer) || !received.Holder.Equal(publicKey(t, "holder", alg)) {
			t.Errorf("received %+v", received)
		}
		for _, tt := range []struct {
			name string
			keep func(path []string) bool
			want string // without what is always seen
		}{
			{"all", all, `{"address":{"country":"DE","street":"Way 1"},"age":41,"degrees":[{"name":"A","year":2001},{"name":"B","year":2002}],"given_name":"Erika","nationalities":["DE","FR"]}`},
			{"nothing", func([]string) bool { return false }, `{"degrees":[{"year":2002}],"nationalities":["DE"]}`},
			{"one claim", func(path []string) bool { return slices.Equal(path, []string{"age"}) }, `{"age":41,"degrees":[{"year":2002}],"nationalities":["DE"]}`},
			{"what is not in a claim", func(path []string) bool { return len(path) == 1 }, `{"address":{"country":"DE"},"age":41,"degrees":[{"year":2002}],"given_name":"Erika","nationalities":["DE"]}`},
			{"only within a claim that is hidden", func(path []string) bool { return len(path) == 2 && path[0] == "address" }, `{"degrees":[{"year":2002}],"nationalities":["DE"]}`},
			{"elements", func(path []string) bool { return path[0] == "nationalities" || path[0] == "degrees" }, `{"degrees":[{"name":"A","year":2001},{"name":"B","year":2002}],"nationalities":["DE","FR"]}`},
		} {
			t.Run(string(alg)+"/"+tt.name, func(t *testing.T) {
				presented := must[string](t)(vc.PresentSelective(issued, tt.keep, holder, bindingOptions))
				got, err := v.Selective(ctx, []byte(presented), &selectiveRequest, now)
				if err != nil {
					t.Fatal(err)
				}
				claims := got.Claims
				for _, name := range []string{"iss", "vct", "iat", "exp", "cnf"} {
					claims = claims.Without(name)
				}
				if string(claims.JCS()) != tt.want {
					t.Errorf("got  %s\nwant %s", claims.JCS(), tt.want)
				}
			})
		}
	}
}

// TestHiddenClaimsAreHidden: nothing of a claim is in what a holder shows without it.
func TestHiddenClaimsAreHidden(t *testing.T) {
	issuer, holder := keySigner("issuer", did.EdDSA), keySigner("holder", did.EdDSA)
	issued := must[string](t)(vc.IssueSelective([]byte(personClaims(controller(issuer))), personPaths, publicKey(t, "holder", did.EdDSA), issuer))
	presented := must[string](t)(vc.PresentSelective(issued, func([]string) bool { return false }, holder, bindingOptions))
	for _, part := range strings.FieldsFunc(presented, func(r rune) bool { return r == '~' || r == '.' }) {
		raw, _ := canon.UnB64(part)
		for _, word := range []string{"Erika", "given_name", "Way 1", "address", `"FR"`, `:2001`} {
			if strings.Contains(string(raw), word) {
				t.Errorf("%q is seen in %s", word, raw)
			}
		}
	}
	again := must[string](t)(vc.IssueSelective([]byte(personClaims(controller(issuer))), personPaths, publicKey(t, "holder", did.EdDSA), issuer))
	if again == issued {
		t.Error("salts are used again")
	}
}

func TestIssueSelectiveRefuses(t *testing.T) {
	issuer, other := keySigner("issuer", did.EdDSA), keySigner("other", did.EdDSA)
	claims := personClaims(controller(issuer))
	key := publicKey(t, "holder", did.EdDSA)
	for _, tt := range []struct {
		name, claims string
		paths        [][]string
		signer       *vc.Signer
		code         fault.Code
	}{
		{"fine", claims, personPaths, issuer, fault.OK},
		{"nothing hidden", claims, nil, issuer, fault.OK},
		{"without vct", edited(t, claims, "vct", ""), nil, issuer, fault.MissingField},
		{"another issuer", claims, nil, other, fault.KidMismatch},
		{"no issuer", edited(t, claims, "iss", ""), nil, issuer, fault.KidMismatch},
		{"a holder of its own", edited(t, claims, "cnf", `{}`), nil, issuer, fault.UnknownField},
		{"iat is a text", edited(t, claims, "iat", `"2026-01-01T00:00:00Z"`), nil, issuer, fault.InvalidValue},
		{"exp is negative", edited(t, claims, "exp", `-1`), nil, issuer, fault.InvalidValue},
		{"an empty path", claims, [][]string{{}}, issuer, fault.InvalidValue},
		{"hides vct", claims, [][]string{{"vct"}}, issuer, fault.InvalidValue},
		{"hides exp", claims, [][]string{{"exp"}}, issuer, fault.InvalidValue},
		{"hides the holder", claims, [][]string{{"cnf"}}, issuer, fault.InvalidValue},
		{"no such claim", claims, [][]string{{"family_name"}}, issuer, fault.InvalidValue},
		{"no such element", claims, [][]string{{"nationalities", "2"}}, issuer, fault.InvalidValue},
		{"into a text", claims, [][]string{{"given_name", "0"}}, issuer, fault.InvalidValue},
		{"reserved name", edited(t, claims, "_sd", `[]`), nil, issuer, fault.InvalidValue},
		{"reserved name within", edited(t, claims, "address/...", `"x"`), nil, issuer, fault.InvalidValue},
		{"algorithm within", edited(t, claims, "address/_sd_alg", `"sha-256"`), nil, issuer, fault.InvalidValue},
		{"duplicate", `{"age":1,` + claims[1:], nil, issuer, fault.DuplicateKey},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if _, err := vc.IssueSelective([]byte(tt.claims), tt.paths, key, tt.signer); fault.Of(err) != tt.code {
				t.Errorf("%v, want %v", err, tt.code)
			}
		})
	}
}

// TestNestingThroughDisclosures: disclosures within disclosures end somewhere.
func TestNestingThroughDisclosures(t *testing.T) {
	chain := func(levels int) []string {
		disclosures, value := []string{}, `1`
		for range levels {
			d := `["s","a",` + value + `]`
			disclosures = append(disclosures, canon.B64([]byte(d)))
			value = `{"_sd":["` + disclosureDigest(d) + `"]}`
		}
		return append(disclosures, value)
	}
	for levels, want := range map[int]fault.Code{31: fault.OK, 32: fault.OK, 33: fault.Malformed, 5000: fault.Malformed} {
		made := chain(levels)
		if _, err := vc.Open([]byte(made[levels]), made[:levels]...); fault.Of(err) != want {
			t.Errorf("%d levels: %v, want %v", levels, err, want)
		}
	}
}

// FuzzSelective: no bytes bring the verifier down. What an issuer signs and shows by two
// disclosures, and the verifier takes, has no digest left, says what is always seen as it
// was signed, is the same in any order of disclosures, and less without one of them.
func FuzzSelective(f *testing.F) {
	v := verifier(f)
	for _, x := range selectiveVectors(f) {
		f.Add(x.Secured, "", "", "")
	}
	issuer := keySigner("issuer", did.EdDSA)
	claims := personClaims(controller(issuer))
	for _, d := range [][2]string{
		{`["s","name",{"b":[1]}]`, `["t","x"]`},
		{`["s","name",{"_sd":["` + disclosureDigest(`["t","born",2001]`) + `"]}]`, `["t","born",2001]`},
		{`["s","exp",1900000000]`, `["t",{"...":"x"}]`},
	} {
		hidden := edited(f, claims, "_sd", `["`+disclosureDigest(d[0])+`"]`)
		f.Add("", edited(f, hidden, "nationalities", `["DE",{"...":"`+disclosureDigest(d[1])+`"}]`), d[0], d[1])
		f.Add("", edited(f, hidden, "_sd_alg", `"sha-256"`), d[0], d[1])
	}
	f.Fuzz(func(t *testing.T, compact, payload, first, second string) {
		_, _ = v.Selective(t.Context(), []byte(compact), &selectiveRequest, now)
		jws := jwsOf(t, issuer, header("EdDSA", issuer.Method, "dc+sd-jwt"), payload)
		open := func(disclosures ...string) (canon.Object, error) {
			text := jws + "~"
			for _, d := range disclosures {
				text += canon.B64([]byte(d)) + "~"
			}
			got, err := v.Selective(t.Context(), []byte(text), nil, now)
			if err != nil {
				return nil, err
			}
			return got.Claims, nil
		}
		got, err := open(first, second)
		if err != nil {
			return
		}
		said := string(got.JCS())
		for _, name := range []string{`"_sd":`, `"...":`, `"_sd_alg":`} {
			if strings.Contains(said, name) {
				t.Fatalf("%s is left in %s", name, said)
			}
		}
		signed := must[canon.Object](t)(canon.ParseObject([]byte(payload)))
		for _, name := range []string{"iss", "vct", "nbf", "exp", "cnf", "status"} {
			before, had := signed.Find(name)
			after, has := got.Find(name)
			if had != has || had && !bytes.Equal(canon.Object{}.With("x", before).JCS(), canon.Object{}.With("x", after).JCS()) {
				t.Fatalf("%s of %s is another one in %s", name, payload, said)
			}
		}
		if again, err := open(second, first); err != nil || string(again.JCS()) != said {
			t.Fatalf("in the other order %s, %v", again.JCS(), err)
		}
		for _, only := range []string{first, second} {
			if less, err := open(only); err == nil && string(less.JCS()) == said {
				t.Fatalf("with %s alone it is the same: %s", only, said)
			}
		}
	})
}

// FuzzDisclosures opens two disclosures of a payload that has their digests, as an
// issuer could have made them: what is opened has no digest left, and opens to itself.
func FuzzDisclosures(f *testing.F) {
	f.Add(`["s","a",{"b":[1]}]`, `["s",{"_sd":[]}]`)
	f.Add(`["s","list",["x",{"...":"y"}]]`, `["s",[{"...":"`+disclosureDigest(`["s","a",1]`)+`"}]]`)
	f.Add(`["s","_sd",[]]`, `["s","a","b"]`)
	f.Fuzz(func(t *testing.T, claim, element string) {
		payload := `{"_sd":["` + disclosureDigest(claim) + `"],"list":[{"...":"` + disclosureDigest(element) + `"}]}`
		claims, err := vc.Open([]byte(payload), canon.B64([]byte(claim)), canon.B64([]byte(element)))
		if err != nil {
			return
		}
		again, err := vc.Open(claims.JCS())
		if err != nil || string(again.JCS()) != string(claims.JCS()) || strings.Contains(string(claims.JCS()), `"_sd":`) {
			t.Fatalf("%s became %s, %v", claims.JCS(), again.JCS(), err)
		}
	})
}
