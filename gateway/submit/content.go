package submit

import (
	"github.com/killick-ledger/killick/chaincode/fault"
	"github.com/killick-ledger/killick/chaincode/ops"
)

// SubmitWith takes one operation and the content that it names as private. The
// content stays in memory: the journal, which anybody who copies the disk can read for
// as long as the file lives, never holds it. When this process ends before the batch
// with it is handed over, or when that batch is lost after a restart, the operation is
// refused as fault.ContentMissing, which stands for nothing: whoever sends both again
// gets them executed, or the first result. Errors of the ticket: those of Submit, and
// of ops.Operation.CheckContent.
func (s *Submitter) SubmitWith(operation string, content []byte) *Ticket {
	if content == nil {
		content = []byte{} // one was sent
	}
	return s.submit([]string{operation}, content)[0]
}

// checkContent looks at what came with an operation. One that was taken before, with
// its content, may come again without.
func (s *Submitter) checkContent(it *item, o *ops.Operation) error {
	if it.content == nil && it.needs != "" {
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.pending[it.digest] != nil {
			return nil
		}
	}
	return o.CheckContent(it.content)
}

// attach gives a waiting item, which came without after a restart, its content. The
// caller holds mu.
func (s *Submitter) attach(it *item, content []byte) {
	if it.needs == "" || it.content != nil || content == nil || it.receipt != nil {
		return
	}
	own := s.shares[it.actor]
	s.shares[it.actor] = share{own.items, own.bytes + len(content)}
	s.bytes += len(content)
	it.content = content
}

// contentsOf returns the contents that a flight's items need, by their digests, and
// refuses the items whose content is not here.
func (s *Submitter) contentsOf(f *flight) map[string][]byte {
	var contents map[string][]byte
	var bare []*item
	s.mu.Lock()
	for _, it := range f.items {
		switch {
		case it.needs == "":
		case it.content == nil:
			bare = append(bare, it)
		default:
			if contents == nil {
				contents = map[string][]byte{}
			}
			contents[it.needs] = it.content
		}
	}
	s.mu.Unlock()
	if len(bare) > 0 {
		s.withdraw(f, fault.ContentMissing, bare)
	}
	return contents
}
