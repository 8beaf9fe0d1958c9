package index

import "github.com/killick-ledger/killick/gateway/submit"

// TakeUnnoticed takes blocks in as a commit does that is reported as failed and is in
// the file all the same.
func (x *Index) TakeUnnoticed(blocks ...submit.Block) error {
	for i := range blocks {
		blocks[i] = trim(blocks[i])
	}
	return x.take(blocks)
}
