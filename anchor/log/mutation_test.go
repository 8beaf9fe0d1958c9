package log_test

import (
	"bytes"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/killick-ledger/killick/anchor/log"
)

// mutate changes a file as damage and forgers do: bits, bytes, pieces, lines.
func mutate(r *rand.Rand, data []byte) []byte {
	out := bytes.Clone(data)
	for range 1 + r.IntN(3) {
		if len(out) == 0 {
			return out
		}
		at := r.IntN(len(out))
		to := min(len(out), at+1+r.IntN(40))
		switch r.IntN(7) {
		case 0:
			out[at] ^= 1 << r.IntN(8)
		case 1:
			out[at] = "0123456789+/=- \nABCabc"[r.IntN(22)]
		case 2:
			out = slices.Delete(out, at, to)
		case 3:
			out = slices.Insert(out, at, out[at:to]...)
		case 4:
			copy(out[at:], out[r.IntN(len(out)):])
		case 5:
			lines := bytes.SplitAfter(out, []byte("\n"))
			i, j := r.IntN(len(lines)), r.IntN(len(lines))
			lines[i], lines[j] = lines[j], lines[i]
			out = bytes.Join(lines, nil)
		default:
			out = out[:at]
		}
	}
	return out
}

// No change of a good bundle's bytes, or of its note's, is verified, and nothing panics,
// whatever the policy's became. "make browser" runs this as WebAssembly too.
func TestMutations(t *testing.T) {
	l := newFixture(t)
	seeds := [][]byte{marshal(t, l.rotated(t, 0)), marshal(t, l.bundle(t, 2, 1, log.NoWrite))}
	for _, w := range []int{0, 2, 4, 6, 7, 9, 10} {
		seeds = append(seeds, marshal(t, l.bundle(t, 2, 1, w)))
	}
	policy, err := l.Policy.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	r := rand.New(rand.NewPCG(1, 2))
	for _, seed := range seeds {
		if l.judge(seed) != log.Passed {
			t.Fatal("a seed is not good")
		}
		for range 400 {
			data := mutate(r, seed)
			if !bytes.Equal(data, seed) && l.judge(data) == log.Passed {
				t.Errorf("verified:\n%s", data)
			}
		}
	}
	for range 1000 {
		if n, err := log.ParseNote(mutate(r, l.note)); err == nil && !bytes.Equal(n.Marshal(), l.note) {
			if _, err := l.Set().CheckNote(n); err == nil {
				t.Errorf("a note verifies:\n%s", n.Marshal())
			}
		}
		if p, err := log.ParsePolicy(mutate(r, policy)); err == nil {
			b, err := log.ParseBundle(seeds[0])
			if err != nil {
				t.Fatal(err)
			}
			l.checks(b, p) // whatever such a policy trusts, nothing panics
		}
	}
}

// Paths of tiles, however malformed, are answered or refused; what a good one answers
// is the same each time.
func FuzzTile(f *testing.F) {
	l := open(f, f.TempDir())
	if err := l.Append(chain(300)...); err != nil {
		f.Fatal(err)
	}
	for _, path := range []string{"tile/0/000", "tile/0/001.p/44", "tile/1/000.p/1", "tile/entries/000", "tile/entries/001.p/44", "tile/7/x999/000", "tile/-1/000", "tile/0/000.p/0", "tile/64/000"} {
		f.Add(path)
	}
	f.Fuzz(func(t *testing.T, path string) {
		tile, err := l.Tile(path)
		if err != nil {
			return
		}
		if again, err := l.Tile(path); err != nil || !bytes.Equal(again, tile) {
			t.Errorf("%s differs: %v", path, err)
		}
		if !strings.HasPrefix(path, "tile/") || len(tile) == 0 {
			t.Errorf("%q is answered with %d bytes", path, len(tile))
		}
	})
}
