package main

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"math/big"
	"net"
	"os"
	"syscall"
	"time"

	"github.com/decred/dcrd/dcrec/secp256k1/v4"
	secp256k1ecdsa "github.com/decred/dcrd/dcrec/secp256k1/v4/ecdsa"
	"github.com/hdevalence/ed25519consensus"
	"github.com/syndtr/goleveldb/leveldb"
	"github.com/syndtr/goleveldb/leveldb/opt"
)

// prices are what primitives take on this machine: CPU time on one core.
type prices struct {
	p256Sign, p256Verify time.Duration
	secp256k1Verify      time.Duration
	ed25519Verify        map[int]time.Duration // for each signature, by the size of the batch
	hashByte             float64               // SHA-256, nanoseconds
	tlsByte              float64               // TLS over loopback, both ends, nanoseconds
	levelPut             time.Duration         // for each key, in synced batches of 500
	err                  error                 // what could not be measured
}

// ed25519Sizes are the sizes of batches for which a signature's price is measured.
var ed25519Sizes = []int{1, 10, 100, 500, 1000}

// pricesFor is how long each primitive is measured.
const pricesFor = 150 * time.Millisecond

// cpuNow is the CPU time that this process has used.
func cpuNow() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// price is the least CPU time of f, of three measurements: others use the machine
// too.
func price(f func()) time.Duration {
	f()
	best := time.Duration(0)
	for range 3 {
		begun, n := cpuNow(), 0
		for cpuNow()-begun < pricesFor {
			f()
			n++
		}
		if each := (cpuNow() - begun) / time.Duration(n); best == 0 || each < best {
			best = each
		}
	}
	return best
}

// measurePrices takes about five seconds; nothing else of this process may run.
func measurePrices() prices {
	p := prices{ed25519Verify: map[int]time.Duration{}}
	sum := sha256.Sum256([]byte("price"))
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		p.err = err
		return p
	}
	var signature []byte
	p.p256Sign = price(func() { signature, p.err = ecdsa.SignASN1(rand.Reader, key, sum[:]) })
	p.p256Verify = price(func() { ecdsa.VerifyASN1(&key.PublicKey, sum[:], signature) })
	k1, err := secp256k1.GeneratePrivateKey()
	if err != nil {
		p.err = err
		return p
	}
	k1Signature := secp256k1ecdsa.Sign(k1, sum[:])
	p.secp256k1Verify = price(func() { k1Signature.Verify(sum[:], k1.PubKey()) })
	for _, n := range ed25519Sizes {
		p.ed25519Verify[n] = priceEd25519(n)
	}
	block := make([]byte, 8<<10)
	p.hashByte = float64(price(func() { sha256.Sum256(block) })) / float64(len(block))
	if p.tlsByte, err = priceTLS(); err != nil {
		p.err = fmt.Errorf("price of TLS: %w", err)
	}
	if p.levelPut, err = priceLevelDB(); err != nil {
		p.err = fmt.Errorf("price of LevelDB: %w", err)
	}
	return p
}

// priceEd25519 is the price of a signature in a batch, of different keys, and of
// one by itself when the batch is 1.
func priceEd25519(batch int) time.Duration {
	type signed struct{ key, message, signature []byte }
	items := make([]signed, batch)
	for i := range items {
		public, private, err := ed25519.GenerateKey(nil)
		if err != nil {
			return 0
		}
		message := fmt.Appendf(nil, "%400d", i)
		items[i] = signed{public, message, ed25519.Sign(private, message)}
	}
	if batch == 1 {
		return price(func() { ed25519consensus.Verify(items[0].key, items[0].message, items[0].signature) })
	}
	return price(func() {
		v := ed25519consensus.NewPreallocatedBatchVerifier(batch)
		for _, s := range items {
			v.Add(s.key, s.message, s.signature)
		}
		v.Verify()
	}) / time.Duration(batch)
}

// priceTLS is the price of a byte that goes through TLS on the loopback device,
// for sender and receiver together.
func priceTLS() (float64, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return 0, err
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), DNSNames: []string{"bench"}}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		return 0, err
	}
	listener, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}})
	if err != nil {
		return 0, err
	}
	defer listener.Close()
	const size = 400 << 10
	go func() {
		conn, err := listener.Accept()
		if err != nil {
			return
		}
		defer conn.Close()
		message := make([]byte, size)
		for {
			if _, err := io.ReadFull(conn, message); err != nil {
				return
			}
			if _, err := conn.Write(message[:1]); err != nil {
				return
			}
		}
	}()
	// The certificate is ours and the peer is this process: nothing to check.
	dialer := &tls.Dialer{NetDialer: &net.Dialer{Timeout: time.Second}, Config: &tls.Config{InsecureSkipVerify: true}}
	conn, err := dialer.Dial("tcp", listener.Addr().String())
	if err != nil {
		return 0, err
	}
	defer conn.Close()
	message, answer := make([]byte, size), make([]byte, 1)
	var failed error
	each := price(func() {
		if failed != nil {
			return
		}
		if _, failed = conn.Write(message); failed == nil {
			_, failed = io.ReadFull(conn, answer)
		}
	})
	return float64(each) / size, failed
}

// priceLevelDB is the price of a key of 100 bytes in synced batches of 500, as a
// peer writes a block's state.
func priceLevelDB() (time.Duration, error) {
	dir, err := os.MkdirTemp("", "killick-bench-")
	if err != nil {
		return 0, err
	}
	defer os.RemoveAll(dir)
	db, err := leveldb.OpenFile(dir, nil)
	if err != nil {
		return 0, err
	}
	defer db.Close()
	const keys = 500
	value, n := make([]byte, 100), 0
	var failed error
	each := price(func() {
		b := new(leveldb.Batch)
		for range keys {
			n++
			sum := sha256.Sum256(fmt.Append(nil, n))
			b.Put(sum[:], value)
		}
		if err := db.Write(b, &opt.WriteOptions{Sync: true}); err != nil {
			failed = err
		}
	})
	return each / keys, failed
}
