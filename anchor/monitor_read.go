package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/killick-ledger/killick/anchor/log"
)

// get reads from an anchor, at most a megabyte.
func (l *monitorLook) get(ctx context.Context, url, path string) ([]byte, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, strings.TrimSuffix(url, "/")+path, nil)
	if err != nil {
		return nil, err
	}
	resp, err := l.http.Do(r)
	if err != nil {
		return nil, errors.New(strings.ReplaceAll(err.Error(), url, host(url)))
	}
	defer resp.Body.Close() //nolint:errcheck // it was only read
	data, err := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	if err == nil && resp.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: status %d", path, resp.StatusCode)
	}
	return data, err
}

// rootAt returns the root that the log of a checkpoint has for a size up to its own,
// from tiles of whichever anchor has good ones: they are checked against its root. One
// that takes too long is asked once in a look, so that it cannot hold up the alarms.
func (l *monitorLook) rootAt(ctx context.Context, of served, size uint64) (log.Hash, bool) {
	if size == of.Size {
		return of.Root, true
	}
	if size == 0 {
		return log.Hash{}, false
	}
	tree := tlog.Tree{N: int64(of.Size), Hash: tlog.Hash(of.Root)}
	for _, url := range l.cfg.Anchors {
		if l.slow[url] {
			continue
		}
		began := time.Now()
		bound, cancel := context.WithTimeout(ctx, chainTimeout) // a proof takes several tiles
		root, err := tlog.TreeHash(int64(size), tlog.TileHashReader(tree, tiles{bound, l, url}))
		cancel()
		l.slow[url] = time.Since(began) >= chainTimeout
		if err == nil {
			return log.Hash(root), true
		}
	}
	return log.Hash{}, false
}

// tiles reads an anchor's tiles (C2SP tlog-tiles).
type tiles struct {
	ctx context.Context
	l   *monitorLook
	url string
}

func (t tiles) Height() int { return 8 }

func (t tiles) ReadTiles(all []tlog.Tile) ([][]byte, error) {
	var data [][]byte
	for _, tile := range all {
		d, err := t.l.get(t.ctx, t.url, "/tile/"+strings.TrimPrefix(tile.Path(), "tile/8/"))
		if err != nil {
			return nil, err
		}
		data = append(data, d)
	}
	return data, nil
}

func (t tiles) SaveTiles([]tlog.Tile, [][]byte) {}
