package openid_test

import (
	"testing"

	"github.com/killick-ledger/killick/chaincode/canon"
	"github.com/killick-ledger/killick/gateway/openid"
)

const person = `{"vct":"pid","name":"Arthur Dent","address":{"street":"42 Market Street","city":"Milliways"},"degrees":[{"type":"BSc","year":1990},{"type":"MSc"}],"nationalities":["British","Betelgeusian"],"adult":true,"age":42,"1":"one"}`

func TestClaims(t *testing.T) {
	for name, c := range map[string]struct {
		claims string
		want   bool
	}{
		"a name":                     {`[{"path":["name"]}]`, true},
		"an object":                  {`[{"path":["address"]}]`, true},
		"within an object":           {`[{"path":["address","street"]}]`, true},
		"not there":                  {`[{"path":["address","zip"]}]`, false},
		"all elements":               {`[{"path":["degrees",null,"type"]}]`, true},
		"of some elements":           {`[{"path":["degrees",null,"year"]}]`, true},
		"of no element":              {`[{"path":["degrees",null,"grade"]}]`, false},
		"an index":                   {`[{"path":["nationalities",1]}]`, true},
		"an index too far":           {`[{"path":["nationalities",2]}]`, false},
		"an index of an object":      {`[{"path":["address",0]}]`, false},
		"a name that looks like one": {`[{"path":["1"]}]`, true},
		"an index of the root":       {`[{"path":[1]}]`, false},
		"a name of a list":           {`[{"path":["degrees","type"]}]`, false},
		"all elements of an object":  {`[{"path":["address",null]}]`, false},
		"a name of a text":           {`[{"path":["name","first"]}]`, false},
		"a value":                    {`[{"path":["name"],"values":["Ford","Arthur Dent"]}]`, true},
		"another value":              {`[{"path":["name"],"values":["Ford"]}]`, false},
		"one of several elements":    {`[{"path":["nationalities",null],"values":["Betelgeusian"]}]`, true},
		"a number":                   {`[{"path":["age"],"values":[42]}]`, true},
		"a number as text":           {`[{"path":["age"],"values":["42"]}]`, false},
		"true":                       {`[{"path":["adult"],"values":[true]}]`, true},
		"true as text":               {`[{"path":["adult"],"values":["true"]}]`, false},
		"an object is no value":      {`[{"path":["address"],"values":["42 Market Street"]}]`, false},
		"two, one of them missing":   {`[{"path":["name"]},{"path":["zip"]}]`, false},
		"the first set":              {`[{"id":"a","path":["name"]},{"id":"b","path":["zip"]}],"claim_sets":[["a"],["b"]]`, true},
		"the second set":             {`[{"id":"a","path":["name"]},{"id":"b","path":["zip"]}],"claim_sets":[["a","b"],["a"]]`, true},
		"no set":                     {`[{"id":"a","path":["name"]},{"id":"b","path":["zip"]}],"claim_sets":[["a","b"],["b"]]`, false},
	} {
		t.Run(name, func(t *testing.T) {
			err := openid.Satisfied(`{"credentials":[{"id":"c","format":"dc+sd-jwt","meta":{"vct_values":["pid"]},"claims":`+c.claims+`}]}`, "c", []string{"pid"}, person)
			if (err == nil) != c.want {
				t.Errorf("%v, want %v", err, c.want)
			}
		})
	}
}

func TestTypes(t *testing.T) {
	const iri = "https://www.w3.org/2018/credentials#VerifiableCredential"
	for name, c := range map[string]struct {
		format, meta string
		types        []string
		want         bool
	}{
		"vct":                 {"dc+sd-jwt", `{"vct_values":["a","b"]}`, []string{"b"}, true},
		"another vct":         {"dc+sd-jwt", `{"vct_values":["a","b"]}`, []string{"c"}, false},
		"vct is not cut":      {"dc+sd-jwt", `{"vct_values":["https://x.example/a"]}`, []string{"a"}, false},
		"all types":           {"vc+jwt", `{"type_values":[["` + iri + `","https://x.example#A"]]}`, []string{"VerifiableCredential", "A", "B"}, true},
		"one is missing":      {"vc+jwt", `{"type_values":[["` + iri + `","https://x.example#A"]]}`, []string{"VerifiableCredential", "B"}, false},
		"the second list":     {"vc+jwt", `{"type_values":[["C"],["B"]]}`, []string{"VerifiableCredential", "B"}, true},
		"the end is compared": {"ldp_vc", `{"type_values":[["https://x.example/types/A"]]}`, []string{"VerifiableCredential", "A"}, true},
		"all of the end":      {"ldp_vc", `{"type_values":[["https://x.example/types/AB"]]}`, []string{"VerifiableCredential", "B"}, false},
	} {
		t.Run(name, func(t *testing.T) {
			err := openid.Satisfied(`{"credentials":[{"id":"c","format":"`+c.format+`","meta":`+c.meta+`}]}`, "c", c.types, person)
			if (err == nil) != c.want {
				t.Errorf("%v, want %v", err, c.want)
			}
		})
	}
}

// A term that a credential defines itself stands for what it says there, and for nothing
// else that ends alike.
func TestOwnTypes(t *testing.T) {
	const wanted = `{"type_values":[["https://x.example/types/Diploma"]]}`
	for name, c := range map[string]struct {
		contexts, kind string
		want           bool
	}{
		"of a context of the list": {`"https://x.example/v1"`, "Diploma", true},
		"of another thing":         {`{"Diploma":"https://y.example/types/Diploma"}`, "Diploma", false},
		"as an object":             {`{"Diploma":{"@id":"https://y.example/types/Diploma"}}`, "Diploma", false},
		"of the same thing":        {`{"Diploma":"https://x.example/types/Diploma"}`, "Diploma", true},
		"by another name":          {`{"Paper":"https://x.example/types/Diploma"}`, "Paper", true},
		"the URL itself":           {`"https://x.example/v1"`, "https://x.example/types/Diploma", true},
	} {
		t.Run(name, func(t *testing.T) {
			err := openid.Satisfied(`{"credentials":[{"id":"c","format":"ldp_vc","meta":`+wanted+`}]}`, "c",
				[]string{"VerifiableCredential", c.kind}, `{"@context":["https://www.w3.org/ns/credentials/v2",`+c.contexts+`]}`)
			if (err == nil) != c.want {
				t.Errorf("%v, want %v", err, c.want)
			}
		})
	}
}

func TestSets(t *testing.T) {
	const three = `{"credentials":[{"id":"a","format":"dc+sd-jwt","meta":{"vct_values":["x"]}},{"id":"b","format":"dc+sd-jwt","meta":{"vct_values":["x"]}},{"id":"c","format":"dc+sd-jwt","meta":{"vct_values":["x"]}}]`
	for name, c := range map[string]struct {
		query string
		has   []string
		want  bool
	}{
		"all":              {three + `}`, []string{"a", "b", "c"}, true},
		"one is missing":   {three + `}`, []string{"a", "c"}, false},
		"the first option": {three + `,"credential_sets":[{"options":[["a"],["b","c"]]}]}`, []string{"a"}, true},
		"the second":       {three + `,"credential_sets":[{"options":[["a"],["b","c"]]}]}`, []string{"b", "c"}, true},
		"half of it":       {three + `,"credential_sets":[{"options":[["a"],["b","c"]]}]}`, []string{"b"}, false},
		"two sets":         {three + `,"credential_sets":[{"options":[["a"]]},{"options":[["b"]]}]}`, []string{"a"}, false},
		"one is optional":  {three + `,"credential_sets":[{"options":[["a"]]},{"options":[["b"]],"required":false}]}`, []string{"a"}, true},
		"nothing":          {three + `,"credential_sets":[{"options":[["a"]],"required":false}]}`, nil, true},
	} {
		t.Run(name, func(t *testing.T) {
			if err := openid.Complete(c.query, c.has...); (err == nil) != c.want {
				t.Errorf("%v, want %v", err, c.want)
			}
		})
	}
}

// FuzzQuery: no query brings the reader down, and what it takes is sent on as it is.
func FuzzQuery(f *testing.F) {
	f.Add(sdQuery, person)
	f.Add(`{"credentials":[{"id":"a","format":"vc+jwt","multiple":true,`+dataModel+`}],"credential_sets":[{"options":[["a"]],"required":false}]}`, person)
	f.Fuzz(func(t *testing.T, query, credential string) {
		if _, err := canon.ParseObject([]byte(query)); err != nil {
			return
		}
		_ = openid.Satisfied(query, "a", []string{"A"}, credential)
		_ = openid.Complete(query, "a")
	})
}

// FuzzKeyProof: no proof brings the reader down.
func FuzzKeyProof(f *testing.F) {
	f.Add("eyJhbGciOiJFUzI1NiIsInR5cCI6Im9wZW5pZDR2Y2ktcHJvb2Yrand0IiwiandrIjp7fX0.e30.AAAA")
	f.Fuzz(func(_ *testing.T, compact string) { _ = openid.ReadProof(compact) })
}

// FuzzEndpoints: no body brings an endpoint down, and none gets what needs a token.
func FuzzEndpoints(f *testing.F) {
	w := begin(&testing.T{})
	f.Add("grant_type=" + preAuth + "&pre-authorized_code=x")
	f.Add("vp_token={}&state=x")
	f.Add(`{"credential_configuration_id":"diploma","proofs":{"jwt":["x"]}}`)
	f.Fuzz(func(t *testing.T, body string) {
		c := w.wallet()
		for _, path := range []string{"/v1/token", "/openid/response", "/openid/credential", "/openid/notification", "/v1/openid/offers", "/v1/openid/requests"} {
			for _, kind := range []string{"application/json", "application/x-www-form-urlencoded"} {
				if a := c.Send("POST", path, kind, body); a.Status < 400 || a.Status >= 500 {
					t.Fatalf("%s: %d %s", path, a.Status, a.Body)
				}
			}
		}
	})
}
