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

// MaxRequests is how many requests are worked on at a time.
const MaxRequests = maxRequests

// MaxOrders is how many orders are.
const MaxOrders = maxOrders

// Bodies bounds what bodies take in memory together.
func (o *Operator) Bodies(most int) { o.arriving = &arriving{most: most} }

// Held is what bodies take in memory.
func (o *Operator) Held() int {
	o.arriving.mu.Lock()
	defer o.arriving.mu.Unlock()
	return o.arriving.held
}
