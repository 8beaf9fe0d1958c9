package analysis_test

import (
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/killick-ledger/killick/chaincode/canon"
	"github.com/killick-ledger/killick/chaincode/fault"
	"github.com/killick-ledger/killick/chaincode/ledger"
	"github.com/killick-ledger/killick/gateway/enclave/analysis"
)

// of makes a record of the owner with that letter.
func of(owner byte, content string, scope ...string) analysis.Record {
	if scope == nil {
		scope = []string{"/"}
	}
	return analysis.Record{Owner: ledger.ID{owner}, Schema: "heart", Scope: scope, Content: []byte(content)}
}

func operation(t testing.TB, name, parameters string) analysis.Operation {
	t.Helper()
	p, err := canon.ParseObject([]byte(parameters))
	if err != nil {
		t.Fatal(err)
	}
	o, err := analysis.Of(name, p)
	if err != nil {
		t.Fatal(err)
	}
	return o
}

// run returns the result in JCS, or the reason for which there is none.
func run(o analysis.Operation, records []analysis.Record) string {
	result, withheld := o.Run(records)
	if withheld != "" {
		return withheld
	}
	return string(result.JCS())
}

func TestMean(t *testing.T) {
	tests := []struct {
		name, parameters string
		records          []analysis.Record
		want             string
	}{
		{"two", `{"field":"/a"}`, []analysis.Record{of('1', `{"a":1}`), of('2', `{"a":2}`)}, `{"contributors":2,"mean":"1.5","values":2}`},
		{"rows of one owner", `{"field":"/a"}`, []analysis.Record{of('1', `[{"a":1},{"a":2},{"b":9}]`), of('2', `{"a":6}`)}, `{"contributors":2,"mean":"3","values":3}`},
		{"ties to even, down", `{"field":"/a"}`, []analysis.Record{of('1', `{"a":0.000002}`), of('2', `{"a":0.000003}`)}, `{"contributors":2,"mean":"0.000002","values":2}`},
		{"ties to even, up", `{"field":"/a"}`, []analysis.Record{of('1', `{"a":0.000001}`), of('2', `{"a":0.000002}`)}, `{"contributors":2,"mean":"0.000002","values":2}`},
		{"below zero", `{"field":"/a"}`, []analysis.Record{of('1', `{"a":-1.25}`), of('2', `{"a":0.75}`)}, `{"contributors":2,"mean":"-0.25","values":2}`},
		{"ties below zero", `{"field":"/a"}`, []analysis.Record{of('1', `{"a":-0.000001}`), of('2', `{"a":-0.000002}`)}, `{"contributors":2,"mean":"-0.000002","values":2}`},
		{"the largest", `{"field":"/a"}`, []analysis.Record{of('1', `{"a":1000000000000}`), of('2', `{"a":1e12}`)}, `{"contributors":2,"mean":"1000000000000","values":2}`},
		{"too large", `{"field":"/a"}`, []analysis.Record{of('1', `{"a":1000000000001}`), of('2', `{"a":1}`), of('3', `{"a":3}`)}, `{"contributors":2,"mean":"2","values":2}`},
		{"deep", `{"field":"/a/b"}`, []analysis.Record{of('1', `{"a":{"b":1}}`), of('2', `{"a":{"b":4}}`), of('3', `{"a":5}`)}, `{"contributors":2,"mean":"2.5","values":2}`},
		{"no numbers", `{"field":"/a"}`, []analysis.Record{of('1', `{"a":"1"}`), of('2', `{"a":true}`), of('3', `{"a":null}`), of('4', `no JSON`), of('5', `7`)}, analysis.TooFewContributors},
		{"nothing", `{"field":"/a"}`, nil, analysis.TooFewContributors},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := run(operation(t, analysis.Mean, tt.parameters), tt.records); got != tt.want {
				t.Errorf("got %s, want %s", got, tt.want)
			}
		})
	}
}

func TestCountBySchema(t *testing.T) {
	records := []analysis.Record{of('1', "x"), of('1', ""), of('2', "{}")}
	records[1].Schema = "alpha"
	want := `{"records":3,"schemas":[{"owners":1,"records":1,"schema":"alpha"},{"owners":2,"records":2,"schema":"heart"}]}`
	if got := run(operation(t, analysis.CountBySchema, `{}`), records); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

// two clusters of points of three owners each, and one point far from all.
var clusters = []analysis.Record{
	of('1', `[{"x":1,"y":1},{"x":101,"y":101}]`), of('2', `[{"x":2,"y":1},{"x":102,"y":101}]`), of('3', `[{"x":3,"y":4},{"x":103,"y":104}]`),
	of('4', `{"x":5000,"y":-5000}`),
}

func TestKMeans(t *testing.T) {
	want := `{"clusters":[{"centre":["2","2"],"contributors":3,"points":3},{"centre":["102","102"],"contributors":3,"points":3}],"iterations":1,"withheld":1}`
	if got := run(operation(t, analysis.KMeans, `{"fields":["/x","/y"],"k":3,"contributors":3}`), clusters); got != want {
		t.Errorf("got %s\nwant %s", got, want)
	}
	if got := run(operation(t, analysis.KMeans, `{"fields":["/x"],"k":16}`), clusters); got != analysis.TooFewPoints {
		t.Errorf("more clusters than points: %s", got)
	}
	// However few iterations there are, a centre is that of the points that are counted in
	// it, and no point of somebody.
	for _, n := range []string{"1", "2", "100"} {
		line := []analysis.Record{of('1', `{"x":0}`), of('2', `[{"x":10},{"x":16}]`), of('3', `{"x":22}`), of('4', `{"x":100}`), of('5', `{"x":61}`)}
		got := run(operation(t, analysis.KMeans, `{"fields":["/x"],"k":2,"iterations":`+n+`}`), line)
		if !strings.Contains(got, `{"centre":["12"],"contributors":3,"points":4},{"centre":["80.5"],"contributors":2,"points":2}`) {
			t.Errorf("after %s iterations: %s", n, got)
		}
	}
	many := of('1', "["+strings.Repeat(`{"x":1},`, 20_000)+`{"x":2}]`)
	if got := run(operation(t, analysis.KMeans, `{"fields":["/x"],"k":1}`), []analysis.Record{many, of('2', `{"x":1}`)}); got != analysis.TooManyPoints {
		t.Errorf("too many points: %s", got)
	}
	// Differences at both ends of what is read do not overflow.
	far := `{"fields":["/a","/b","/c","/d","/e","/f","/g","/h"],"k":2,"contributors":2}`
	at := func(v string) string {
		return `{"` + strings.Join(strings.Split("abcdefgh", ""), `":`+v+`,"`) + `":` + v + `}`
	}
	got := run(operation(t, analysis.KMeans, far), []analysis.Record{of('1', at("-1e12")), of('2', at("-1e12")), of('3', at("1e12")), of('4', at("1e12"))})
	if strings.Count(got, `"points":2`) != 2 || strings.Count(got, `"-1000000000000"`) != 8 {
		t.Errorf("at the ends: %s", got)
	}
}

// With one contributor fewer than asked for there is the reason and nothing else; with
// just as many there is a result. Several records of one owner count once. (EC-4)
func TestContributors(t *testing.T) {
	for _, name := range []string{analysis.Mean, analysis.KMeans} {
		parameters := map[string]string{analysis.Mean: `{"field":"/x","contributors":3}`, analysis.KMeans: `{"fields":["/x"],"k":1,"contributors":3}`}[name]
		o := operation(t, name, parameters)
		records := []analysis.Record{of('1', `{"x":1}`), of('2', `{"x":2}`), of('2', `{"x":3}`), of('2', `{"x":4}`)}
		if result, withheld := o.Run(records); result != nil || withheld != analysis.TooFewContributors {
			t.Errorf("%s of two: %v, %s", name, result, withheld)
		}
		if result, withheld := o.Run(append(records, of('3', `{"x":5}`))); result == nil || withheld != "" {
			t.Errorf("%s of three: %v, %s", name, result, withheld)
		}
	}
}

// A cluster of one contributor fewer than asked for is left out, also where all the points
// together are of enough. (EC-4)
func TestContributorsOfClusters(t *testing.T) {
	records := []analysis.Record{of('1', `[{"x":1},{"x":90}]`), of('2', `[{"x":2},{"x":3},{"x":91}]`), of('3', `{"x":92}`)}
	o := operation(t, analysis.KMeans, `{"fields":["/x"],"k":2,"contributors":3}`)
	if got, want := run(o, records), `{"clusters":[{"centre":["91"],"contributors":3,"points":3}],"iterations":1,"withheld":1}`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

// The order of the records changes nothing. (EC-5)
func TestOrderOfRecords(t *testing.T) {
	for name, parameters := range map[string]string{
		analysis.Mean: `{"field":"/x"}`, analysis.KMeans: `{"fields":["/x","/y"],"k":2}`, analysis.CountBySchema: `{}`,
	} {
		o, records := operation(t, name, parameters), slices.Clone(clusters)
		want := run(o, records)
		random := rand.New(rand.NewPCG(1, 2))
		for range 20 {
			random.Shuffle(len(records), func(i, k int) { records[i], records[k] = records[k], records[i] })
			if got := run(o, records); got != want {
				t.Fatalf("%s: %s, was %s", name, got, want)
			}
		}
	}
}

// Nothing outside the scope of a record's grant is looked at. (EC-5)
func TestScope(t *testing.T) {
	o := operation(t, analysis.Mean, `{"field":"/lab/pulse"}`)
	content := `{"lab":{"pulse":10}}`
	for _, scope := range []string{"/", "/lab", "/lab/pulse"} {
		if got := run(o, []analysis.Record{of('1', content, scope), of('2', content, "/other", scope)}); got != `{"contributors":2,"mean":"10","values":2}` {
			t.Errorf("scope %s: %s", scope, got)
		}
	}
	for _, scope := range []string{"/lab/pulse/rest", "/la", "/pulse", "/lab2"} {
		if got := run(o, []analysis.Record{of('1', content, scope), of('2', content)}); got != analysis.TooFewContributors {
			t.Errorf("scope %s: %s", scope, got)
		}
	}
	both := operation(t, analysis.KMeans, `{"fields":["/x","/y"],"k":1}`)
	if got := run(both, []analysis.Record{of('1', `{"x":1,"y":2}`, "/x"), of('2', `{"x":1,"y":2}`)}); got != analysis.TooFewContributors {
		t.Errorf("one field of two: %s", got)
	}
}

func TestParameters(t *testing.T) {
	tests := []struct {
		name, parameters string
		want             fault.Code
	}{
		{analysis.CountBySchema, `{}`, fault.OK}, {analysis.CountBySchema, `{"field":"/a"}`, fault.UnknownField}, {"job.sum", `{}`, fault.UnknownOperation},
		{analysis.Mean, `{}`, fault.WrongType}, {analysis.Mean, `{"field":"/"}`, fault.InvalidValue}, {analysis.Mean, `{"field":"a"}`, fault.InvalidValue},
		{analysis.Mean, `{"field":"/a","contributors":1}`, fault.NumberRange}, {analysis.Mean, `{"field":"/a","contributors":65}`, fault.NumberRange},
		{analysis.Mean, `{"field":"/a","contributors":2.5}`, fault.NumberRange}, {analysis.Mean, `{"field":"/a","contributors":"2"}`, fault.WrongType},
		{analysis.Mean, `{"field":"/a","contributors":2}`, fault.OK}, {analysis.Mean, `{"field":"/a","contributors":64}`, fault.OK}, {analysis.Mean, `{"field":"/a","Field":"/b"}`, fault.UnknownField},
		{analysis.KMeans, `{"k":2}`, fault.MissingField}, {analysis.KMeans, `{"fields":["/a"]}`, fault.MissingField}, {analysis.KMeans, `{"fields":[],"k":2}`, fault.InvalidValue},
		{analysis.KMeans, `{"fields":["/a","/a"],"k":2}`, fault.InvalidValue}, {analysis.KMeans, `{"fields":["/a",7],"k":2}`, fault.WrongType}, {analysis.KMeans, `{"fields":"/a","k":2}`, fault.InvalidValue},
		{analysis.KMeans, `{"fields":["/a"],"k":17}`, fault.NumberRange}, {analysis.KMeans, `{"fields":["/a"],"k":0}`, fault.NumberRange}, {analysis.KMeans, `{"fields":["/a"],"k":16,"iterations":101}`, fault.NumberRange},
		{analysis.KMeans, `{"fields":["/a"],"k":16,"iterations":100,"contributors":2}`, fault.OK}, {analysis.KMeans, `{"fields":["/a","/b","/c","/d","/e","/f","/g","/h","/i"],"k":1}`, fault.InvalidValue},
	}
	for _, tt := range tests {
		p, err := canon.ParseObject([]byte(tt.parameters))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := analysis.Of(tt.name, p); fault.Of(err) != tt.want {
			t.Errorf("%s with %s: %v, want %v", tt.name, tt.parameters, err, tt.want)
		}
	}
}

// Whatever contents are, a result of fewer contributors than asked for never comes out.
func FuzzRun(f *testing.F) {
	f.Add([]byte(`{"x":1}`), []byte(`[{"x":2,"y":3},{"x":-1e12}]`), []byte(`{"x":{"y":1}}`))
	mean, kmeans := operation(f, analysis.Mean, `{"field":"/x","contributors":3}`), operation(f, analysis.KMeans, `{"fields":["/x","/y"],"k":2,"contributors":3}`)
	f.Fuzz(func(t *testing.T, a, b, c []byte) {
		two := []analysis.Record{of('1', string(a)), of('2', string(b)), of('2', string(c))}
		three := []analysis.Record{of('1', string(a)), of('2', string(b)), of('3', string(c))}
		for _, o := range []analysis.Operation{mean, kmeans} {
			if result, withheld := o.Run(two); result != nil || withheld == "" {
				t.Fatalf("a result of two: %v", result)
			}
			if result, withheld := o.Run(three); (result == nil) == (withheld == "") {
				t.Fatalf("result %v and reason %q", result, withheld)
			}
		}
	})
}
