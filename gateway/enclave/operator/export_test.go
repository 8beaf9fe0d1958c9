package operator

import "context"

// Disk is what the journal is kept on.
type Disk = disk

// Folder is the disk itself.
func Folder(path string) Disk { return folder(path) }

// On puts the journal on a disk.
func (c Config) On(d Disk) Config {
	c.disk = d
	return c
}

// Pass takes all jobs on once.
func (o *Operator) Pass(ctx context.Context) error { return o.pass(ctx) }
