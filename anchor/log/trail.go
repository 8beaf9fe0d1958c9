package log

import (
	"bytes"
	"cmp"
	"fmt"
	"slices"
	"sort"
	"strconv"
	"strings"
)

// MaxTrail bounds the bytes of a trail: a committee of 512 seats with the job's
// 64 grants and records is some 2 MB.
const MaxTrail = 4 << 20

const (
	trailTitle = "killick prooftrail v1"
	// maxLinks is more than any job has.
	maxLinks = 2048
)

// Trail proves many writes under one anchored checkpoint (docs/formats/trail.md): those that
// lead from a payout, or from a settlement, to all that is behind it. What they have to do
// with each other is for anchor/trail to check.
type Trail struct {
	// Links are the writes as bundles of their own, ascending by block, transaction and
	// write. They share everything but write, transaction, block and the paths of these;
	// the root of an epoch, if there is one, alone has the payout.
	Links []*Bundle
	// Disclosure shows whose account the payout's is; nil without a payout.
	Disclosure []byte
	// Candidates are those who could be drawn, 20 bytes each, in the order of licences; nil
	// without a committee.
	Candidates []byte
}

// IsTrail says whether a file begins as a trail does.
func IsTrail(data []byte) bool { return bytes.HasPrefix(data, []byte(trailTitle+"\n")) }

// Head is the link from which the trail leads down: the root of an epoch, or else the
// settlement. There is none in a trail that has neither.
func (c *Trail) Head() *Bundle {
	var head *Bundle
	for _, l := range c.Links {
		switch prefix, _, _ := strings.Cut(string(l.Write.Record.Key), "/"); {
		case prefix == "epoch":
			return l
		case prefix == "settlement":
			head = l
		}
	}
	return head
}

// Sort puts links in their order.
func (c *Trail) Sort() {
	sort.Slice(c.Links, func(i, j int) bool { return compareLinks(c.Links[i], c.Links[j]) < 0 })
}

func compareLinks(a, b *Bundle) int {
	return cmp.Or(cmp.Compare(a.Block.Number, b.Block.Number), cmp.Compare(a.Tx.Index, b.Tx.Index), cmp.Compare(a.Write.Index, b.Write.Index))
}

// check looks at what Marshal relies on, and what every reader may rely on.
func (c *Trail) check() error {
	head := c.Head()
	if head == nil || len(c.Links) > maxLinks {
		return fmt.Errorf("%d links, without a payout or a settlement or too many", len(c.Links))
	}
	seen := map[string]bool{}
	for i, l := range c.Links {
		key := string(l.Write.Record.Key)
		epoch := strings.HasPrefix(key, "epoch/")
		switch {
		case l.Write.Record.Namespace != Namespace:
			return fmt.Errorf("link %d is of namespace %q", i, l.Write.Record.Namespace)
		case seen[key]:
			return fmt.Errorf("two links of %s", key)
		case epoch != (l.Payout != nil) || epoch && l != head || (c.Disclosure != nil) && head.Payout == nil:
			return fmt.Errorf("the root of an epoch, a payee and a disclosure go together, once")
		case i > 0 && compareLinks(c.Links[i-1], l) >= 0:
			return fmt.Errorf("links are not in ascending order")
		}
		seen[key] = true
	}
	return nil
}

// Claim derives what the trail says: its head's claim, and where the links are.
func (c *Trail) Claim() (*Claim, error) {
	if err := c.check(); err != nil {
		return nil, fmt.Errorf("trail: %w", err)
	}
	claim, err := c.Head().Claim()
	if err != nil {
		return nil, fmt.Errorf("trail: %w", err)
	}
	claim.Lines = append([]string{"claim trail", "head " + claim.Kind}, claim.Lines[1:]...)
	for _, l := range c.Links {
		line := fmt.Sprintf("link %s in block %d", l.Write.Record.Key, l.Block.Number)
		if !printable(line) {
			return nil, fmt.Errorf("trail: a key is not printable ASCII without spaces")
		}
		claim.Lines = append(claim.Lines, line)
	}
	claim.Kind, claim.Sentence = "trail", "what leads to this: "+claim.Sentence
	return claim, nil
}

// Marshal returns the file.
func (c *Trail) Marshal() ([]byte, error) {
	claim, err := c.Claim()
	if err != nil {
		return nil, err
	}
	head := c.Head()
	var out bytes.Buffer
	out.WriteString(trailTitle + "\n\n" + strings.Join(claim.Lines, "\n") + "\n\n")
	if err := head.marshalSigners(&out); err != nil {
		return nil, fmt.Errorf("trail: %w", err)
	}
	if c.Disclosure != nil {
		fmt.Fprintf(&out, "disclosure %s\n", b64(c.Disclosure))
	}
	if c.Candidates != nil {
		fmt.Fprintf(&out, "candidates %s\n", b64(c.Candidates))
	}
	before := new(Bundle)
	for _, l := range c.Links {
		w := l.Write
		fmt.Fprintf(&out, "write %s\nvalue %s\nwrite-path %d %s\n", b64(w.Record.Bytes()), b64(w.Value), w.Index, path64(w.Path))
		if before.Write == nil || before.Tx != l.Tx || !slices.Equal(before.TxPath, l.TxPath) {
			fmt.Fprintf(&out, "transaction %s\ntransaction-path %s\n", b64(l.Tx.Bytes()), path64(l.TxPath))
		}
		if before.Write == nil || before.Block != l.Block || !slices.Equal(before.Path, l.Path) {
			fmt.Fprintf(&out, "block %s\nblock-path %s\n", b64(l.Block.Bytes()), path64(l.Path))
		}
		before = l
	}
	out.WriteByte('\n')
	out.Write(head.Note.Marshal())
	if out.Len() > MaxTrail {
		return nil, fmt.Errorf("trail: %d bytes, more than %d", out.Len(), MaxTrail)
	}
	return out.Bytes(), nil
}

// ParseTrail reads a trail in the one form that Marshal gives.
func ParseTrail(data []byte) (*Trail, error) {
	if len(data) > MaxTrail {
		return nil, fmt.Errorf("trail: %d bytes, more than %d", len(data), MaxTrail)
	}
	c, err := parseTrail(string(data))
	if err != nil {
		return nil, fmt.Errorf("trail: %w", err)
	}
	again, err := c.Marshal()
	if err != nil {
		return nil, err
	}
	if !bytes.Equal(again, data) {
		return nil, fmt.Errorf("trail: line %d does not follow from the records, or is not in canonical form", differing(data, again))
	}
	return c, nil
}

func parseTrail(text string) (*Trail, error) {
	parts := strings.SplitN(text, "\n\n", 4)
	if len(parts) != 4 || parts[0] != trailTitle {
		return nil, fmt.Errorf("want %q, claim, evidence and a signed note, with empty lines between", trailTitle)
	}
	n, err := ParseNote([]byte(parts[3]))
	if err != nil {
		return nil, err
	}
	in := &lines{rest: strings.Split(parts[2], "\n")}
	frame := &Bundle{Note: *n}
	frame.readSigners(in)
	c := &Trail{}
	if f, ok := in.optional("disclosure", 1); ok {
		c.Disclosure = in.base64(f[0])
	}
	if f, ok := in.optional("candidates", 1); ok {
		c.Candidates = in.base64(f[0])
	}
	for before := (*Bundle)(nil); in.err == nil && len(in.rest) > 0; {
		if len(c.Links) == maxLinks {
			return nil, fmt.Errorf("more than %d links", maxLinks)
		}
		before = frame.link(in, before)
		c.Links = append(c.Links, before)
	}
	if in.err != nil {
		return nil, fmt.Errorf("link %s: %w", strconv.Itoa(len(c.Links)), in.err)
	}
	return c, nil
}

// link reads one link, which has what it does not state from the one before.
func (b *Bundle) link(in *lines, before *Bundle) *Bundle {
	l := *b
	l.Payout = nil
	l.Write = in.write()
	if l.Write == nil {
		in.note(fmt.Errorf("no line %q where one belongs", "write"))
		return &l
	}
	if strings.HasPrefix(string(l.Write.Record.Key), "epoch/") {
		l.Payout = b.Payout
	}
	if f, ok := in.optional("transaction", 1); ok || before == nil {
		l.Tx = parsed(in, f[0], ParseTxRecord)
		l.TxPath = in.path(in.required("transaction-path", 1)[0])
	} else {
		l.Tx, l.TxPath = before.Tx, before.TxPath
	}
	if f, ok := in.optional("block", 1); ok || before == nil {
		l.Block = parsed(in, f[0], ParseBlockRecord)
		l.Path = in.path(in.required("block-path", 1)[0])
	} else {
		l.Block, l.Path = before.Block, before.Path
	}
	return &l
}

// Verify checks everything that needs no public chain, but what the links have to do with each
// other. Lines of links are named by their keys.
func (c *Trail) Verify(p *Policy) []Check {
	head := c.Head()
	checks := head.Verify(p)
	bad := 0
	for _, l := range c.Links {
		if l == head {
			continue
		}
		for _, check := range []Check{l.checkWrite(), l.checkValidation(), l.checkTx(), l.checkLog(p), l.checkBlock()} {
			if check.Status != Passed {
				bad++
				check.Name = "link " + string(l.Write.Record.Key)
				checks = append(checks, check)
				break
			}
		}
	}
	if bad == 0 {
		checks = append(checks, passed("links", "%d writes of %d blocks, each in a valid transaction under this checkpoint", len(c.Links), c.blocks()))
	}
	return checks
}

func (c *Trail) blocks() int {
	seen := map[uint64]bool{}
	for _, l := range c.Links {
		seen[l.Block.Number] = true
	}
	return len(seen)
}
