package story

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/killick-ledger/killick/chaincode/canon"
	"github.com/killick-ledger/killick/chaincode/ops"
	"github.com/killick-ledger/killick/gateway/client"
)

// minRecords makes the operations of the story at least a thousand: each record
// is submitted and paid for.
const minRecords = 600

// piece is the largest content of one record; longer files are several records.
const piece = 4 << 10

// submitRecords takes the files of the repository: every other record is
// alice's, the rest bob's.
func (w *World) submitRecords(ctx context.Context) error {
	var batch []string
	err := eachPiece(w.opts.Data, func(path string, content []byte) error {
		owner := w.alice
		if len(batch)%2 == 1 {
			owner = w.bob
		}
		commitment, _, err := client.Commitment(content)
		if err != nil {
			return err
		}
		jws, ref, err := w.on(owner).Operation(&ops.RecordSubmit{
			Schema: "source-file", Commitment: canon.Hex(commitment[:]), Size: uint64(len(content)), Location: path,
		}, "")
		if err != nil {
			return err
		}
		batch = append(batch, jws)
		w.facts.records = append(w.facts.records, record{owner, ref, path})
		return nil
	})
	if err != nil {
		return err
	}
	if len(batch) < minRecords {
		return fmt.Errorf("%s holds %d pieces of files, the story needs %d", w.opts.Data, len(batch), minRecords)
	}
	if err := w.submitAll(ctx, batch); err != nil {
		return err
	}
	amended, deleted := w.facts.records[0], w.facts.records[1]
	state, err := w.Client.Record(ctx, amended.ref)
	if err != nil {
		return err
	}
	commitment, _, err := client.Commitment([]byte("a newer version of " + amended.path))
	if err != nil {
		return err
	}
	if _, err := w.submit(ctx, amended.owner, &ops.RecordAmend{
		Record: amended.ref, Schema: "source-file", Commitment: canon.Hex(commitment[:]), Size: 1, Location: amended.path,
	}, state.GetHash()); err != nil {
		return err
	}
	w.facts.amended = amended.ref
	if state, err = w.Client.Record(ctx, deleted.ref); err != nil {
		return err
	}
	if _, err := w.submit(ctx, deleted.owner, &ops.RecordDelete{Record: deleted.ref}, state.GetHash()); err != nil {
		return err
	}
	for ref, want := range map[string]string{amended.ref: "live version 2", deleted.ref: "deleted version 2"} {
		state, err := w.Client.Record(ctx, ref)
		if err != nil {
			return err
		}
		got := fmt.Sprintf("%s version %d", state.GetStatus(), state.GetVersion())
		if got != want {
			return fmt.Errorf("record %s is %s, want %s", ref, got, want)
		}
		w.say("record %s... is %s", ref[:17], got)
	}
	return nil
}

// eachPiece walks the files of a folder that people wrote, in order.
func eachPiece(dir string, do func(path string, content []byte) error) error {
	return filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name := d.Name()
		if d.IsDir() {
			if path != dir && strings.HasPrefix(name, ".") || name == "node_modules" {
				return filepath.SkipDir
			}
			return nil
		}
		if !d.Type().IsRegular() {
			return nil
		}
		content, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		relative, err := filepath.Rel(dir, path)
		if err != nil {
			return err
		}
		for n := 0; len(content) > 0 && n < 8; n++ {
			size := min(piece, len(content))
			if err := do(fmt.Sprintf("repo:%s#%d", filepath.ToSlash(relative), n), content[:size]); err != nil {
				return err
			}
			content = content[size:]
		}
		return nil
	})
}
