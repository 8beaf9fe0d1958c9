// Command tlog is another client of what anchors serve: Tessera's, of the transparency
// community, which shares the note and proof formats with Killick and none of its code for
// trees and tiles. It recomputes the tree from the served entries, compares every served
// tile and the checkpoint with it, and checks inclusion proofs that it builds from tiles.
//
//	tlog URL ORIGIN KEY
//
// KEY is a member's note verifier key. It exits with 1 and says why when anything differs.
package main

import (
	"context"
	"fmt"
	"net/url"
	"os"

	fnote "github.com/transparency-dev/formats/note"
	"github.com/transparency-dev/merkle/proof"
	"github.com/transparency-dev/merkle/rfc6962"
	"github.com/transparency-dev/tessera/api"
	"github.com/transparency-dev/tessera/client"
	"github.com/transparency-dev/tessera/fsck"
)

func main() {
	if len(os.Args) != 4 {
		fmt.Fprintln(os.Stderr, "usage: tlog URL ORIGIN KEY")
		os.Exit(2)
	}
	if err := read(context.Background(), os.Args[1], os.Args[2], os.Args[3]); err != nil {
		fmt.Fprintln(os.Stderr, "tlog:", err)
		os.Exit(1)
	}
}

func read(ctx context.Context, address, origin, key string) error {
	u, err := url.Parse(address + "/")
	if err != nil {
		return err
	}
	verifier, err := fnote.NewVerifierForCosignatureV1(key)
	if err != nil {
		return err
	}
	from, err := client.NewHTTPFetcher(u, nil)
	if err != nil {
		return err
	}
	// A worker of fsck that finds a difference ends, and without any left it would wait for ever.
	if err := fsck.New(origin, verifier, from, leafHashes, fsck.Opts{N: 16}).Check(ctx); err != nil {
		return fmt.Errorf("recompute: %w", err)
	}
	point, _, _, err := client.FetchCheckpoint(ctx, from.ReadCheckpoint, verifier, origin)
	if err != nil {
		return err
	}
	builder, err := client.NewProofBuilder(ctx, point.Size, from.ReadTile)
	if err != nil {
		return err
	}
	for _, i := range []uint64{0, point.Size / 2, point.Size - 1} {
		bundle, err := client.GetEntryBundle(ctx, from.ReadEntryBundle, i/256, point.Size)
		if err != nil {
			return err
		}
		path, err := builder.InclusionProof(ctx, i)
		if err == nil {
			err = proof.VerifyInclusion(rfc6962.DefaultHasher, i, point.Size, rfc6962.DefaultHasher.HashLeaf(bundle.Entries[i%256]), path, point.Hash)
		}
		if err != nil {
			return fmt.Errorf("inclusion of %d: %w", i, err)
		}
	}
	fmt.Printf("%s: %d entries, recomputed by Tessera\n", origin, point.Size)
	return nil
}

// leafHashes are those of the entries of a bundle as C2SP tlog-tiles has it.
func leafHashes(data []byte) ([][]byte, error) {
	var bundle api.EntryBundle
	if err := bundle.UnmarshalText(data); err != nil {
		return nil, err
	}
	var out [][]byte
	for _, e := range bundle.Entries {
		out = append(out, rfc6962.DefaultHasher.HashLeaf(e))
	}
	return out, nil
}
