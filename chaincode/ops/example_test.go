package ops_test

import (
	"os"
	"strings"
	"testing"

	"github.com/killick-ledger/killick/chaincode/fault"
	"github.com/killick-ledger/killick/chaincode/ops"
	"github.com/killick-ledger/killick/chaincode/ops/opstest"
)

// Every operation of the table has an example, and each is done on a copy of the
// scene.
func TestExamples(t *testing.T) {
	s := opstest.NewScene(t, opstest.Start)
	before := s.Store.Clone()
	for _, name := range ops.Names() {
		e := s.Examples[name]
		if e == nil {
			continue // NewScene said so
		}
		item, _ := s.Item(e)
		if code, err := s.Apply(item); code != fault.OK || err != nil {
			t.Errorf("%s: %v, %v", name, code, err)
		}
		if keys := changed(before, s.Store); len(keys) != 0 {
			t.Fatalf("%s: applying changed the scene itself: %q", name, keys)
		}
		if o, err := ops.Admit(item, opstest.Network, s.Now); err != nil || o.Name != name {
			t.Errorf("%s: %v, %v", name, o, err)
		}
	}
}

// documented returns the prefixes of the keys that docs/formats/explain.md says an
// operation reads; false are those that it reads in some of its forms only.
func documented(t *testing.T, op string) map[string]bool {
	t.Helper()
	page, err := os.ReadFile("../../docs/formats/explain.md")
	if err != nil {
		t.Fatal(err)
	}
	prefixes := map[string]bool{"network": true, "sweep": true}
	for line := range strings.Lines(string(page)) {
		cells := strings.Split(line, "|")
		if len(cells) < 3 {
			continue
		}
		named, always := strings.HasPrefix(cells[1], " every one"), true
		if strings.Contains(cells[1], "every one but `"+op+"`") {
			continue
		}
		for of := range strings.SplitSeq(strings.TrimSpace(cells[1]), ", ") {
			if strings.HasPrefix(of, "`"+op+"`") {
				named, always = true, of == "`"+op+"`"
			}
		}
		// Of a row for several operations that create something each names its own key.
		created := map[string]string{"record.submit": "record", "record.allow": "grant", "attest.use": "use", "attest.open": "job", "credential.schema": "schema", "credential.issue": "credential"}
		for i, key := range strings.Split(cells[2], "`") {
			prefix, _, _ := strings.Cut(key, "/")
			if i%2 == 0 || !named || strings.HasSuffix(key, "/<reference>") && prefix != created[op] {
				continue
			}
			prefixes[prefix] = prefixes[prefix] || always
		}
	}
	return prefixes
}

// What explains a batch is a digest of what each operation reads: the page says what.
func TestReadsAreDocumented(t *testing.T) {
	s := opstest.NewScene(t, opstest.Start)
	for name, e := range s.Examples {
		item, _ := s.Item(e)
		read, named := map[string]bool{}, documented(t, name)
		for key := range s.Endorse(item).Reads {
			prefix, _, _ := strings.Cut(key, "/")
			read[prefix] = true
			if _, is := named[prefix]; !is {
				t.Errorf("%s reads %s", name, key)
			}
		}
		for prefix, always := range named {
			if always && !read[prefix] {
				t.Errorf("%s does not read %s/", name, prefix)
			}
		}
	}
}
