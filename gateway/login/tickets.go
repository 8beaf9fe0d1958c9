package login

import (
	"crypto/cipher"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"sync"
	"time"

	"github.com/killick-ledger/killick/chaincode/canon"
	"golang.org/x/crypto/chacha20poly1305"
)

const (
	// MaxLife is how long a ticket may live that is spent.
	MaxLife = 10 * time.Minute
	// window is of how many tickets, the newest, it is known which were used, by one bit
	// each. Whoever asks for tickets until one is too old for that has to ask for 110,000
	// a second over MaxLife.
	window = 1 << 26
	// ProofLife is how long a DPoP proof may be taken, whose iat is at most skew before or
	// behind.
	ProofLife = 2 * skew
	// maxProofs bounds how many proofs of either half of that time are remembered, about 60
	// bytes each. Anybody can make keys, log in with them and send proofs: where there is no
	// room for more, the nonces of the proofs are used up in their place.
	maxProofs = 1 << 18
	// maxTicket bounds the text of a ticket.
	maxTicket = 4096
)

// Kind says what a ticket is for. One of a kind is never taken for another.
type Kind string

// Errors of tickets.
var (
	ErrTicket = errors.New("not made by this gateway since it started")
	ErrLate   = errors.New("expired")
	ErrSpent  = errors.New("used before")
	ErrNonce  = errors.New("used up: while many proofs come each needs a nonce of its own")
)

// Tickets makes texts that only it can have made, for one purpose and a time, and
// remembers those that were used. It is safe for concurrent use.
type Tickets struct {
	aead cipher.AEAD

	mu   sync.Mutex
	made uint64   // tickets so far: the number of the next
	used []uint64 // bits of the newest tickets, by their numbers modulo window
	// Proofs that were used since turned (nil until the first), and in the ProofLife before.
	since, before map[[16]byte]bool
	turned        time.Time
}

// NewTickets returns a maker with a key of its own.
func NewTickets() *Tickets {
	key := make([]byte, chacha20poly1305.KeySize)
	_, _ = rand.Read(key) // never fails
	aead, err := chacha20poly1305.NewX(key)
	if err != nil {
		panic(err) // the key has the right size
	}
	return &Tickets{aead: aead, used: make([]uint64, window/64)}
}

// New returns a ticket that carries content, for a time. Its characters are those of
// base64url, and nobody can foretell it.
func (t *Tickets) New(kind Kind, life time.Duration, content []byte) string {
	nonce := make([]byte, t.aead.NonceSize(), t.aead.NonceSize()+16+len(content)+t.aead.Overhead())
	_, _ = rand.Read(nonce) // never fails; 192 bits do not repeat
	plain := binary.BigEndian.AppendUint64(nil, uint64(time.Now().Add(life).UnixMilli()))
	plain = binary.BigEndian.AppendUint64(plain, t.number())
	return canon.B64(t.aead.Seal(nonce, nonce, append(plain, content...), []byte(kind)))
}

// number returns that of a new ticket, whose bit is not set.
func (t *Tickets) number() uint64 {
	t.mu.Lock()
	defer t.mu.Unlock()
	n := t.made
	t.made++
	if word, bit := place(n); t.used[word]&bit != 0 { // it was that of a ticket beyond the window
		t.used[word] &^= bit
	}
	return n
}

func place(number uint64) (word int, bit uint64) {
	return int(number % window / 64), 1 << (number % 64)
}

// Ticket is a ticket that was read.
type Ticket struct {
	Content []byte
	Expires time.Time
	number  uint64
}

// Read opens a ticket of the kind. Errors: ErrTicket, ErrLate.
func (t *Tickets) Read(kind Kind, text string) (*Ticket, error) {
	if len(text) > maxTicket {
		return nil, ErrTicket
	}
	sealed, err := canon.UnB64(text)
	if err != nil || len(sealed) < t.aead.NonceSize() {
		return nil, ErrTicket
	}
	nonce, sealed := sealed[:t.aead.NonceSize()], sealed[t.aead.NonceSize():]
	plain, err := t.aead.Open(nil, nonce, sealed, []byte(kind))
	if err != nil || len(plain) < 16 {
		return nil, ErrTicket
	}
	ticket := &Ticket{Content: plain[16:], Expires: time.UnixMilli(int64(binary.BigEndian.Uint64(plain))), number: binary.BigEndian.Uint64(plain[8:])}
	if !time.Now().Before(ticket.Expires) {
		return nil, ErrLate
	}
	return ticket, nil
}

// Spend uses a ticket up, which lived MaxLife at most. Of several that come at the same
// time one succeeds. Errors: ErrSpent, ErrLate.
func (t *Tickets) Spend(ticket *Ticket) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.spend(ticket)
}

func (t *Tickets) spend(ticket *Ticket) error {
	word, bit := place(ticket.number)
	switch {
	case t.made-ticket.number > window:
		return ErrLate
	case t.used[word]&bit != 0:
		return ErrSpent
	}
	t.used[word] |= bit
	return nil
}

// SpendProof uses a DPoP proof up, by the key that signed it and its id. It is remembered
// for ProofLife at least, or by its nonce, which no other proof can have then.
// Errors: ErrSpent, ErrNonce.
func (t *Tickets) SpendProof(thumbprint, id string, nonce *Ticket) error {
	h := sha256.New()
	for _, p := range []string{thumbprint, id} {
		var size [4]byte
		binary.BigEndian.PutUint32(size[:], uint32(len(p)))
		h.Write(size[:])
		h.Write([]byte(p))
	}
	proof := [16]byte(h.Sum(nil))
	t.mu.Lock()
	defer t.mu.Unlock()
	t.turn()
	word, bit := place(nonce.number)
	switch {
	case t.since[proof] || t.before[proof]:
		return ErrSpent
	case t.made-nonce.number > window || t.used[word]&bit != 0:
		return ErrNonce
	case len(t.since) >= maxProofs:
		return t.spend(nonce)
	}
	t.since[proof] = true
	return nil
}

// turn forgets the proofs that are too old to be taken.
func (t *Tickets) turn() {
	switch age := time.Since(t.turned); {
	case t.since == nil || age >= 2*ProofLife:
		t.before, t.since, t.turned = nil, map[[16]byte]bool{}, time.Now()
	case age >= ProofLife:
		t.before, t.since, t.turned = t.since, map[[16]byte]bool{}, t.turned.Add(ProofLife)
	}
}
