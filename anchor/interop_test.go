package main

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	flog "github.com/transparency-dev/formats/log"
	fnote "github.com/transparency-dev/formats/note"
	"github.com/transparency-dev/formats/proof"
	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"

	"github.com/killick-ledger/killick/anchor/block"
	"github.com/killick-ledger/killick/anchor/log"
)

// tlogClient is the program that scripts/agreement/tlog makes: another client of C2SP
// tlog-tiles.
const tlogClient = "KILLICK_TLOG_CLIENT"

// servedTiles reads tiles from an anchor for tlog's own reader.
type servedTiles struct {
	t   *testing.T
	url string
}

func (s servedTiles) Height() int                     { return 8 }
func (s servedTiles) SaveTiles([]tlog.Tile, [][]byte) {}
func (s servedTiles) fetch(path string) ([]byte, error) {
	status, _, body := get(s.t, s.url+"/"+path)
	if status != http.StatusOK {
		return nil, fmt.Errorf("%s: %d", path, status)
	}
	return body, nil
}

func (s servedTiles) ReadTiles(want []tlog.Tile) (all [][]byte, err error) {
	for _, tile := range want {
		data, err := s.fetch(strings.Replace(tile.Path(), "tile/8/", "tile/", 1)) // C2SP leaves the height out
		if err != nil {
			return nil, err
		}
		all = append(all, data)
	}
	return all, nil
}

// leaf is an entry as others read it: behind its length in a bundle of 256.
func (s servedTiles) leaf(number, size int64) []byte {
	s.t.Helper()
	path := fmt.Sprintf("tile/entries/%03d", number/256)
	if number/256 == size/256 {
		path += fmt.Sprintf(".p/%d", size%256)
	}
	data, err := s.fetch(path)
	if err != nil {
		s.t.Fatal(err)
	}
	for range number % 256 {
		data = data[2+int(data[0])<<8+int(data[1]):]
	}
	return data[2 : 2+int(data[0])<<8+int(data[1])]
}

// The libraries of others read what an anchor serves: checkpoints, tiles, entries and the
// tlog-proof at the end of a bundle.
func TestServedLogIsReadByOthers(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for range 600 { // more than two tiles
		w.cut(block.Tx{Type: block.TypeEndorser, Code: 11})
	}
	w.until("anchored", time.Minute, func() bool { return w.anchored(600) })
	w.tickFor(4 * time.Second) // until its anchors know
	m := w.members[1]
	s := httptest.NewServer(m.handler())
	defer s.Close()
	served := servedTiles{t, s.URL}

	text, err := served.fetch("checkpoint")
	if err != nil {
		t.Fatal(err)
	}
	var verifiers []note.Verifier
	for _, public := range w.policy().Members {
		v, err := fnote.NewVerifierForCosignatureV1(public.Cosign)
		if err != nil {
			t.Fatal(err)
		}
		verifiers = append(verifiers, v)
	}
	origin, _, _ := strings.Cut(string(text), "\n")
	opened, err := note.Open(text, note.VerifierList(verifiers...))
	if err != nil || len(opened.Sigs) < 3 {
		t.Fatalf("%d signatures, %v", len(opened.Sigs), err)
	}
	signer := -1 // any of the members stands for the log, which has no key of its own
	for i, v := range verifiers {
		if v.Name() == opened.Sigs[0].Name {
			signer = i
		}
	}
	point, rest, _, err := flog.ParseCheckpoint(text, origin, verifiers[signer])
	if err != nil || point.Size < 600 || len(rest) > 0 {
		t.Fatalf("%+v, %q, %v", point, rest, err)
	}
	tree := tlog.Tree{N: int64(point.Size), Hash: tlog.Hash(point.Hash)}
	reader := tlog.TileHashReader(tree, served)
	for _, i := range []int64{0, 255, 256, 511, 512, tree.N - 1} {
		path, err := tlog.ProveRecord(tree.N, i, reader)
		if err == nil {
			err = tlog.CheckRecord(path, tree.N, tree.Hash, i, tlog.RecordHash(served.leaf(i, tree.N)))
		}
		if err != nil {
			t.Errorf("block %d: %v", i, err)
		}
	}
	for _, n := range []int64{1, 255, 256, 257, 512, tree.N} {
		path, err := tlog.ProveTree(tree.N, n, reader)
		root, _ := m.log.Root(uint64(n))
		if err == nil {
			err = tlog.CheckTree(path, tree.N, tree.Hash, n, root)
		}
		if err != nil {
			t.Errorf("growth from %d: %v", n, err)
		}
	}

	bundle, err := m.bundle(context.Background(), place{block: 300, n: log.NoWrite}, false, nil)
	if err != nil {
		t.Fatal(err)
	}
	parts := bytes.SplitN(bundle, []byte("\n\n"), 4)
	var p proof.TLogProof
	if err := p.Unmarshal(parts[3]); err != nil || p.Index != 300 {
		t.Fatalf("tail of a bundle: index %d, %v", p.Index, err)
	}
	if opened, err = note.Open(p.Checkpoint, note.VerifierList(verifiers...)); err != nil || len(opened.Sigs) < 3 {
		t.Fatalf("its checkpoint: %v", err)
	}
	var of flog.Checkpoint
	if _, err := of.Unmarshal([]byte(opened.Text)); err != nil {
		t.Fatal(err)
	}
	var path tlog.RecordProof
	for _, h := range p.Hashes {
		path = append(path, h)
	}
	if err := tlog.CheckRecord(path, int64(of.Size), tlog.Hash(of.Hash), 300, tlog.RecordHash(served.leaf(300, tree.N))); err != nil {
		t.Error(err)
	}
	t.Run("tessera", func(t *testing.T) { readByTessera(t, m, origin, w.policy().Members[signer].Cosign) })
}

// readByTessera has the other client read all that an anchor serves, and what a liar does.
func readByTessera(t *testing.T, m *fakeMember, origin, key string) {
	program := os.Getenv(tlogClient)
	if program == "" {
		t.Skip("make agreement sets " + tlogClient)
	}
	for name, lies := range map[string]string{"honest": "", "another entry": "/tile/entries/001", "another hash": "/tile/1/000.p/2"} {
		s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			answer := httptest.NewRecorder()
			m.handler().ServeHTTP(answer, r)
			body := answer.Body.Bytes()
			if r.URL.Path == lies {
				body[40] ^= 1
			}
			w.WriteHeader(answer.Code)
			_, _ = w.Write(body)
		}))
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		out, err := exec.CommandContext(ctx, program, s.URL, origin, key).CombinedOutput()
		if (err == nil) != (lies == "") {
			t.Errorf("%s: %v\n%s", name, err, out)
		}
		if ctx.Err() != nil {
			t.Errorf("%s: it did not end", name)
		}
		cancel()
		s.Close()
	}
}
