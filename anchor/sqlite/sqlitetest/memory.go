package sqlitetest

import (
	"os"
	"syscall"
)

// InMemory has tests keep their folders in memory from here on, where this system has room
// for them: a sync costs next to nothing there. What a process wrote outlives it as on a
// disk, and power failures are a Disk's. A TMPDIR that is set stays. It is for TestMain of
// packages whose tests run no program from a folder of theirs.
func InMemory() {
	const shared, room = "/dev/shm", 1 << 30
	var at syscall.Statfs_t
	if os.TempDir() != "/tmp" || syscall.Statfs(shared, &at) != nil || uint64(at.Bavail)*uint64(at.Bsize) < room {
		return
	}
	probe, err := os.MkdirTemp(shared, "killick")
	if err != nil {
		return // it is not for everybody to write to
	}
	if err := os.Remove(probe); err != nil {
		panic(err)
	}
	if err := os.Setenv("TMPDIR", shared); err != nil {
		panic(err)
	}
}
