package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"sync"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"github.com/killick-ledger/killick/anchor/log"
	"github.com/killick-ledger/killick/anchor/payout"
	"github.com/killick-ledger/killick/chaincode/canon"
)

// signed is what this organisation signed last. It is on disk before a signature
// leaves: an anchor that forgot could sign a fork of what it signed.
type signed struct {
	path string

	mu     sync.Mutex
	file   signedFile
	failed error // of the last write; while it stands nothing new is signed
}

// signedFile is signed.json. Hashes are hex.
type signedFile struct {
	Size    uint64                  `json:"size"`
	Root    string                  `json:"root"`
	Time    uint64                  `json:"time"`
	Payouts map[string]signedPayout `json:"payouts"` // by vault

	// The newest member set to which this organisation handed over.
	Rotation signedRotation `json:"rotation"`
}

type signedRotation struct {
	Version uint64 `json:"version"`
	Digest  string `json:"digest"`
}

type signedPayout struct {
	Epoch   uint64 `json:"epoch"`
	Attempt uint32 `json:"attempt"`
	Record  []byte `json:"record"` // the root as it stands on the ledger
}

func openSigned(path string) (*signed, error) {
	s := &signed{path: path, file: signedFile{Payouts: map[string]signedPayout{}}}
	data, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return s, nil
	}
	if err == nil {
		// What this program does not know it would drop with the next signature, and nothing
		// can make this file again.
		err = json.Unmarshal(data, &s.file, json.RejectUnknownMembers(true))
	}
	if err == nil && s.file.Payouts == nil {
		s.file.Payouts = map[string]signedPayout{}
	}
	if err != nil {
		return nil, fmt.Errorf("what was signed last, %s: %w", path, err)
	}
	return s, nil
}

// last returns the last signed checkpoint, zero before the first.
func (s *signed) last() (size uint64, root [32]byte, time uint64, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.file.Size == 0 {
		return 0, root, 0, nil
	}
	root, err = canon.UnHex32(s.file.Root)
	return s.file.Size, root, s.file.Time, err
}

// horizon is later than any time that members sign now.
func (w *witness) horizon() uint64 { return uint64(w.now().Add(2 * maxSkew).Unix()) }

// last returns what was signed last. Its time does not count when it was signed by
// a clock that was ahead: nobody else signed that, and it may be years away.
func (w *witness) last() (size, time uint64, err error) {
	size, _, time, err = w.signed.last()
	if time > w.horizon() {
		time = 0
	}
	return size, time, err
}

// checkpoint writes down that a signature of c is about to leave. It refuses anything but an
// extension of the last one, and the last one itself, at its time or later. A last time
// after horizon was signed by a clock that was wrong, and binds nobody.
func (s *signed) checkpoint(c log.Checkpoint, horizon uint64) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	next := s.file
	next.Size, next.Root, next.Time = c.Size, canon.Hex(c.Root[:]), c.Time
	if next.Size == s.file.Size && next.Root == s.file.Root && next.Time == s.file.Time {
		return nil
	}
	same := next.Size == s.file.Size && next.Root == s.file.Root
	if next.Size <= s.file.Size && !same || next.Time <= s.file.Time && s.file.Time <= horizon {
		return fmt.Errorf("size %d at %d does not extend size %d at %d, which was signed", next.Size, next.Time, s.file.Size, s.file.Time)
	}
	return s.save(next)
}

// payout writes down that the root of a vault's epoch is about to be signed.
func (s *signed) payout(vault string, r payout.Root) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	var last payout.Root
	if p, ok := s.file.Payouts[vault]; ok {
		var err error
		if last, err = payout.ParseRoot(p.Record); err != nil {
			return err
		}
	}
	if err := payout.Follows(last, r); err != nil {
		return err
	}
	if last == r {
		return nil
	}
	next := s.file
	next.Payouts = map[string]signedPayout{}
	for v, p := range s.file.Payouts {
		next.Payouts[v] = p
	}
	next.Payouts[vault] = signedPayout{Epoch: r.Epoch, Attempt: r.Attempt, Record: r.Encode()}
	return s.save(next)
}

// rotation writes down that a rotation is about to be signed. For one version there is
// one set, whatever a ledger says whose history was replaced.
func (s *signed) rotation(version uint64, digest [32]byte) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	is := signedRotation{version, canon.Hex(digest[:])}
	if had := s.file.Rotation; is == had {
		return nil
	} else if version <= had.Version {
		return fmt.Errorf("fork: another rotation to member set %d than the one that waits was signed", had.Version)
	}
	next := s.file
	next.Rotation = is
	return s.save(next)
}

func (s *signed) save(next signedFile) error {
	data, err := json.Marshal(next, json.Deterministic(true), jsontext.WithIndent("  "))
	if err != nil {
		return err
	}
	// A write that failed may be on disk all the same. Nothing has left under it, and what
	// the next one writes extends that, too: sizes, epochs and versions grow.
	if s.failed = replaceFile(s.path, append(data, '\n')); s.failed != nil {
		s.failed = fmt.Errorf("write down what is signed: %w", s.failed)
		return s.failed
	}
	s.file = next
	return nil
}

// broken returns the error of the last write unless it is among those that are told: the
// alarm stays while nothing is tried.
func (s *signed) broken(told ...error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if errors.Is(errors.Join(told...), s.failed) {
		return nil
	}
	return s.failed
}
