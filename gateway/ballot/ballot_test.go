package ballot_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/killick-ledger/killick/chaincode/canon"
	"github.com/killick-ledger/killick/chaincode/did"
	"github.com/killick-ledger/killick/chaincode/fault"
	"github.com/killick-ledger/killick/chaincode/ledger"
	"github.com/killick-ledger/killick/gateway/ballot"
)

var update = flag.Bool("update", false, "rewrite docs/formats/vectors/ballot.json")

const (
	vectors = "../../docs/formats/vectors/ballot.json"
	network = "main-0011223344556677"
)

var job = "0006d3a5-" + strings.Repeat("1c", 32)

// file is the file of vectors.
type file struct {
	Comment string   `json:"comment"`
	Files   []vector `json:"files"`
}

// vector is a ballot file: good, or refused.
type vector struct {
	Name string `json:"name"`
	File string `json:"file"`
	Good bool   `json:"good"`
}

func ballots(t *testing.T) []vector {
	t.Helper()
	var list []vector
	add := func(name, file string, good bool) { list = append(list, vector{name, file, good}) }
	who := identifier(t)
	for i, word := range []string{"valid", "invalid", "malicious"} {
		b, err := ballot.Make(network, job, who, word, canon.Sum([]byte(fmt.Sprint("salt ", i))))
		if err != nil {
			t.Fatal(err)
		}
		text, err := b.Encode()
		if err != nil {
			t.Fatal(err)
		}
		add(word, string(text), true)
	}
	good := list[0].File
	add("without its line break", strings.TrimSuffix(good, "\n"), true)
	for name, change := range map[string][2]string{
		"another ballot": {`"ballot":"valid"`, `"ballot":"invalid"`}, "no ballot": {`"ballot":"valid"`, `"ballot":"expired"`},
		"another job": {job, strings.Replace(job, "1c", "1d", 1)}, "another network": {network, "main-0011223344556678"},
		"another format": {"killick-ballot-1", "killick-ballot-2"}, "a member more": {`{`, `{"more":1,`},
		"a member twice": {`{`, `{"job":"x",`}, "more behind it": {"\n", "\n\n"}, "upper case": {`"salt"`, `"Salt"`}, "nothing": {good, ""},
	} {
		add(name, strings.ReplaceAll(good, change[0], change[1]), false)
	}
	return list
}

// identifier is a DID that is well formed.
func identifier(t *testing.T) string {
	t.Helper()
	id := canon.Sum([]byte("a verifier"))
	return did.String(network, ledger.ID(id[:20]))
}

func TestVectors(t *testing.T) {
	if *update {
		list := ballots(t)
		slicesByName(list)
		text, err := json.MarshalIndent(file{"Ballot files, good ones and those that readers refuse. Made by go test ./gateway/ballot -update", list}, "", " ")
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(vectors, append(text, '\n'), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	list := read(t)
	if len(list) != len(ballots(t)) {
		t.Errorf("%d vectors", len(list))
	}
	for _, v := range list {
		b, err := ballot.Decode([]byte(v.File))
		if (err == nil) != v.Good {
			t.Errorf("%s: %v", v.Name, err)
			continue
		}
		if !v.Good {
			continue
		}
		if again, err := b.Encode(); err != nil || strings.TrimSuffix(string(again), "\n") != strings.TrimSuffix(v.File, "\n") {
			t.Errorf("%s: written again %s, %v", v.Name, again, err)
		}
	}
}

func read(t testing.TB) []vector {
	t.Helper()
	data, err := os.ReadFile(vectors)
	if err != nil {
		t.Fatal(err)
	}
	var f file
	if err := json.Unmarshal(data, &f); err != nil {
		t.Fatal(err)
	}
	return f.Files
}

func slicesByName(list []vector) {
	for i := range list {
		for k := i; k > 0 && list[k].Name < list[k-1].Name; k-- {
			list[k], list[k-1] = list[k-1], list[k]
		}
	}
}

// A file that there is stays what it is, and no other ballot takes its place. (GW-13)
func TestKeep(t *testing.T) {
	who := identifier(t)
	name, err := ballot.Name(job, who)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), name)
	if _, err := ballot.Read(path, network, job, who); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("before there is one: %v", err)
	}
	first, err := ballot.Keep(path, network, job, who, "valid")
	if err != nil {
		t.Fatal(err)
	}
	again, err := ballot.Keep(path, network, job, who, "valid")
	if err != nil || *again != *first {
		t.Errorf("again %+v, %v", again, err)
	}
	if _, err := ballot.Keep(path, network, job, who, "malicious"); fault.Of(err) != fault.AlreadyDone {
		t.Errorf("another ballot: %v", err)
	}
	if err := first.Write(path); err == nil {
		t.Error("a ballot file was written over")
	}
	if other, err := ballot.Draw(network, job, who, "valid"); err != nil || other.Salt == first.Salt {
		t.Errorf("the same salt twice: %v", err)
	}
	for what, try := range map[string]func() error{
		"another job": func() error {
			_, err := ballot.Read(path, network, strings.Replace(job, "1c", "1d", 1), who)
			return err
		},
		"another network": func() error { _, err := ballot.Read(path, "main-0011223344556678", job, who); return err },
		"a verdict":       func() error { _, err := ballot.Draw(network, job, who, "expired"); return err },
		"no job":          func() error { _, err := ballot.Draw(network, "../x", who, "valid"); return err },
		"a path":          func() error { _, err := ballot.Name("../x", who); return err },
		"no folder":       func() error { return first.Write(filepath.Join(path, "x")) },
		"a large file": func() error {
			large := filepath.Join(t.TempDir(), "large")
			if err := os.WriteFile(large, bytes.Repeat([]byte(" "), 5000), 0o600); err != nil {
				t.Fatal(err)
			}
			_, err := ballot.Read(large, network, job, who)
			return err
		},
	} {
		if try() == nil {
			t.Errorf("%s: no error", what)
		}
	}
	if files, err := os.ReadDir(filepath.Dir(path)); err != nil || len(files) != 1 {
		t.Errorf("left behind: %v %v", files, err)
	}
	for commitment, want := range map[string]bool{"": false, first.Commitment: true} {
		if is, err := first.Is(commitment); is != want || err != nil {
			t.Errorf("%q: %v %v", commitment, is, err)
		}
	}
	if _, err := first.Is(first.Salt); err == nil {
		t.Error("a commitment to another ballot was taken for this one")
	}
}

func FuzzDecode(f *testing.F) {
	for _, v := range read(f) {
		f.Add([]byte(v.File))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		b, err := ballot.Decode(data)
		if err != nil {
			return
		}
		text, err := b.Encode()
		if err != nil {
			t.Fatal(err)
		}
		if again, err := ballot.Decode(text); err != nil || *again != *b {
			t.Errorf("%s is read as %+v, and written as %s", data, b, text)
		}
	})
}
