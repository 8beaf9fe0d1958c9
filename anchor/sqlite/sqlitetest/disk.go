// Package sqlitetest is a disk under SQLite whose syncs fail. SQLite itself, the driver
// and whoever keeps a journal run as they are: only the method by which SQLite's own file
// system syncs a file has another one around it, so what an error leaves behind in the
// process and in the files is what SQLite makes of it.
//
// SQLite takes a transaction back in the process when a sync fails, whatever reached the
// disk. What was "done although it failed" shows after the process has ended, when the
// next one finds the transaction in the log of the database.
package sqlitetest

import (
	"errors"
	"io/fs"
	"os"
	"strings"
	"sync"
	"testing"
	"unsafe"

	"modernc.org/libc"
	sqlite3 "modernc.org/sqlite/lib"
)

// Fault is what becomes of a sync of a database's log, which is how a commit ends.
type Fault int

// The faults.
const (
	None    Fault = iota
	NotDone       // an error, and nothing of it outlives the process
	Done          // an error, and all of it is on the disk
	Lie           // no error, and neither it nor what follows outlives the process: for tests of tests
)

// Disk is what a database's files are on. It is safe for concurrent use.
type Disk struct {
	path string

	mu    sync.Mutex
	rule  func() Fault
	lied  bool // the log has a hole, and SQLite recovers what is before it
	syncs int
	solid map[string][]byte // by suffix of path: the file as it is after a power failure
}

var suffixes = []string{"", "-wal", "-journal"}

// On puts a sound disk under the database at a path without links, which nobody has open,
// until the next call or the test's end. What the files hold is on the disk.
func On(t testing.TB, path string) *Disk {
	t.Helper()
	shim()
	d := &Disk{path: path, rule: func() Fault { return None }, solid: map[string][]byte{}}
	for _, s := range suffixes {
		data, err := os.ReadFile(path + s)
		if err == nil {
			d.solid[s] = data
		} else if !errors.Is(err, fs.ErrNotExist) {
			t.Fatal(err)
		}
	}
	disks.Store(path, d)
	t.Cleanup(func() { disks.Delete(path) })
	return d
}

// Set has each sync of the log from here on do what a rule says, which must not use the
// disk.
func (d *Disk) Set(rule func() Fault) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.rule = rule
}

// Syncs is how often the log was synced, or was to be.
func (d *Disk) Syncs() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.syncs
}

// Image is what is on the disk at a moment: what a power failure leaves.
type Image map[string][]byte

// Image returns what is on the disk.
func (d *Disk) Image() Image {
	d.mu.Lock()
	defer d.mu.Unlock()
	i := Image{}
	for s, data := range d.solid {
		if _, err := os.Stat(d.path + s); err == nil { // SQLite removes only what it needs no more
			i[s] = data // never written to
		}
	}
	return i
}

// Restore makes the files of a database, which nobody has open, those of an image.
func (i Image) Restore(path string) error {
	var errs []error
	for _, s := range append(suffixes, "-shm") {
		if data, ok := i[s]; ok {
			errs = append(errs, os.WriteFile(path+s, data, 0o600))
		} else if err := os.Remove(path + s); !errors.Is(err, fs.ErrNotExist) {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

// sync is one of a file.
func (d *Disk) sync(suffix string, do func() int32) int32 {
	d.mu.Lock()
	defer d.mu.Unlock()
	fault := None
	if suffix == "-wal" {
		fault = d.rule()
		d.syncs++
	}
	d.lied = d.lied || fault == Lie
	switch {
	case fault == NotDone:
		return sqlite3.SQLITE_IOERR_FSYNC
	case d.lied:
		return sqlite3.SQLITE_OK
	}
	if rc := do(); rc != sqlite3.SQLITE_OK {
		return rc
	}
	data, err := os.ReadFile(d.path + suffix)
	if err != nil {
		return sqlite3.SQLITE_IOERR_FSYNC
	}
	d.solid[suffix] = data
	if fault == Done {
		return sqlite3.SQLITE_IOERR_FSYNC
	}
	return sqlite3.SQLITE_OK
}

// Below is what SQLite calls.

var (
	disks sync.Map // path of a database: *Disk
	files sync.Map // address of an open file: open
	shims sync.Map // address of a table of methods: that of ours

	openBelow func(tls *libc.TLS, vfs, name, file uintptr, flags int32, out uintptr) int32
)

type open struct {
	disk   *Disk
	suffix string
	sync   func(tls *libc.TLS, file uintptr, flags int32) int32
}

// shim puts open before that of SQLite's default file system, once.
var shim = sync.OnceFunc(func() {
	tls := libc.NewTLS()
	defer tls.Close()
	vfs := at[sqlite3.Tsqlite3_vfs](sqlite3.Xsqlite3_vfs_find(tls, 0))
	openBelow = *at[func(*libc.TLS, uintptr, uintptr, uintptr, int32, uintptr) int32](address(&vfs.FxOpen))
	above := openFile
	vfs.FxOpen = *(*uintptr)(unsafe.Pointer(&above))
})

// at is what lies at an address of SQLite's memory, which Go's collector leaves alone.
func at[T any](p uintptr) *T { return *(**T)(unsafe.Pointer(&p)) }

func address[T any](p *T) uintptr { return uintptr(unsafe.Pointer(p)) }

func openFile(tls *libc.TLS, vfs, name, file uintptr, flags int32, out uintptr) int32 {
	rc := openBelow(tls, vfs, name, file, flags, out)
	if rc != sqlite3.SQLITE_OK || name == 0 {
		return rc
	}
	path := libc.GoString(name)
	for _, suffix := range suffixes {
		base, ok := strings.CutSuffix(path, suffix)
		d, found := disks.Load(base)
		if !ok || !found {
			continue
		}
		f := at[sqlite3.Tsqlite3_file](file)
		methods := at[sqlite3.Tsqlite3_io_methods](f.FpMethods)
		of := methods.FxSync
		files.Store(file, open{d.(*Disk), suffix, *(*func(*libc.TLS, uintptr, int32) int32)(unsafe.Pointer(&of))})
		ours := *methods
		above := syncFile
		ours.FxSync = *(*uintptr)(unsafe.Pointer(&above))
		kept, _ := shims.LoadOrStore(f.FpMethods, &ours) // held here, for SQLite's pointer is none to Go
		f.FpMethods = address(kept.(*sqlite3.Tsqlite3_io_methods))
	}
	return rc
}

func syncFile(tls *libc.TLS, file uintptr, flags int32) int32 {
	found, ok := files.Load(file)
	if !ok {
		return sqlite3.SQLITE_MISUSE
	}
	o := found.(open)
	return o.disk.sync(o.suffix, func() int32 { return o.sync(tls, file, flags) })
}
