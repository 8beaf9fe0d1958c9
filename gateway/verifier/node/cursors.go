package node

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/killick-ledger/killick/chaincode/canon"
)

// cursors are where the event streams go on after a restart, in a file. It may be lost: the
// lists of jobs have all rounds that are open.
type cursors struct {
	path string
	v    cursorFile
}

type cursorFile struct {
	Format   string       `json:"format"`
	Network  string       `json:"network"`
	Gateways []cursorLine `json:"gateways"`
}

type cursorLine struct {
	Gateway string `json:"gateway"` // address
	Cursor  string `json:"cursor"`
}

const cursorFormat = "killick-cursors-1"

// openCursors reads the file, which need not be there. One of another network is refused:
// the folder is that of another node.
func openCursors(path, network string) (*cursors, error) {
	c := &cursors{path, cursorFile{cursorFormat, network, []cursorLine{}}}
	data, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return c, nil
	}
	if err != nil {
		return nil, fmt.Errorf("cursors: %w", err)
	}
	var v cursorFile
	if err := canon.Decode(bytes.TrimSuffix(data, []byte("\n")), &v); err != nil || v.Format != cursorFormat {
		return nil, fmt.Errorf("%s is no file of cursors; without it the node begins with what is open now (%v)", path, err)
	}
	if v.Network != network {
		return nil, fmt.Errorf("%s is of the network %s", path, v.Network)
	}
	c.v = v
	return c, nil
}

func (c *cursors) at(gateway string) string { return c.line(gateway).Cursor }

// line returns the line of a gateway, which is made when there is none.
func (c *cursors) line(gateway string) *cursorLine {
	for i := range c.v.Gateways {
		if c.v.Gateways[i].Gateway == gateway {
			return &c.v.Gateways[i]
		}
	}
	c.v.Gateways = append(c.v.Gateways, cursorLine{Gateway: gateway})
	return &c.v.Gateways[len(c.v.Gateways)-1]
}

// keep writes a cursor: all of the file or nothing.
func (c *cursors) keep(gateway, cursor string) error {
	line := c.line(gateway)
	if line.Cursor == cursor {
		return nil
	}
	line.Cursor = cursor
	data, err := canon.Marshal(c.v)
	if err != nil {
		return err
	}
	draft, err := os.CreateTemp(filepath.Dir(c.path), "cursors.*.draft")
	if err != nil {
		return err
	}
	_, err = draft.Write(append(data, '\n'))
	if err = errors.Join(err, draft.Close()); err == nil {
		err = os.Rename(draft.Name(), c.path)
	}
	return err
}
