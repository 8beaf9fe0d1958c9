package cli_test

import (
	"os"
	"path/filepath"
	"sync"

	"golang.org/x/crypto/argon2"
	"golang.org/x/crypto/chacha20poly1305"

	"github.com/killick-ledger/killick/chaincode/canon"
)

const passphrase = "correct horse"

// keyFile is a file of docs/formats/keys.md.
type keyFile struct {
	Format    string `json:"format"`
	Kind      string `json:"kind"`
	Public    string `json:"public"`
	KDF       string `json:"kdf"`
	Time      uint32 `json:"time"`
	MemoryKiB uint32 `json:"memoryKiB"`
	Threads   uint8  `json:"threads"`
	Salt      string `json:"salt"`
	Cipher    string `json:"cipher"`
	Nonce     string `json:"nonce"`
	Sealed    string `json:"sealed"`
}

// pool has the pairs of key files that the program has made for tests, which work on
// ledgers of their own and so can have the same.
var pool struct {
	sync.Mutex
	pairs [][2]string
}

// keys has a pair of key files, other ones than those that the world has already.
func (w *world) keys(name string) {
	w.t.Helper()
	pool.Lock()
	defer pool.Unlock()
	if w.pairs == len(pool.pairs) {
		w.do("keys", "new", "--out", w.path(name))
		pool.pairs = append(pool.pairs, [2]string{w.read(name + ".keys"), w.read(name + ".recovery")})
	}
	w.write(name+".keys", pool.pairs[w.pairs][0])
	w.write(name+".recovery", pool.pairs[w.pairs][1])
	w.pairs++
}

// lighten seals the files of keys in the world's folder anew, so that opening them costs
// next to nothing: a file says itself what it costs. What the program asks for is meant to
// be dear, and the tests open files some hundred times.
func (w *world) lighten() {
	w.t.Helper()
	files, err := filepath.Glob(w.path("*.keys"))
	if err != nil {
		w.t.Fatal(err)
	}
	for _, path := range files {
		data, err := os.ReadFile(path)
		if err != nil {
			w.t.Fatal(err)
		}
		var f keyFile
		if err := canon.Decode(data[:len(data)-1], &f); err != nil {
			w.t.Fatal(err)
		}
		if f.MemoryKiB > 8 {
			w.write(filepath.Base(path), w.light(f))
		}
	}
}

func (w *world) light(f keyFile) string {
	w.t.Helper()
	part := func(text string) []byte {
		b, err := canon.UnB64(text)
		if err != nil {
			w.t.Fatal(err)
		}
		return b
	}
	marshal := func() []byte {
		b, err := canon.Marshal(f)
		if err != nil {
			w.t.Fatal(err)
		}
		return b
	}
	sealed, nonce := part(f.Sealed), part(f.Nonce)
	f.Sealed = ""
	derive := func() []byte {
		return argon2.IDKey([]byte(passphrase), part(f.Salt), f.Time, f.MemoryKiB, f.Threads, chacha20poly1305.KeySize)
	}
	aead, err := chacha20poly1305.NewX(derive())
	if err != nil {
		w.t.Fatal(err)
	}
	secret, err := aead.Open(nil, nonce, sealed, marshal())
	if err != nil {
		w.t.Fatal(err)
	}
	f.Time, f.MemoryKiB, f.Threads = 1, 8, 1
	if aead, err = chacha20poly1305.NewX(derive()); err != nil {
		w.t.Fatal(err)
	}
	f.Sealed = canon.B64(aead.Seal(nil, nonce, secret, marshal()))
	return string(marshal()) + "\n"
}
