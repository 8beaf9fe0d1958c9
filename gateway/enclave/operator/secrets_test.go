package operator_test

import (
	"bytes"
	"crypto/ecdh"
	"crypto/hkdf"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/killick-ledger/killick/chaincode/canon"
	"github.com/killick-ledger/killick/gateway/enclave/analysis"
)

// spellings of bytes that must not be found.
func spellings(secret []byte) map[string][]byte {
	return map[string][]byte{
		"raw": secret, "hex": []byte(hex.EncodeToString(secret)), "HEX": []byte(strings.ToUpper(hex.EncodeToString(secret))),
		"base64": []byte(base64.RawStdEncoding.EncodeToString(secret)), "base64url": []byte(base64.RawURLEncoding.EncodeToString(secret)),
	}
}

// leaks returns where a secret is found.
func leaks(places map[string][]byte, secret []byte) (found []string) {
	for place, data := range places {
		for form, text := range spellings(secret) {
			if bytes.Contains(data, text) {
				found = append(found, place+" has it as "+form)
			}
		}
	}
	return found
}

// places is everything that a job's host has or sees: what passed its service and the
// gateway, its log, its journal at each moment, its status, and the ledger.
func (s *stage) places(journals map[string][]byte) map[string][]byte {
	s.t.Helper()
	status, err := canon.Marshal(s.Status())
	if err != nil {
		s.t.Fatal(err)
	}
	var state bytes.Buffer
	for _, e := range s.jobs.Ledger.State() {
		state.WriteString(e.Key)
		state.Write(e.Value)
	}
	places := map[string][]byte{"wire": s.wire.all.Bytes(), "log": s.log.Bytes(), "status": status, "ledger": state.Bytes()}
	for name, data := range journals {
		places[name] = data
	}
	return places
}

// keep adds the journal as it is now, without the platform's own secret.
func (s *stage) keep(into map[string][]byte, moment string) {
	s.t.Helper()
	err := filepath.WalkDir(s.cfg.Dir, func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() || d.Name() == "secret" {
			return err
		}
		data, err := os.ReadFile(path)
		into["journal "+moment+" "+d.Name()] = data
		return err
	})
	if err != nil {
		s.t.Fatal(err)
	}
}

// Keys, contents, salts and results are nowhere outside owner, enclave and consumer: not
// in what passes the service and the gateway, the journal, the log, the status or the
// ledger, in no spelling. (EC-1)
func TestDataStaysInside(t *testing.T) {
	t.Parallel()
	secret := []string{`{"pulse":61,"note":"of the first owner"}`, `{"pulse":72,"note":"of the second one"}`, `{"pulse":83.25,"note":"of the third owner"}`}
	s := begin(t, analysis.Mean, secret...)
	journals := map[string][]byte{}
	job := s.open(analysis.Mean, meanOfPulse)
	s.pass()
	key := s.taskKey(job)
	s.release(job, s.owners[:2]...)
	s.keep(journals, "with records")
	// Refusals tell nothing either: a record for another, and one that is not sealed.
	good, err := s.seal(job, s.owners[1])
	if err != nil {
		t.Fatal(err)
	}
	for _, data := range [][]byte{good, []byte("nothing sealed")} {
		if err := s.enclave.PutRecord(t.Context(), job, s.owners[2].line.Record, data); err == nil {
			t.Error("a wrong record was taken")
		}
	}
	s.restart()
	s.pass()
	s.release(job, s.owners[2])
	s.pass()
	s.keep(journals, "with output")
	result := s.result(job)["result"].(map[string]any)["mean"].(string)
	s.restart()
	s.pass()

	places := s.places(journals)
	secrets := map[string][]byte{"the enclave's key": key, "the platform's secret": s.secret(), "the result": []byte(`"mean":"` + result)}
	for i, o := range s.owners {
		secrets["content of "+o.DID], secrets["salt of "+o.DID] = o.content, o.salt[:]
		secrets["a part of content "+o.DID] = []byte(secret[i][strings.Index(secret[i], "of the"):])
	}
	for name, secret := range secrets {
		if found := leaks(places, secret); len(found) > 0 {
			t.Errorf("%s: %v", name, found)
		}
	}
	// The search finds what is there.
	record := []byte(s.owners[0].line.Record)
	for _, place := range []string{"wire", "log"} {
		if len(leaks(map[string][]byte{place: places[place]}, record)) == 0 {
			t.Errorf("the search does not find in %s what is there", place)
		}
	}
	if len(journals) < 6 || len(leaks(places, good)) == 0 {
		t.Errorf("the search does not find a sealed record in %d files of the journal", len(journals))
	}
}

// secret is that of the platform, from which all keys are made.
func (s *stage) secret() []byte {
	s.t.Helper()
	secret, err := os.ReadFile(filepath.Join(s.cfg.Dir, "secret"))
	if err != nil {
		s.t.Fatal(err)
	}
	return secret
}

// taskKey is the enclave's private key for a job.
func (s *stage) taskKey(job string) []byte {
	s.t.Helper()
	a, err := s.gateway.Assigned(s.t.Context(), s.cfg.Network, job)
	if err != nil {
		s.t.Fatal(err)
	}
	task := a.Task.Digest()
	seed, err := hkdf.Key(sha256.New, s.secret(), task[:], "killick.enclave.task-key.v1", 32)
	if err != nil {
		s.t.Fatal(err)
	}
	key, err := ecdh.X25519().NewPrivateKey(seed)
	if err != nil {
		s.t.Fatal(err)
	}
	// That these are the key's bytes the quoted key says.
	quoted, err := s.enclave.Key(s.t.Context(), job)
	if err != nil {
		s.t.Fatal(err)
	}
	if got := canon.Hex(key.PublicKey().Bytes()); got != quoted.Key {
		s.t.Errorf("the search is for the key of %s, the enclave's is %s", got, quoted.Key)
	}
	return key.Bytes()
}
