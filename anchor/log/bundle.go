package log

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"strconv"
	"strings"

	"github.com/killick-ledger/killick/anchor/block"
	"github.com/killick-ledger/killick/chaincode/canon"
	"github.com/transparency-dev/formats/proof"
)

// MaxBundle bounds a bundle's bytes.
const MaxBundle = 1 << 20

const bundleTitle = "killick anchorproof v1"

// Bundle proves one write, or one transaction, down from a public chain
// (docs/formats/bundle.md). Parsing checks its form and its claim; Verify checks
// what it proves.
type Bundle struct {
	Write      *WriteProof // nil when a transaction is all that is proved
	Tx         TxRecord
	TxPath     []Hash // in the block's tree
	Block      BlockRecord
	SetVersion uint64     // of the member set that signed
	Rotations  []Rotation // that lead to it
	Anchors    []Anchor
	Payout     *PayoutProof // for the root of an epoch only
	Path       []Hash       // of the block in the log
	Note       Note
}

// WriteProof is a write with the value that it put.
type WriteProof struct {
	Record WriteRecord
	Value  []byte
	Index  uint32 // in the transaction
	Path   []Hash
}

// Anchor says where an AnchorLog contract took the checkpoint.
type Anchor struct {
	Contract canon.Account
	Size     uint64
	Landing
}

// Landing is the place of a transaction on a public chain.
type Landing struct {
	Tx        Hash
	Block     uint64
	BlockHash Hash
}

// Marshal returns the file. It fails when the records make no claim.
func (b *Bundle) Marshal() ([]byte, error) {
	claim, err := b.Claim()
	if err != nil {
		return nil, fmt.Errorf("bundle: %w", err)
	}
	var out bytes.Buffer
	out.WriteString(bundleTitle + "\n\n")
	for _, line := range claim.Lines {
		out.WriteString(line + "\n")
	}
	out.WriteByte('\n')
	if w := b.Write; w != nil {
		fmt.Fprintf(&out, "write %s\nvalue %s\nwrite-path %d %s\n", b64(w.Record.Bytes()), b64(w.Value), w.Index, path64(w.Path))
	}
	fmt.Fprintf(&out, "transaction %s\ntransaction-path %s\n", b64(b.Tx.Bytes()), path64(b.TxPath))
	fmt.Fprintf(&out, "block %s\n", b64(b.Block.Bytes()))
	if err := b.marshalSigners(&out); err != nil {
		return nil, fmt.Errorf("bundle: %w", err)
	}
	out.WriteByte('\n')
	out.Write(proof.TLogProof{Index: b.Block.Number, Hashes: b.Path, Checkpoint: b.Note.Marshal()}.Marshal())
	return out.Bytes(), nil
}

// marshalSigners writes who signed the checkpoint, which chains took it, and the payout.
func (b *Bundle) marshalSigners(out *bytes.Buffer) error {
	fmt.Fprintf(out, "members %d\n", b.SetVersion)
	for _, r := range b.Rotations {
		if err := r.marshal(out, b.Note.Network); err != nil {
			return err
		}
	}
	for _, a := range b.Anchors {
		fmt.Fprintf(out, "anchor %s %d %s\n", a.Contract, a.Size, a.Landing)
	}
	if p := b.Payout; p != nil {
		fmt.Fprintf(out, "payee %s %d\npayee-path %s\nactivated %s\n", p.Payee, p.Cumulative, p.path(), p.Activated)
	}
	return nil
}

func (l Landing) String() string {
	return fmt.Sprintf("%s %d %s", canon.Hex(l.Tx[:]), l.Block, canon.Hex(l.BlockHash[:]))
}

func b64(b []byte) string { return base64.StdEncoding.EncodeToString(b) }

// path64 writes hashes in one piece; "-" stands for none.
func path64(path []Hash) string {
	if len(path) == 0 {
		return "-"
	}
	var all []byte
	for _, h := range path {
		all = append(all, h[:]...)
	}
	return b64(all)
}

// ParseBundle reads a bundle in the one form that Marshal gives. Its claim lines
// must be those that follow from its records.
func ParseBundle(data []byte) (*Bundle, error) {
	if len(data) > MaxBundle {
		return nil, fmt.Errorf("bundle: %d bytes, more than %d", len(data), MaxBundle)
	}
	b, err := parseBundle(string(data))
	if err != nil {
		return nil, fmt.Errorf("bundle: %w", err)
	}
	again, err := b.Marshal()
	if err != nil {
		return nil, err
	}
	if !bytes.Equal(again, data) {
		return nil, fmt.Errorf("bundle: line %d does not follow from the records, or is not in canonical form", differing(data, again))
	}
	return b, nil
}

// differing returns the number of the first line in which two texts differ.
func differing(a, b []byte) int {
	n := 0
	for n < len(a) && n < len(b) && a[n] == b[n] {
		n++
	}
	return 1 + bytes.Count(a[:n], []byte{'\n'})
}

func parseBundle(text string) (*Bundle, error) {
	parts := strings.SplitN(text, "\n\n", 4)
	if len(parts) != 4 || parts[0] != bundleTitle {
		return nil, fmt.Errorf("want %q, claim, evidence and a tlog-proof, with empty lines between", bundleTitle)
	}
	var p proof.TLogProof
	if err := p.Unmarshal([]byte(parts[3])); err != nil {
		return nil, err
	}
	n, err := ParseNote(p.Checkpoint)
	if err != nil {
		return nil, err
	}
	b := &Bundle{Path: p.Hashes, Note: *n}
	in := &lines{rest: strings.Split(parts[2], "\n")}
	b.evidence(in)
	if in.err == nil && len(in.rest) > 0 {
		in.err = fmt.Errorf("unexpected line %.40q", in.rest[0])
	}
	if in.err != nil {
		return nil, in.err
	}
	if p.Index != b.Block.Number || p.ExtraData != nil {
		return nil, fmt.Errorf("tlog-proof is of block %d, the record of block %d", p.Index, b.Block.Number)
	}
	return b, nil
}

// evidence reads part 3, after the note.
func (b *Bundle) evidence(in *lines) {
	b.Write = in.write()
	b.Tx = parsed(in, in.required("transaction", 1)[0], ParseTxRecord)
	b.TxPath = in.path(in.required("transaction-path", 1)[0])
	b.Block = parsed(in, in.required("block", 1)[0], ParseBlockRecord)
	b.readSigners(in)
}

// write reads a write with its value; nil when there is none.
func (l *lines) write() *WriteProof {
	f, ok := l.optional("write", 1)
	if !ok {
		return nil
	}
	w := &WriteProof{}
	w.Record = parsed(l, f[0], ParseWriteRecord)
	w.Value = l.base64(l.required("value", 1)[0])
	f = l.required("write-path", 2)
	w.Index, w.Path = uint32(l.number(f[0], 32)), l.path(f[1])
	if l.err == nil && (w.Record.Private || w.Record.Delete != block.Put || canon.Sum(w.Value) != w.Record.ValueHash) {
		l.err = fmt.Errorf("value is not the one that the write record states")
	}
	return w
}

// readSigners reads what marshalSigners writes, after the note.
func (b *Bundle) readSigners(in *lines) {
	b.SetVersion = in.number(in.required("members", 1)[0], 64)
	b.Rotations = in.rotations(b.Note.Network, b.SetVersion)
	for {
		f, ok := in.optional("anchor", 5)
		if !ok {
			break
		}
		a := Anchor{Contract: in.account(f[0]), Size: in.number(f[1], 62), Landing: in.landing(f[2:])}
		if n := len(b.Anchors); n > 0 && in.err == nil && b.Anchors[n-1].Contract.String() >= a.Contract.String() {
			in.err = fmt.Errorf("anchors are not in ascending order")
		}
		b.Anchors = append(b.Anchors, a)
	}
	if f, ok := in.optional("payee", 2); ok {
		p := &PayoutProof{Payee: in.account(f[0]), Cumulative: in.number(f[1], 63)}
		f = in.required("payee-path", 2)
		p.Levels = in.levels(f[0], f[1])
		p.Activated = in.landing(in.required("activated", 3))
		b.Payout = p
	}
}

// lines reads "name field field" lines one after the other; after the first
// error everything is empty.
type lines struct {
	rest []string
	err  error
}

// optional reads the line if it has the name, with exactly n fields.
func (l *lines) optional(name string, n int) ([]string, bool) {
	none := make([]string, n)
	if l.err != nil || len(l.rest) == 0 {
		return none, false
	}
	f := strings.Split(l.rest[0], " ")
	if f[0] != name {
		return none, false
	}
	if len(f) != 1+n {
		l.err = fmt.Errorf("line %q has %d fields, want %d", name, len(f)-1, n)
		return none, false
	}
	l.rest = l.rest[1:]
	return f[1:], true
}

func (l *lines) required(name string, n int) []string {
	f, ok := l.optional(name, n)
	if !ok && l.err == nil {
		l.err = fmt.Errorf("no line %q where one belongs", name)
	}
	return f
}

func (l *lines) note(err error) {
	if l.err == nil && err != nil {
		l.err = err
	}
}

func (l *lines) base64(s string) []byte {
	b, err := base64.StdEncoding.DecodeString(s)
	l.note(err)
	return b
}

func (l *lines) number(s string, bits int) uint64 {
	if l.err != nil {
		return 0
	}
	n, err := strconv.ParseUint(s, 10, bits)
	l.note(err)
	return n
}

func (l *lines) hash(s string) Hash {
	if l.err != nil {
		return Hash{}
	}
	h, err := canon.UnHex32(s)
	l.note(err)
	return h
}

func (l *lines) account(s string) canon.Account {
	if l.err != nil {
		return canon.Account{}
	}
	a, err := canon.ParseAccount(s)
	l.note(err)
	return a
}

func (l *lines) landing(f []string) Landing {
	return Landing{Tx: l.hash(f[0]), Block: l.number(f[1], 62), BlockHash: l.hash(f[2])}
}

// maxPath is more hashes than any tree's path has.
const maxPath = 64

func (l *lines) path(s string) []Hash {
	if s == "-" {
		return nil
	}
	all := l.base64(s)
	if l.err == nil && (len(all) == 0 || len(all)%32 != 0 || len(all) > maxPath*32) {
		l.err = fmt.Errorf("a path of %d bytes", len(all))
	}
	var out []Hash
	for ; l.err == nil && len(all) > 0; all = all[32:] {
		out = append(out, Hash(all))
	}
	return out
}

// parsed decodes a record from base64.
func parsed[T any](l *lines, s string, parse func([]byte) (T, error)) (record T) {
	raw := l.base64(s)
	if l.err == nil {
		record, l.err = parse(raw)
	}
	return record
}
