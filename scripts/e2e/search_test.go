//go:build e2e

package e2e_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/syndtr/goleveldb/leveldb"
	"github.com/syndtr/goleveldb/leveldb/journal"
	"github.com/syndtr/goleveldb/leveldb/opt"
	"github.com/syndtr/goleveldb/leveldb/storage"
	"github.com/syndtr/goleveldb/leveldb/table"
	"github.com/syndtr/goleveldb/leveldb/util"
)

// search looks for values in bytes, in all forms in which software writes them: as they
// are and in lower case, in hexadecimal, in base64 and base64url wherever they begin in
// a longer text, and the same of their SHA-256.
type search struct {
	forms  []form
	first  [1 << 16]bool       // by the first two bytes of a form
	second map[[8]byte][]*form // by its first eight
	found  map[string][]string // by the value's name: where, and as what
}

type form struct {
	value, as string
	bytes     []byte
}

func newSearch(values map[string]string) *search {
	s := &search{second: map[[8]byte][]*form{}, found: map[string][]string{}}
	for name, value := range values {
		sum := sha256.Sum256([]byte(value))
		for _, v := range []struct {
			as    string
			bytes []byte
		}{{"", []byte(value)}, {"lower case ", []byte(strings.ToLower(value))}, {"SHA-256 ", sum[:]}} {
			s.add(name, v.as+"plain", v.bytes)
			s.add(name, v.as+"hex", []byte(hex.EncodeToString(v.bytes)))
			s.add(name, v.as+"HEX", []byte(strings.ToUpper(hex.EncodeToString(v.bytes))))
			for shift := range 3 {
				for as, e := range map[string]*base64.Encoding{"base64": base64.RawStdEncoding, "base64url": base64.RawURLEncoding} {
					text := e.EncodeToString(append(make([]byte, shift), v.bytes...))
					// What begins and ends it depends on the bytes around it.
					s.add(name, v.as+as, []byte(text[(shift*8+5)/6:len(text)-2]))
				}
			}
		}
	}
	for i := range s.forms {
		f := &s.forms[i]
		s.first[binary.BigEndian.Uint16(f.bytes)] = true
		key := [8]byte(f.bytes)
		s.second[key] = append(s.second[key], f)
	}
	return s
}

func (s *search) add(value, as string, b []byte) {
	if len(b) < 8 {
		panic("a form of " + value + " is too short to be found by")
	}
	s.forms = append(s.forms, form{value, as, b})
}

// in looks through bytes.
func (s *search) in(data []byte, where string) {
	for i := 0; i+8 <= len(data); i++ {
		if !s.first[binary.BigEndian.Uint16(data[i:])] {
			continue
		}
		for _, f := range s.second[[8]byte(data[i:])] {
			if bytes.HasPrefix(data[i:], f.bytes) {
				s.found[f.value] = append(s.found[f.value], where+" as "+f.as)
			}
		}
	}
}

// files looks through all files of a folder, and through the records of the LevelDBs
// among them, which compress. It may be done while their processes run: what a compaction
// removes meanwhile is in what it has written, and read in another round.
func (s *search) files(t *testing.T, dir string) (bytes int64) {
	t.Helper()
	done := map[string]bool{}
	for more := true; more; {
		more = false
		err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
			if errors.Is(err, fs.ErrNotExist) || err == nil && (!d.Type().IsRegular() || done[path]) {
				return nil
			}
			if err != nil {
				return err
			}
			done[path] = true
			data, err := os.ReadFile(path)
			if errors.Is(err, fs.ErrNotExist) {
				more = true
				return nil
			}
			if err != nil {
				return err
			}
			bytes += int64(len(data))
			where, _ := filepath.Rel(dir, path)
			s.in(data, where)
			if isLevelDB(filepath.Dir(path)) {
				more = more || filepath.Ext(path) == ".ldb"
				return s.records(path, data, where)
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return bytes
}

func isLevelDB(dir string) bool {
	_, err := os.Stat(filepath.Join(dir, "CURRENT"))
	return err == nil
}

// records looks through the keys and values of a table, and the batches of a journal.
func (s *search) records(path string, data []byte, where string) error {
	switch filepath.Ext(path) {
	case ".log":
		reader := journal.NewReader(bytes.NewReader(data), nil, false, true)
		for {
			r, err := reader.Next()
			if err != nil {
				return nil // its end, or what is being written
			}
			batch, err := io.ReadAll(r)
			if err == nil {
				s.in(batch, where+" (record)")
			}
		}
	case ".ldb":
		number, err := strconv.ParseInt(strings.TrimSuffix(filepath.Base(path), ".ldb"), 10, 64)
		if err != nil {
			return err
		}
		r, err := table.NewReader(bytes.NewReader(data), int64(len(data)), storage.FileDesc{Type: storage.TypeTable, Num: number}, nil, nil, new(opt.Options))
		if err != nil {
			return err
		}
		defer r.Release()
		it := r.NewIterator(nil, nil)
		defer it.Release()
		for it.Next() {
			s.in(it.Key(), where+" (key)")
			s.in(it.Value(), where+" (value)")
		}
		return it.Error()
	}
	return nil
}

// has says that a value was found in a place whose name has all the parts.
func (s *search) has(value string, parts ...string) bool {
	for _, place := range s.found[value] {
		all := true
		for _, p := range parts {
			all = all && strings.Contains(place, p)
		}
		if all {
			return true
		}
	}
	return false
}

// The search finds a value in every form, wherever it stands, and in the compressed
// tables and the journals of a LevelDB.
func TestSearchFinds(t *testing.T) {
	const value = "Zephyrine Quillfeather"
	sum := sha256.Sum256([]byte(value))
	dir := t.TempDir()
	db, err := leveldb.OpenFile(filepath.Join(dir, "db"), nil)
	if err != nil {
		t.Fatal(err)
	}
	forms := map[string][]byte{
		"plain": []byte(value), "lower case plain": []byte(strings.ToLower(value)), "hex": []byte(hex.EncodeToString([]byte(value))),
		"HEX": []byte(strings.ToUpper(hex.EncodeToString([]byte(value)))), "SHA-256 plain": sum[:], "SHA-256 hex": []byte(hex.EncodeToString(sum[:])),
	}
	for shift := range 3 {
		around := append(append(bytes.Repeat([]byte{'"'}, shift), value...), "\",\"x\""...)
		forms["base64"] = append(forms["base64"], base64.StdEncoding.EncodeToString(around)+"\n"...)
		forms["base64url"] = append(forms["base64url"], base64.RawURLEncoding.EncodeToString(around)+"\n"...)
		s := newSearch(map[string]string{"name": value})
		s.in([]byte(base64.StdEncoding.EncodeToString(around)), "here")
		if !s.has("name", "base64") {
			t.Errorf("not found in base64 after %d bytes", shift)
		}
	}
	// Snappy takes what comes again; the value itself must not lie there as it is.
	for as, b := range forms {
		record := append(append(bytes.Repeat([]byte(as), 400), b...), bytes.Repeat([]byte(as), 400)...)
		if err := db.Put([]byte("record/"+as), record, nil); err != nil {
			t.Fatal(err)
		}
	}
	for _, compacted := range []bool{false, true} {
		if compacted {
			if err := errors.Join(db.CompactRange(util.Range{}), db.Close()); err != nil {
				t.Fatal(err)
			}
		}
		s := newSearch(map[string]string{"name": value, "other": "somebody else entirely"})
		s.files(t, dir)
		kind := map[bool]string{false: "(record)", true: "(value)"}[compacted]
		for as := range forms {
			if !s.has("name", kind, " as "+as) {
				t.Errorf("compacted %v: not found as %s: %q", compacted, as, s.found["name"])
			}
		}
		if len(s.found["other"]) > 0 {
			t.Errorf("found what is not there: %q", s.found["other"])
		}
	}
}
