package operator

// Disk is what the journal is kept on.
type Disk = disk

// Folder is the disk itself.
func Folder(path string) Disk { return folder(path) }

// On puts the journal on a disk.
func (c Config) On(d Disk) Config {
	c.disk = d
	return c
}
