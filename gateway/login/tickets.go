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
	// MaxLife is how long a ticket may live that is spent: what was spent is remembered
	// at least that long.
	MaxLife = 10 * time.Minute
	// ProofLife is how long a DPoP proof may be taken, whose iat is at most skew before or
	// behind.
	ProofLife = 2 * skew
	// maxSpent bounds what is remembered of either half of these times: about 60 bytes
	// each. Every entry has cost its sender a signature that was good; when there is no
	// room, more are refused, for forgetting one would let it be used twice. Anybody can
	// make keys and log in with them, so proofs take no room from tickets.
	maxSpent = 1 << 18
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
	ErrFull   = errors.New("too many are in use")
)

// Tickets makes texts that only it can have made, for one purpose and a time, and
// remembers those that were used. It is safe for concurrent use.
type Tickets struct {
	aead cipher.AEAD

	tickets, proofs spent
}

// spent remembers what was used for a time at least.
type spent struct {
	life time.Duration

	mu     sync.Mutex
	since  map[[16]byte]bool // turned; nil until the first
	before map[[16]byte]bool // in the life before that
	turned time.Time
}

// NewTickets returns a maker with a key of its own.
func NewTickets() *Tickets {
	key := make([]byte, chacha20poly1305.KeySize)
	_, _ = rand.Read(key) // never fails
	aead, err := chacha20poly1305.NewX(key)
	if err != nil {
		panic(err) // the key has the right size
	}
	return &Tickets{aead: aead, tickets: spent{life: MaxLife}, proofs: spent{life: ProofLife}}
}

// New returns a ticket that carries content, for a time. Its characters are those of
// base64url, and nobody can foretell it.
func (t *Tickets) New(kind Kind, life time.Duration, content []byte) string {
	nonce := make([]byte, t.aead.NonceSize(), t.aead.NonceSize()+8+len(content)+t.aead.Overhead())
	_, _ = rand.Read(nonce) // never fails; 192 bits do not repeat
	plain := binary.BigEndian.AppendUint64(nil, uint64(time.Now().Add(life).UnixMilli()))
	return canon.B64(t.aead.Seal(nonce, nonce, append(plain, content...), []byte(kind)))
}

// Ticket is a ticket that was read.
type Ticket struct {
	Content []byte
	Expires time.Time
	id      [16]byte
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
	if err != nil || len(plain) < 8 {
		return nil, ErrTicket
	}
	ticket := &Ticket{Content: plain[8:], Expires: time.UnixMilli(int64(binary.BigEndian.Uint64(plain))), id: [16]byte(nonce)}
	if !time.Now().Before(ticket.Expires) {
		return nil, ErrLate
	}
	return ticket, nil
}

// Spend uses a ticket up, which lived MaxLife at most. Of several that come at the same
// time one succeeds. Errors: ErrSpent, ErrFull.
func (t *Tickets) Spend(ticket *Ticket) error { return t.tickets.once(ticket.id) }

// SpendProof uses a DPoP proof up, by the key that signed it and its id. It is remembered
// for ProofLife at least. Errors: ErrSpent, ErrFull.
func (t *Tickets) SpendProof(thumbprint, id string) error {
	h := sha256.New()
	for _, p := range []string{thumbprint, id} {
		var size [4]byte
		binary.BigEndian.PutUint32(size[:], uint32(len(p)))
		h.Write(size[:])
		h.Write([]byte(p))
	}
	return t.proofs.once([16]byte(h.Sum(nil)))
}

func (s *spent) once(id [16]byte) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch age := time.Since(s.turned); {
	case s.since == nil || age >= 2*s.life:
		s.before, s.since, s.turned = nil, map[[16]byte]bool{}, time.Now()
	case age >= s.life:
		s.before, s.since, s.turned = s.since, map[[16]byte]bool{}, s.turned.Add(s.life)
	}
	switch {
	case s.since[id] || s.before[id]:
		return ErrSpent
	case len(s.since) >= maxSpent:
		return ErrFull
	}
	s.since[id] = true
	return nil
}
