package main

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/killick-ledger/killick/anchor/block"
	"github.com/killick-ledger/killick/anchor/log"
	"github.com/killick-ledger/killick/chaincode/canon"
)

// inFlight bounds the blocks that are worked on at once; the largest are 10 MB and more.
const inFlight = 32

// check goes through all blocks once. Decoding, records and signatures take all cores;
// what depends on the block before goes in order, so that the first difference found is
// the first there is.
type check struct {
	cfg        *config
	from       *blockSource
	audit      *log.Audit
	signatures bool
	report     *fsckReport

	next     uint64 // of the block that comes next
	previous [32]byte
	compare  bool // the log has all leaves before next
	signers  block.Signers
	members  block.Members
	blind    uint64 // blocks whose signatures could not be checked
	unknown  int    // transactions whose creators' signatures could not
}

// item is a block on its way. Each channel is closed when what stands before it is set.
type item struct {
	piece
	block    *block.Block
	leaf     log.BlockRecord
	err      error // of reading, decoding, or of its place in the chain
	mistake  error // a panic in decode or verify
	decoded  chan struct{}
	bad      error // of signatures
	unknown  int   // transactions of anonymous creators, whose signatures are not checked
	verified chan struct{}
}

// run checks everything, and returns a *log.Difference for the first difference.
func (c *check) run(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	read, chained := make(chan *item, inFlight/2), make(chan *item, inFlight/2)
	go c.read(ctx, read)
	if err := c.start(); err != nil {
		cancel()
		drain(read)
		return err
	}
	go func() {
		defer close(chained)
		for i := range read {
			<-i.decoded
			if c.chain(i); i.err != nil {
				close(i.verified)
				cancel() // nothing after it matters
				chained <- i
				break
			}
			go i.verify(c.signers, c.members, c.wanted)
			c.follow(i)
			chained <- i
		}
		drain(read)
	}()
	defer func() {
		cancel()
		for i := range chained {
			<-i.verified
		}
	}()
	for i := range chained {
		<-i.verified
		if err := c.finish(i); err != nil {
			return err
		}
	}
	return c.end(ctx)
}

// drain waits for blocks that nobody wants any more.
func drain(read <-chan *item) {
	for i := range read {
		<-i.decoded
	}
}

func (c *check) read(ctx context.Context, to chan<- *item) {
	defer close(to)
	id := c.logID()
	for p, err := range c.from.blocks(ctx) {
		i := &item{piece: p, err: err, decoded: make(chan struct{}), verified: make(chan struct{})}
		if err == nil {
			go i.decode(id)
		} else {
			close(i.decoded)
		}
		select {
		case to <- i:
		case <-ctx.Done():
			return
		}
	}
}

// start takes what comes before the first block from the log itself.
func (c *check) start() error {
	c.next, c.compare = c.from.first, c.audit.Size() >= c.from.first
	if c.next == 0 {
		return nil
	}
	if !c.compare {
		c.report.skip("the log: it has %d blocks, and %s begins with block %d", c.audit.Size(), c.from.name, c.next)
		return nil
	}
	c.report.skip("blocks 0 to %d: %s has none before block %d (it joined from a snapshot); their leaves were taken as they stand", c.next-1, c.from.name, c.next)
	for range c.next {
		leaf, err := c.audit.Take(c.logID())
		if err != nil {
			return err
		}
		c.previous = leaf.HeaderHash
	}
	return nil
}

func (c *check) logID() log.Hash {
	id, _ := canon.UnHex32(c.cfg.LogID) // the configuration was checked
	return id
}

// mended makes an error of a panic of a goroutine, which would end the program as if it
// had found a difference (Go exits with 2).
func mended(err *error) {
	if p := recover(); p != nil {
		*err = fmt.Errorf("a mistake of this program: %v", p)
	}
}

func (i *item) decode(id log.Hash) {
	defer close(i.decoded)
	defer mended(&i.mistake)
	if i.block, i.err = i.piece.decode(); i.err == nil {
		i.leaf, i.err = log.Leaf(id, i.block)
	}
}

// chain checks a block's place. It sets i.err.
func (c *check) chain(i *item) {
	differs := func(field, found, want string) {
		i.err = &log.Difference{Where: i.where, Block: c.next, Field: field, Found: found, Want: want}
	}
	var t *block.TornError
	switch b := i.block; {
	case i.mistake != nil:
		i.err = i.mistake
	case errors.As(i.err, &t):
		i.where = t.Where
		differs("stored bytes", t.Err.Error(), "a whole block")
	case i.err != nil && i.block == nil && i.where == "": // it could not be read
	case i.err != nil:
		differs("content", i.err.Error(), "a block whose parts belong together")
	case b.Number != c.next:
		differs("number", strconv.FormatUint(b.Number, 10), strconv.FormatUint(c.next, 10))
	case b.Number == 0 && b.HeaderHash != c.logID():
		differs("log id", canon.Hex(b.HeaderHash[:]), c.cfg.LogID)
	case b.Number > 0 && (b.Number > c.from.first || c.compare) && !bytes.Equal(b.PrevHash, c.previous[:]):
		differs("previous hash", canon.Hex(b.PrevHash), canon.Hex(c.previous[:]))
	}
}

// follow notes what the blocks after this one depend on.
func (c *check) follow(i *item) {
	c.next, c.previous = c.next+1, i.block.HeaderHash
	if !c.signatures {
		return
	}
	if c.signers == nil && i.block.Number > 0 {
		c.blind++
	}
	signers, is, err := i.block.Signers()
	if is && err == nil {
		c.signers = signers
		c.members, err = i.block.Members()
	}
	if err != nil {
		// What cannot be read cannot vouch for what follows; the block itself may be right.
		c.signers = nil
		c.report.skip("signatures after block %d: %v", i.block.Number, err)
	}
}

// wanted is how many organisations must have endorsed a transaction, as far as that is
// known here: of definitions of chaincodes one must have; other chaincodes, and what a
// member writes into its own collection, have policies of their own.
func (c *check) wanted(t *block.Tx) int {
	effects, err := t.Effects()
	asked := t.Asked(effects)
	switch {
	case err != nil: // peers void what has none, so it may not pass for what asks nobody
		return max(1, c.cfg.Fabric.Endorsements)
	case slices.Contains(asked, c.cfg.Fabric.Chaincode):
		return max(1, c.cfg.Fabric.Endorsements)
	case slices.Contains(asked, "_lifecycle"):
		return 1
	}
	return 0
}

// verify checks the signatures of a block and of its transactions by the configuration
// before it.
func (i *item) verify(signers block.Signers, members block.Members, wanted func(*block.Tx) int) {
	defer close(i.verified)
	defer mended(&i.mistake)
	differs := func(field, found, want string) {
		i.bad = &log.Difference{Where: i.where, Block: i.block.Number, Field: field, Found: found, Want: want}
	}
	if signers == nil {
		return
	}
	if err := signers.Check(i.block); err != nil {
		differs("orderers' signatures", err.Error(), "those that the configuration asks for")
		return
	}
	for n := range i.block.Txs {
		t := &i.block.Txs[n]
		if err := members.Check(t, wanted(t)); errors.Is(err, block.ErrUnchecked) {
			i.unknown++
		} else if err != nil {
			differs(fmt.Sprintf("transaction %d (%s)", n, t.ID), err.Error(), "what a peer finds valid")
			return
		}
	}
}

// finish compares a block with the log, and what the ledger says of the log with it.
func (c *check) finish(i *item) error {
	if err := cmp.Or(i.err, i.mistake); err != nil {
		return err
	}
	if c.compare {
		if err := c.audit.Next(i.leaf); err != nil {
			return err
		}
	}
	if i.bad != nil {
		return i.bad
	}
	c.unknown += i.unknown
	c.report.count(i)
	if !c.compare {
		return nil
	}
	for _, t := range i.block.Txs {
		for _, w := range t.Writes {
			if w.Namespace != c.cfg.Fabric.Chaincode || w.Private || w.Delete != block.Put {
				continue
			}
			if err := c.written(i, t, w); err != nil {
				return err
			}
		}
	}
	return nil
}

// written compares checkpoints, and what this organisation cosigned, with the tree.
func (c *check) written(i *item, t block.Tx, w block.Write) error {
	parts := strings.Split(string(w.Key), "/")
	var size uint64
	var root string
	var what string
	switch {
	case parts[0] == "checkpoint" && len(parts) == 2:
		var point struct {
			Number uint64 `json:"number"`
			Size   uint64 `json:"size"`
			Root   string `json:"root"`
		}
		if err := json.Unmarshal(w.Value, &point); err != nil {
			return &log.Difference{Where: "ledger", Block: i.block.Number, Field: string(w.Key), Found: err.Error(), Want: "a checkpoint"}
		}
		size, root, what = point.Size, point.Root, fmt.Sprintf("root of checkpoint %d, size %d", point.Number, point.Size)
		c.report.Checkpoints++
	case parts[0] == "cosig" && len(parts) >= 5 && parts[len(parts)-1] == c.cfg.Organisation:
		var err error
		if size, err = strconv.ParseUint(parts[1], 16, 64); err != nil {
			return &log.Difference{Where: "ledger", Block: i.block.Number, Field: string(w.Key), Found: parts[1], Want: "a size"}
		}
		root, what = parts[2], fmt.Sprintf("root that %s cosigned for size %d", c.cfg.Organisation, size)
		c.report.Cosigned++
	default:
		return nil
	}
	return c.root(fmt.Sprintf("ledger, transaction %s", t.ID), i.block.Number, what, size, root)
}

// root compares a root that somebody states with the recomputed one.
func (c *check) root(where string, number uint64, what string, size uint64, root string) error {
	if have := c.compared(); size == 0 || size > have {
		return &log.Difference{Where: where, Block: number, Field: what, Found: root, Want: fmt.Sprintf("a size of 1 to %d, which is all there is", have)}
	}
	own, err := c.audit.Root(size)
	if err != nil {
		return err
	}
	if want := canon.Hex(own[:]); root != want {
		return &log.Difference{Where: where, Block: number, Field: what, Found: root, Want: want}
	}
	return nil
}

// compared is how many blocks have been compared.
func (c *check) compared() uint64 { return c.from.first + c.report.Blocks }

// end compares what there is one of.
func (c *check) end(ctx context.Context) error {
	have := c.compared()
	if c.from.height > 0 && have < c.from.height {
		return errors.Join(fmt.Errorf("%s has %d blocks and sent %d", c.from.name, c.from.height, have), ctx.Err())
	}
	if c.blind > 0 {
		c.report.skip("signatures of %d blocks: %s does not have the configuration that they were made under", c.blind, c.from.name)
	}
	if c.unknown > 0 {
		c.report.skip("the creators of %d transactions: their organisations' members are anonymous (idemix)", c.unknown)
	}
	if !c.compare {
		return nil
	}
	if size := c.audit.Size(); size > have {
		return &log.Difference{Where: "head", Block: have, Field: "size", Found: strconv.FormatUint(size, 10),
			Want: fmt.Sprintf("%d at most: %s has no block %d", have, c.from.name, have)}
	} else if size < have {
		c.report.note("the log is %d blocks behind: %d of %d", have-size, size, have)
	}
	if err := c.audit.Head(c.logID()); err != nil {
		return err
	}
	if s := c.report.signed; s.Size > 0 {
		return c.root("signed.json", s.Size-1, fmt.Sprintf("root signed for size %d", s.Size), s.Size, s.Root)
	}
	c.report.note("this organisation has signed no checkpoint yet")
	return nil
}
