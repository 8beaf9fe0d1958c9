package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net"
	"os"
	"syscall"
	"time"

	"github.com/killick-ledger/killick/chaincode/did"
	"github.com/syndtr/goleveldb/leveldb"
	"github.com/syndtr/goleveldb/leveldb/opt"
)

// prices are what primitives take on this machine: CPU time on one core.
type prices struct {
	p256Sign, p256Verify time.Duration
	es256, es256K        time.Duration         // verification of a user's signature, as the chaincode does it
	ed25519              map[int]time.Duration // the same for each signature of a batch, by its size
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
	p := prices{ed25519: map[int]time.Duration{}}
	sum := sha256.Sum256([]byte("price"))
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		p.err = err
		return p
	}
	var signature []byte
	p.p256Sign = price(func() { signature, p.err = ecdsa.SignASN1(rand.Reader, key, sum[:]) })
	p.p256Verify = price(func() { ecdsa.VerifyASN1(&key.PublicKey, sum[:], signature) })
	if p.es256, err = priceAlone(es256); err != nil {
		p.err = err
	}
	if p.es256K, err = priceAlone(es256K); err != nil {
		p.err = err
	}
	for _, n := range ed25519Sizes {
		if p.ed25519[n], err = priceTogether(n); err != nil {
			p.err = err
		}
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

// message is as long as the signing input of most operations.
func message(i int) []byte { return fmt.Appendf(nil, "%400d", i) }

// priceAlone is the price of a user's signature by itself.
func priceAlone(algorithm string) (time.Duration, error) {
	key, signature, err := publicKey(algorithm, message(0))
	if err != nil {
		return 0, err
	}
	return price(func() { key.Verify(message(0), signature) }), nil
}

// priceTogether is the price of an EdDSA signature in a batch, of different keys
// that have all signed before, and of one by itself when the batch is 1.
func priceTogether(batch int) (time.Duration, error) {
	if batch == 1 {
		return priceAlone(edDSA)
	}
	type signed struct {
		key                *did.PublicKey
		prepared           *did.PreparedKey
		message, signature []byte
	}
	items := make([]signed, batch)
	for i := range items {
		key, signature, err := publicKey(edDSA, message(i))
		if err != nil {
			return 0, err
		}
		items[i] = signed{key, key.Prepare(), message(i), signature}
	}
	good := true
	each := price(func() {
		v := did.NewBatch(batch)
		for _, s := range items {
			v.Add(s.key, s.prepared, s.message, s.signature)
		}
		good = good && v.Verify()
	}) / time.Duration(batch)
	if !good {
		return 0, errors.New("a batch of good signatures does not verify")
	}
	return each, nil
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
