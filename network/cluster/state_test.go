package cluster_test

import (
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/killick-ledger/killick/network/cluster"
	"github.com/killick-ledger/killick/network/topology"
)

// asNobody runs f without root's right to remove anything, in one of t.TempDir's
// directories, which it may write to.
func asNobody(t *testing.T, dir string, f func() error) (err error) {
	t.Helper()
	if os.Geteuid() != 0 {
		return f()
	}
	const nobody = 65534
	if err := os.Chmod(filepath.Dir(dir), 0o755); err != nil { // of t.TempDir
		t.Fatal(err)
	}
	if err := filepath.WalkDir(dir, func(path string, _ os.DirEntry, err error) error {
		return errors.Join(err, os.Chown(path, nobody, nobody))
	}); err != nil {
		t.Fatal(err)
	}
	var done sync.WaitGroup
	done.Go(func() {
		runtime.LockOSThread() // and never unlocked: the thread ends with its identity
		if err = syscall.Setfsuid(nobody); err == nil {
			err = f()
		}
	})
	done.Wait()
	return err
}

// What an interrupted Remove leaves is still a network, so that it can be run again.
func TestRemoveAfterItWasInterrupted(t *testing.T) {
	dir := t.TempDir()
	c := topology.Default()
	c.Ports = 0
	opts := cluster.Options{Consortium: c, Dir: dir, Parts: cluster.Fabric}
	if _, err := cluster.Start(t.Context(), opts); err == nil {
		t.Fatal("start without programs succeeded")
	}
	stuck := filepath.Join(dir, "data", "stuck")
	for _, path := range []string{filepath.Join(stuck, "x"), filepath.Join(dir, "crypto.new", "x"), filepath.Join(dir, ".new-1")} {
		if err := os.MkdirAll(path, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Chmod(stuck, 0o555); err != nil {
		t.Fatal(err)
	}
	first, err := cluster.Open(opts)
	if err != nil {
		t.Fatal(err)
	}
	if err := asNobody(t, dir, first.Remove); err == nil || !strings.Contains(err.Error(), stuck) {
		t.Fatalf("what cannot be removed was removed, or something else failed: %v", err)
	}
	if err := os.Chmod(stuck, 0o755); err != nil {
		t.Fatal(err)
	}
	again, err := cluster.Open(opts)
	if err != nil {
		t.Fatal(err)
	}
	if err := again.Remove(); err != nil {
		t.Fatal(err)
	}
	if entries, err := os.ReadDir(dir); err != nil || len(entries) != 0 {
		t.Errorf("left: %v, %v", entries, err)
	}
}

// A command waits a moment for another one: one that was killed may hold its lock
// until the process that it was starting has begun.
func TestLockIsWaitedFor(t *testing.T) {
	dir := t.TempDir()
	f, err := os.Create(filepath.Join(dir, "lock"))
	if err == nil {
		err = syscall.Flock(int(f.Fd()), syscall.LOCK_EX)
	}
	if err != nil {
		t.Fatal(err)
	}
	time.AfterFunc(100*time.Millisecond, func() { f.Close() })
	c := topology.Default()
	c.Ports = 0
	_, err = cluster.Start(t.Context(), cluster.Options{Consortium: c, Dir: dir, Parts: cluster.Fabric})
	if err == nil || !strings.Contains(err.Error(), "run make build") {
		t.Errorf("start = %v; want nothing but missing programs", err)
	}
}

// A network that found a port taken before it ever ran holds on to none: started again
// it takes what the setting ports says by then.
func TestPortsTakenAtTheStart(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	port := l.Addr().(*net.TCPAddr).Port
	c := topology.Default()
	c.Ports = topology.Ports(port - 20) // the first organisation's peer
	opts := cluster.Options{Consortium: c, Dir: t.TempDir(), Parts: cluster.Fabric}
	if _, err := cluster.Start(t.Context(), opts); err == nil || !strings.Contains(err.Error(), fmt.Sprintf("port %d of peer.org1 is taken", port)) {
		t.Fatalf("start on a port that is taken: %v", err)
	}
	if _, err := cluster.Open(opts); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("it left a network: %v", err)
	}
	opts.Consortium.Ports = 0
	if _, err := cluster.Start(t.Context(), opts); err == nil || !strings.Contains(err.Error(), "run make build") {
		t.Errorf("start on free ports = %v; want nothing but missing programs", err)
	}
}
