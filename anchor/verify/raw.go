package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/killick-ledger/killick/anchor/block"
	"github.com/killick-ledger/killick/anchor/log"
)

// Lines of the depths L2 and L3.
const (
	lineRaw          = "raw block"
	lineConfig       = "configuration"
	lineOrderers     = "orderers"
	lineEndorsements = "endorsements"
	lineBlocks       = "blocks"
	lineReplay       = "re-execution"
)

// maxRaw bounds a block file; Fabric's own limit for a message is 100 MiB.
const maxRaw = 128 << 20

// rawBlock is a block as some peer handed it out, and configuration blocks from the
// genesis block on. Nothing of it is trusted: the genesis block is what the policy's
// log id is the hash of, each later configuration is signed by the orderers that the
// one before named, and the block is the one whose record the bundle proves.
type rawBlock struct {
	block  *block.Block
	config []*block.Block
}

// check compares the block with the bundle's records and checks who ordered and who
// endorsed it. Files of other blocks leave lines unchecked: they say nothing of the
// bundle. What fails is what contradicts the block that the members' signatures lead
// to.
func (r *rawBlock) check(b *log.Bundle, p *log.Policy) []log.Check {
	same := r.same(b, p)
	if same.Status != log.Passed {
		return []log.Check{same}
	}
	orderers, members, err := r.configured(p)
	if err != nil {
		return []log.Check{same, unchecked(lineConfig, "%v", err)}
	}
	config := log.Check{Name: lineConfig, Text: fmt.Sprintf("followed from the genesis block, which the log id pins, to block %d", r.last().Number)}
	return []log.Check{same, config, r.ordered(orderers), r.endorsed(b, members)}
}

func unchecked(name, format string, args ...any) log.Check {
	return log.Check{Name: name, Status: log.Unchecked, Text: fmt.Sprintf(format, args...)}
}

func failed(name, format string, args ...any) log.Check {
	return log.Check{Name: name, Status: log.Failed, Text: fmt.Sprintf(format, args...)}
}

func (r *rawBlock) last() *block.Block { return r.config[len(r.config)-1] }

// same says whether the block's records, computed anew, are the bundle's.
func (r *rawBlock) same(b *log.Bundle, p *log.Policy) log.Check {
	if r.block.Number != b.Block.Number {
		return unchecked(lineRaw, "the file holds block %d, the bundle is of block %d", r.block.Number, b.Block.Number)
	}
	leaf, err := log.Leaf(p.LogID(), r.block)
	if err != nil {
		return failed(lineRaw, "%v", err)
	}
	var differ []string
	for _, d := range []struct {
		what string
		same bool
	}{
		{"header hash", leaf.HeaderHash == b.Block.HeaderHash},
		{"data hash", leaf.DataHash == b.Block.DataHash},
		{"validation codes", leaf.FlagsHash == b.Block.FlagsHash},
		{"commit hash", leaf.Committed == b.Block.Committed && leaf.CommitHash == b.Block.CommitHash},
		{"transactions", leaf.Txs == b.Block.Txs && leaf.TxsRoot == b.Block.TxsRoot},
	} {
		if !d.same {
			differ = append(differ, d.what)
		}
	}
	if leaf != b.Block {
		return failed(lineRaw, "the file is not block %d as it is in the log: it differs in %s", b.Block.Number, strings.Join(differ, ", "))
	}
	return log.Check{Name: lineRaw, Text: fmt.Sprintf(
		"header, data, %d validation codes and all records of block %d computed from the file are those in the log", leaf.Txs, leaf.Number)}
}

// configured follows the configuration blocks and returns those in charge of the block.
func (r *rawBlock) configured(p *log.Policy) (signers block.Signers, members block.Members, err error) {
	for i, c := range r.config {
		switch {
		case i == 0 && (c.Number != 0 || c.HeaderHash != p.LogID()):
			return nil, block.Members{}, fmt.Errorf("the first configuration block is not the genesis block that the log id pins")
		case i > 0 && c.Number <= r.config[i-1].Number:
			return nil, block.Members{}, fmt.Errorf("configuration block %d comes after block %d", c.Number, r.config[i-1].Number)
		case i > 0:
			if err := signers.Check(c); err != nil {
				return nil, block.Members{}, fmt.Errorf("by the configuration of block %d: %w", r.config[i-1].Number, err)
			}
		}
		next, ok, err := c.Signers()
		if err == nil && !ok {
			err = fmt.Errorf("block %d is no configuration block", c.Number)
		}
		if err == nil {
			members, err = c.Members()
		}
		if err != nil {
			return nil, block.Members{}, err
		}
		signers = next
	}
	last, ok := r.block.LastConfig()
	// A configuration block names itself; the one before it is in charge of it.
	if r.block.Number > 0 && (!ok || last != r.last().Number && last != r.block.Number) {
		return nil, block.Members{}, fmt.Errorf("the configuration in charge is in block %d, the last one given is block %d", last, r.last().Number)
	}
	if r.block.Number > 0 && r.last().Number >= r.block.Number {
		return nil, block.Members{}, fmt.Errorf("configuration block %d is not before block %d", r.last().Number, r.block.Number)
	}
	return signers, members, nil
}

func (r *rawBlock) ordered(signers block.Signers) log.Check {
	if r.block.Number == 0 {
		return log.Check{Name: lineOrderers, Text: "the genesis block, which the log id pins, has no signatures"}
	}
	if err := signers.Check(r.block); err != nil {
		return failed(lineOrderers, "%v", err)
	}
	text := "an orderer of the channel signed the block (Raft: one is enough to sign anything)"
	if c, ok := signers.(block.Consenters); ok {
		text = fmt.Sprintf("at least %d of %d orderers signed the block", c.Quorum(), len(c))
	}
	return log.Check{Name: lineOrderers, Text: text}
}

// endorsed asks for f + 1 organisations, the policy of Killick's chaincode
// (docs/endorsement.md), which makes one of them honest. What policy Fabric applied is
// in the channel's state, not in a block.
func (r *rawBlock) endorsed(b *log.Bundle, members block.Members) log.Check {
	t := &r.block.Txs[b.Tx.Index]
	if t.Type != block.TypeEndorser {
		return unchecked(lineEndorsements, "transaction %d is of the channel's configuration, which nobody endorses", t.Index)
	}
	by, err := members.Endorsers(t)
	effects, _ := t.Effects() // without them the policy of the chaincode called is asked
	switch {
	case err != nil:
		return failed(lineEndorsements, "%v", err)
	case len(by) < members.Enough() && b.Write == nil && !slices.Contains(t.Asked(effects), log.Namespace):
		return unchecked(lineEndorsements, "peers of %s endorsed; what chaincode %q, or its own collection, asks for is not known here", strings.Join(by, ", "), t.Chaincode)
	case len(by) < members.Enough():
		return failed(lineEndorsements, "good endorsements of %d of %d organisations (%s), f + 1 are %d",
			len(by), len(members.Peers), strings.Join(by, ", "), members.Enough())
	}
	return log.Check{Name: lineEndorsements, Text: fmt.Sprintf("peers of %s endorsed these writes: %d of %d organisations, f + 1 are %d (which policy Fabric applied is not in the block)",
		strings.Join(by, ", "), len(by), len(members.Peers), members.Enough())}
}
