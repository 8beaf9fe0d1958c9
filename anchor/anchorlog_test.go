package main

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math/big"
	"slices"

	"github.com/killick-ledger/killick/anchor/contracts"
	"github.com/killick-ledger/killick/anchor/log"
	"github.com/killick-ledger/killick/chaincode/canon"
)

// anchorLog is AnchorLog with its signatures, as the source has it: what the calls of a
// chain come to from zero. fakeChain, which looks at no signatures, must agree with it.
type anchorLog struct {
	logID  [32]byte
	head   contracts.Checkpoint
	rootAt func(size uint64) [32]byte
	roots  map[uint64][32]byte
	sets   []contracts.Newest // by version, from 1
	frozen bool
}

// Why AnchorLog refuses what was right when it was made: something else came first.
var (
	errFrozenLog  = errors.New("frozen")
	errOtherFirst = errors.New("another one came first")
)

// newAnchorLog is a contract that has just been made.
func newAnchorLog(logID [32]byte, founding contracts.Newest) *anchorLog {
	founding.Frozen = false
	c := &anchorLog{logID: logID, roots: map[uint64][32]byte{}, sets: []contracts.Newest{founding}}
	c.rootAt = func(size uint64) [32]byte { return c.roots[size] }
	return c
}

// believes reports whether a report that is in a block freezes the contract, or finds it
// frozen.
func (c *fakeChain) believes(b chainBlock, data []byte) bool {
	m := &anchorLog{logID: c.w.blocks[0].HeaderHash, head: b.head, sets: b.sets, frozen: b.newest().Frozen}
	m.rootAt = func(size uint64) [32]byte { return c.rootAt(b, size) }
	return m.report(calldata(data[4:])) == nil
}

// freeze does what AnchorLog does with a report that it takes.
func (b *chainBlock) freeze() {
	b.sets = slices.Clone(b.sets)
	b.sets[len(b.sets)-1].Frozen = true
}

func reports(data []byte) bool {
	return bytes.Equal(data[:4], contracts.PackReport(contracts.Statement{}, contracts.Statement{}, [32]byte{}, nil)[:4])
}

// call does what the contract does with a call, or refuses it.
func (c *anchorLog) call(data []byte) error {
	args := calldata(data[4:])
	switch {
	case reports(data):
		return c.report(args)
	case c.frozen:
		return errFrozenLog
	case rotates(data):
		return c.rotate(args)
	}
	return c.submit(args)
}

func (c *anchorLog) submit(args calldata) error {
	next := contracts.Checkpoint{Size: args.number(0), Root: args.hash(1), Time: args.number(2)}
	proof, by := args.hashes(args.place(3)), args.from(args.place(4)).signatures()
	switch had := c.rootAt(next.Size); {
	case next.Root == [32]byte{}:
		return errors.New("no root")
	case had == next.Root:
		return nil
	case had != [32]byte{}:
		return fmt.Errorf("root %x stands for size %d, not %x", had, next.Size, next.Root)
	case next.Size <= c.head.Size || next.Time <= c.head.Time:
		return errOtherFirst
	case c.head.Size == 0 && len(proof) > 0,
		c.head.Size > 0 && log.CheckGrowth(c.head.Size, c.head.Root, next.Size, next.Root, proof) != nil:
		return errOtherFirst
	}
	if err := c.signed(next, by); err != nil {
		return err
	}
	c.head, c.roots[next.Size] = next, next.Root
	return nil
}

func (c *anchorLog) rotate(args calldata) error {
	version, k, members := args.number(0), args.number(1), args.from(args.place(2)).addresses(0)
	next := contracts.Newest{Version: version, Hash: canon.MemberSetHash(version, k, members), From: args.number(3)}
	now := c.sets[len(c.sets)-1]
	switch {
	case version >= 1 && version <= now.Version && c.sets[version-1] == next:
		return nil
	case version != now.Version+1 || next.From <= now.From:
		return fmt.Errorf("set %d from size %d after set %d from size %d", version, next.From, now.Version, now.From)
	}
	digest := canon.RotationDigest(c.logID, now.Hash, version, next.Hash, args.hash(4), next.From)
	if err := args.from(args.place(5)).signatures().check(now.Hash, digest); err != nil {
		return err
	}
	c.sets = append(slices.Clone(c.sets), next)
	return nil
}

func (c *anchorLog) report(args calldata) error {
	if c.frozen {
		return nil
	}
	var said [2]contracts.Checkpoint
	for i := range said {
		s := args.from(args.place(uint64(i)))
		said[i] = contracts.Checkpoint{Size: s.number(0), Root: s.hash(1), Time: s.number(2)}
		if err := c.statement(said[i], s.from(s.place(3)).signatures()); err != nil {
			return err
		}
	}
	a, b, other, proof := said[0], said[1], args.hash(2), args.hashes(args.place(3))
	switch {
	case other == a.Root:
		return errors.New("one history")
	case a.Size == b.Size && (other != b.Root || len(proof) > 0):
		return errors.New("no proof of one size")
	case a.Size != b.Size:
		if err := log.CheckGrowth(a.Size, other, b.Size, b.Root, proof); err != nil {
			return err
		}
	}
	c.frozen = true
	return nil
}

// statement refuses what is neither anchored nor signed by a set that can still anchor
// something.
func (c *anchorLog) statement(s contracts.Checkpoint, by signedBySet) error {
	if by.signers.Sign() == 0 {
		if s.Root == [32]byte{} || c.rootAt(s.Size) != s.Root {
			return errors.New("neither signed nor anchored")
		}
		return nil
	}
	if v := by.version; v < uint64(len(c.sets)) && c.sets[v].From <= c.head.Size+1 {
		return errOtherFirst
	}
	return c.signed(s, by)
}

// signed refuses a checkpoint that K members of the set of its size have not signed.
func (c *anchorLog) signed(s contracts.Checkpoint, by signedBySet) error {
	if !(chainBlock{sets: c.sets}).belongs(by.version, s.Size) {
		return fmt.Errorf("set %d does not sign size %d", by.version, s.Size)
	}
	set := c.sets[by.version-1].Hash
	return by.check(set, canon.CheckpointDigest(c.logID, by.version, set, s.Size, s.Root, s.Time))
}

// signedBySet is the tuple Signatures of a call.
type signedBySet struct {
	version, k uint64
	members    [][20]byte
	signers    *big.Int
	bytes      []byte
}

// check refuses all but the signatures of K members of the set.
func (s signedBySet) check(set, digest [32]byte) error {
	if canon.MemberSetHash(s.version, s.k, s.members) != set {
		return fmt.Errorf("other members than those of the set %d", s.version)
	}
	count := uint64(0)
	for i, m := range s.members {
		if s.signers.Bit(i) == 0 {
			continue
		}
		if uint64(len(s.bytes)) < 65*(count+1) {
			return errors.New("too few signatures")
		}
		if by, err := canon.Recover(digest, s.bytes[65*count:][:65]); err != nil || by != m {
			return fmt.Errorf("signature %d is not that of %x: %w", count, m, err)
		}
		count++
	}
	if count < s.k || uint64(len(s.bytes)) != 65*count {
		return fmt.Errorf("%d signatures in %d bytes, want %d", count, len(s.bytes), s.k)
	}
	return nil
}

// calldata are arguments as the ABI has them, in words of 32 bytes.
type calldata []byte

func (d calldata) hash(at uint64) [32]byte     { return [32]byte(d[32*at:][:32]) }
func (d calldata) number(at uint64) uint64     { return binary.BigEndian.Uint64(d[32*at+24:]) }
func (d calldata) place(at uint64) uint64      { return d.number(at) / 32 }
func (d calldata) from(at uint64) calldata     { return d[32*at:] }
func (d calldata) bytesAt(at, n uint64) []byte { return d[32*at:][:n] }
func (d calldata) hashes(at uint64) (h [][32]byte) {
	for i := range d.number(at) {
		h = append(h, d.hash(at+1+i))
	}
	return h
}

func (d calldata) addresses(at uint64) (a [][20]byte) {
	for _, h := range d.hashes(at) {
		a = append(a, [20]byte(h[12:]))
	}
	return a
}

func (d calldata) signatures() signedBySet {
	bits, at := d.hash(3), d.place(4)
	return signedBySet{
		version: d.number(0), k: d.number(1), members: d.addresses(d.place(2)),
		signers: new(big.Int).SetBytes(bits[:]), bytes: d.bytesAt(at+1, d.number(at)),
	}
}
