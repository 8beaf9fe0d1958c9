package cluster

import (
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
	"time"

	"github.com/killick-ledger/killick/network/topology"
)

// state is what a network draws once and keeps: network.json.
type state struct {
	Network string `json:"network"`
	Base    int    `json:"base"`
}

func stateFile(dir string) string { return filepath.Join(dir, "network.json") }

// readState returns an error that wraps os.ErrNotExist when there is no network in
// the directory.
func readState(dir string) (state, error) {
	var s state
	data, err := os.ReadFile(stateFile(dir))
	if err != nil {
		return s, err
	}
	if err := json.Unmarshal(data, &s); err != nil {
		return s, fmt.Errorf("%s: %w", stateFile(dir), err)
	}
	return s, nil
}

// found returns the state of the directory, and draws it when there is none: then it
// is new.
func found(dir string, c topology.Consortium) (s state, isNew bool, err error) {
	s, err = readState(dir)
	switch {
	case err == nil && c.Ports != 0 && int(c.Ports) != s.Base:
		return s, false, fmt.Errorf("the network in %s has its ports from %d on, and the setting ports says %d: take it down first", dir, s.Base, c.Ports)
	case err == nil || !errors.Is(err, os.ErrNotExist):
		return s, false, err
	}
	id := make([]byte, 8)
	if _, err := rand.Read(id); err != nil {
		return s, false, fmt.Errorf("draw network id: %w", err)
	}
	s = state{Network: c.Channel + "-" + hex.EncodeToString(id), Base: int(c.Ports)}
	if s.Base == 0 {
		if s.Base, err = freeBase(c.Width()); err != nil {
			return s, false, err
		}
	}
	data, err := json.Marshal(s)
	if err != nil {
		return s, false, err
	}
	// From here on the network has its name and its ports.
	return s, true, writeFile(stateFile(dir), append(data, '\n'), 0o644)
}

// Ports that auto chooses from: below the range from which the kernel takes ports
// for outgoing connections, which could take one while its process restarts.
const (
	autoFrom = 12000
	autoTo   = 32000
)

func freeBase(width int) (int, error) {
	for range 100 {
		n, err := rand.Int(rand.Reader, big.NewInt(int64((autoTo-autoFrom)/width)))
		if err != nil {
			return 0, fmt.Errorf("draw ports: %w", err)
		}
		base := autoFrom + int(n.Int64())*width
		free := true
		for i := 0; i < width && free; i++ {
			free = portFree(base + i)
		}
		if free {
			return base, nil
		}
	}
	return 0, fmt.Errorf("ports: found no %d free ports in a row between %d and %d", width, autoFrom, autoTo)
}

func portFree(port int) bool {
	l, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
	if err != nil {
		return false
	}
	return l.Close() == nil
}

// lockWithin is how long a command waits for another one to end. A command that was
// killed while it started a process holds its lock until that process has left it
// behind, which takes a moment on a busy machine.
const lockWithin = 10 * time.Second

// lock makes sure that one command at a time changes a state directory.
func lock(dir string) (release func(), err error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	path := filepath.Join(dir, "lock")
	for deadline := time.Now().Add(lockWithin); ; {
		f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o644)
		if err != nil {
			return nil, err
		}
		// Remove deletes the file: then the lock is on one that nobody else finds.
		if syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB) == nil && isAt(f, path) {
			return func() { f.Close() }, nil
		}
		f.Close()
		if time.Now().After(deadline) {
			return nil, fmt.Errorf("another command is changing the network in %s", dir)
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// isAt says whether the open file is still the one at the path.
func isAt(f *os.File, path string) bool {
	open, err := f.Stat()
	there, missing := os.Stat(path)
	return err == nil && missing == nil && os.SameFile(open, there)
}

// writeFile replaces a file whole or not at all.
func writeFile(path string, data []byte, mode os.FileMode) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	f, err := os.CreateTemp(filepath.Dir(path), ".new-*")
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	err = errors.Join(err, f.Chmod(mode), f.Close())
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		return errors.Join(fmt.Errorf("write %s: %w", path, err), os.Remove(f.Name()))
	}
	return nil
}

// writeFiles writes rendered files.
func writeFiles(files ...topology.File) error {
	for _, f := range files {
		mode := os.FileMode(0o644)
		if f.Secret {
			mode = 0o600
		}
		if err := writeFile(f.Path, f.Data, mode); err != nil {
			return err
		}
	}
	return nil
}
