package replay

import (
	"bytes"
	"context"
	"fmt"
	"iter"

	"github.com/killick-ledger/killick/anchor/block"
	"github.com/killick-ledger/killick/anchor/log"
	"github.com/killick-ledger/killick/chaincode/canon"
)

// inFlight and inBytes bound the blocks that are worked on at once. One that is larger goes
// alone, besides the next one, which has been read.
const (
	inFlight = 16
	inBytes  = 32 << 20
)

// item is a block on its way. Each channel is closed when what stands before it is set.
type item struct {
	stored  block.Stored
	block   *block.Block
	leaf    log.BlockRecord
	err     error // of reading or decoding, which ends everything
	decoded chan struct{}

	signers     block.Signers // in charge of it
	members     block.Members // likewise
	configures  bool          // a configuration block
	definitions *block.Policy // in charge after it, when it configures; nil: none of signatures
	examined    []examined
	broken      *against // what is wrong with the block as a whole
	verified    chan struct{}
	mistake     error // a panic in verify
	done        chan struct{}
}

// mended makes an error of a panic of a goroutine, which would end the program as if it
// had found something (Go exits with 2).
func mended(err *error) {
	if p := recover(); p != nil {
		*err = fmt.Errorf("a mistake of this program: %v", p)
	}
}

// chain is what a block's place in the chain depends on.
type chain struct {
	cfg      Config
	next     uint64
	previous [32]byte
	signers  block.Signers
	members  block.Members
}

// pipeline reads blocks, decodes them and verifies their signatures on all cores, and
// hands them on in order, each of which is at work until done is closed. Its channel is
// closed after the last one, or after an error.
func pipeline(ctx context.Context, blocks iter.Seq2[block.Stored, error], cfg Config) <-chan *item {
	read, out := make(chan *item, inFlight), make(chan *item, inFlight)
	go func() {
		defer close(read)
		var working []*item
		bytes := 0
		each(blocks, func(s block.Stored, err error) bool {
			i := &item{stored: s, err: err, decoded: make(chan struct{}), verified: make(chan struct{}), done: make(chan struct{})}
			for len(working) > 0 && (len(working) == inFlight || bytes+len(s.Raw) > inBytes) {
				select {
				case <-working[0].done:
					bytes -= len(working[0].stored.Raw)
					working = working[1:]
				case <-ctx.Done():
					return false
				}
			}
			working, bytes = append(working, i), bytes+len(s.Raw)
			if err != nil {
				close(i.decoded)
			} else {
				go i.decode(cfg.LogID)
			}
			select {
			case read <- i:
				return true
			case <-ctx.Done():
				return false
			}
		})
	}()
	go func() {
		defer close(out)
		c := &chain{cfg: cfg}
		for {
			var i *item
			ok := false
			select { // a pipe that stays open holds up its reader, and nobody else
			case i, ok = <-read:
			case <-ctx.Done():
			}
			if !ok {
				return
			}
			<-i.decoded
			if i.err == nil {
				i.err = c.follow(i)
			}
			if i.err != nil {
				close(i.verified)
			} else {
				go i.verify()
			}
			select {
			case out <- i:
			case <-ctx.Done():
				return
			}
			if i.err != nil {
				return
			}
		}
	}()
	return out
}

// each reads all blocks; a panic on the way is the last error.
func each(blocks iter.Seq2[block.Stored, error], visit func(block.Stored, error) bool) {
	read := func() (err error) {
		defer mended(&err)
		blocks(visit)
		return nil
	}
	if err := read(); err != nil {
		visit(block.Stored{}, err)
	}
}

func (i *item) decode(id log.Hash) {
	defer close(i.decoded)
	defer mended(&i.err)
	if i.block, i.err = block.DecodeStored(i.stored.Raw); i.err == nil {
		i.leaf, i.err = log.Leaf(id, i.block)
	}
	if i.err != nil {
		i.err = &block.TornError{Where: i.stored.Where, Err: i.err}
	}
}

// follow checks a block's place and has its signatures verified. An error is for blocks
// that are not this channel's, or not in order.
func (c *chain) follow(i *item) (err error) {
	defer mended(&err)
	b := i.block
	switch {
	case b.Number != c.next:
		return fmt.Errorf("%s: block %d in place of block %d", i.stored.Where, b.Number, c.next)
	case b.Number == 0 && b.HeaderHash != c.cfg.LogID:
		return ErrOtherChannel
	case b.Number > 0 && !bytes.Equal(b.PrevHash, c.previous[:]):
		i.broken = &against{"previous hash", canon.Hex(b.PrevHash), canon.Hex(c.previous[:])}
	}
	i.signers, i.members = c.signers, c.members
	c.next, c.previous = c.next+1, b.HeaderHash
	signers, is, err := b.Signers()
	if !is {
		return nil
	}
	if err == nil {
		c.signers = signers
		c.members, err = b.Members()
	}
	if err == nil {
		i.configures = true
		i.definitions, err = b.LifecyclePolicy()
	}
	if err != nil {
		return fmt.Errorf("%s: %w", i.stored.Where, err)
	}
	return nil
}

// verify checks what needs no state.
func (i *item) verify() {
	defer close(i.verified)
	defer mended(&i.mistake)
	b := i.block
	i.examined = make([]examined, len(b.Txs))
	if b.Number == 0 || i.broken != nil {
		return
	}
	if err := i.signers.Check(b); err != nil {
		i.broken = &against{"orderers' signatures", err.Error(), "those that the configuration asks for"}
		return
	}
	for n := range b.Txs {
		i.examined[n] = examine(i.members, &b.Txs[n])
	}
}
