package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"os"

	"github.com/hyperledger/fabric-protos-go-apiv2/common"
	"github.com/spf13/cobra"
	"google.golang.org/protobuf/proto"

	"github.com/killick-ledger/killick/anchor/block"
	"github.com/killick-ledger/killick/network/fabric"
)

func blocksCommand() *cobra.Command {
	c := command("blocks", "write all blocks of the own peer to standard output, for an auditor", func(ctx context.Context, path string) error {
		cfg, err := readConfig(path)
		if err != nil {
			return err
		}
		one := cfg.Fabric
		one.Peers, one.Endorsements = one.Peers[:1], 1
		own, err := fabric.Connect(one)
		if err != nil {
			return err
		}
		defer own.Close() //nolint:errcheck // nothing was sent that counts
		height, err := own.Height(ctx)
		if err != nil {
			return err
		}
		return writeBlocks(os.Stdout, own.Blocks(ctx, 0), height)
	})
	c.Long = `Writes the blocks that the organisation's own peer has now, from the first one on, as
peers store them. killick-verify executes them again and trusts nothing of them:

  killick-anchor blocks --config FILE | killick-verify BUNDLE --policy FILE ... --blocks -

A peer that joined from a snapshot does not have the first blocks; another member's has.`
	return c
}

// writeBlocks writes the first height blocks in the form of a block file.
func writeBlocks(to io.Writer, blocks iter.Seq2[*common.Block, error], height uint64) error {
	out := bufio.NewWriterSize(to, 1<<20)
	next := uint64(0)
	for b, err := range blocks {
		if err != nil {
			return errors.Join(fmt.Errorf("block %d: %w", next, err), out.Flush())
		}
		raw, err := proto.Marshal(b)
		if err != nil {
			return fmt.Errorf("block %d: %w", next, err)
		}
		stored, err := block.AppendStored(nil, raw)
		if err != nil {
			return err
		}
		if _, err := out.Write(stored); err != nil {
			return err
		}
		if next++; next >= height {
			break
		}
	}
	return out.Flush()
}
