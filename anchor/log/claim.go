package log

import (
	"encoding/binary"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/killick-ledger/killick/chaincode/canon"
	"github.com/killick-ledger/killick/chaincode/fault"
	"github.com/mr-tron/base58"
)

// Namespace is the chaincode whose writes make claims; the same key of another
// chaincode means nothing.
const Namespace = "killick"

// Kinds of claims.
const (
	KindTransaction = "transaction"
	KindOperation   = "operation"
	KindPayment     = "payment"
	KindRecord      = "record"
	KindCredential  = "credential"
	KindSchema      = "schema"
	KindGrant       = "grant"
	KindUse         = "use"
	KindJob         = "job"
	KindSettlement  = "settlement"
	KindDID         = "did"
	KindPayout      = "payout"
)

// Claim is what a bundle says, derived from its records and nothing else.
type Claim struct {
	Kind     string
	Lines    []string // "name value", as they stand in the file
	Sentence string   // what a person reads; not part of the file
}

// Claim derives the claim. It fails when the records do not make one.
func (b *Bundle) Claim() (*Claim, error) {
	c := &claims{network: b.Note.Network}
	txID := "-"
	if b.Tx.ID != (Hash{}) {
		txID = canon.Hex(b.Tx.ID[:])
	}
	c.line("claim", "")
	c.line("network", b.Note.Network)
	if canon.Simulated(b.Note.Network) {
		c.line("ledger", "SIMULATED")
	}
	c.line("block", strconv.FormatUint(b.Block.Number, 10))
	c.line("transaction", fmt.Sprintf("%d %s %s", b.Tx.Index, txID, CodeName(b.Tx.Code)))
	c.line("checkpoint", fmt.Sprintf("%d %s", b.Note.Size, instant(b.Note.Time)))
	var err error
	if b.Write == nil {
		c.kind, c.sentence = KindTransaction, fmt.Sprintf("transaction %s with code %s", txID, CodeName(b.Tx.Code))
		if b.Payout != nil {
			err = fmt.Errorf("a payee without the write of a root")
		}
	} else {
		err = c.write(b.Write, b.Payout)
	}
	if err != nil {
		return nil, fmt.Errorf("claim: %w", err)
	}
	c.lines[0] = "claim " + c.kind
	for _, l := range c.lines {
		if !printable(l) {
			return nil, fmt.Errorf("claim: a value is empty or not printable ASCII without spaces")
		}
	}
	sentence := fmt.Sprintf("%s, as of block %d", c.sentence, b.Block.Number)
	if canon.Simulated(b.Note.Network) {
		sentence += " of a SIMULATED ledger"
	}
	return &Claim{Kind: c.kind, Lines: c.lines, Sentence: sentence}, nil
}

// claims collects the lines of a claim.
type claims struct {
	network, kind, sentence string
	lines                   []string
}

func (c *claims) line(name, value string) { c.lines = append(c.lines, name+" "+value) }

func (c *claims) write(w *WriteProof, payout *PayoutProof) error {
	if w.Record.Namespace != Namespace || w.Record.Private {
		return fmt.Errorf("a write of namespace %q", w.Record.Namespace)
	}
	c.line("key", string(w.Record.Key))
	prefix, rest, _ := strings.Cut(string(w.Record.Key), "/")
	if (prefix == "epoch") != (payout != nil) {
		return fmt.Errorf("the root of an epoch and a payee go together")
	}
	switch prefix {
	case "op":
		return c.operation(rest, w.Value)
	case "record":
		return c.record(rest, w.Value)
	case "grant":
		return c.grant(rest, w.Value)
	case "use":
		return c.use(rest, w.Value)
	case "job":
		return c.job(rest, w.Value)
	case "settlement":
		return c.settlement(rest, w.Value)
	case "credential":
		return c.credential(rest, w.Value)
	case "schema":
		return c.schema(rest, w.Value)
	case "did":
		return c.did(rest, w.Value)
	case "epoch":
		return c.payout(rest, w.Value, payout)
	}
	return fmt.Errorf("no claim is made of keys %q", prefix+"/")
}

// operations are the names by number, docs/formats/operation.md section 4.
var operations = map[uint8]string{
	1: "did.create", 2: "did.update", 3: "did.recover", 4: "did.deactivate", 5: "did.complete",
	6: "did.link", 7: "did.unlink", 8: "did.prefer", 9: "did.bind", 10: "credential.schema", 11: "credential.issue", 12: "credential.revoke",
	13: "credential.suspend", 14: "credential.reinstate",
	20: "record.submit", 21: "record.amend", 22: "record.delete", 23: "record.allow", 24: "record.withdraw", 30: "reward.pay", 31: "reward.withdraw", 40: "attest.use",
	41: "attest.open", 42: "attest.accept", 43: "attest.cancel", 44: "attest.evidence", 45: "attest.commit", 46: "attest.reveal", 47: "attest.collateral",
	48: "attest.step", 49: "attest.close",
}

const (
	opPay      = 30
	opWithdraw = 31
)

// Operations returns the names of the operations that claims can name.
func Operations() []string { return slices.Sorted(maps.Values(operations)) }

func (c *claims) operation(rest string, value []byte) error {
	expiry, id, _ := strings.Cut(rest, "/")
	ref := expiry + "-" + id
	if err := checkReference(ref); err != nil {
		return err
	}
	in := canon.OpenRecord(value, 0x10)
	code, number, actor, detail := in.U8(), in.U8(), in.Fixed(20), in.Rest()
	if err := in.Done(); err != nil {
		return fmt.Errorf("result: %w", err)
	}
	name, ok := operations[number]
	if !ok {
		name = "operation-" + strconv.Itoa(int(number))
	}
	c.kind = KindOperation
	c.line("operation", ref)
	c.line("name", name)
	c.line("result", resultOf(code))
	c.line("actor", c.didOf(actor))
	c.sentence = fmt.Sprintf("operation %s (%s) by %s with result %s", ref, name, c.didOf(actor), fault.Code(code))
	if (number == opPay || number == opWithdraw) && code == 0 {
		return c.payment(ref, number, actor, detail)
	}
	return nil
}

func (c *claims) payment(ref string, number uint8, actor, detail []byte) error {
	// The detail has no header of its own: it is read as the rest of a record.
	in := canon.OpenRecord(append([]byte{1, 0}, detail...), 0)
	asset, epoch, lines := string(in.Var8()), in.U32(), in.Rest()
	const lineSize = 20 + 8
	n := len(lines) / lineSize
	if err := in.Done(); err != nil {
		return fmt.Errorf("payment: %w", err)
	}
	if n == 0 || len(lines)%lineSize != 0 {
		return fmt.Errorf("payment: lines of %d bytes", len(lines))
	}
	c.kind = KindPayment
	c.line("asset", asset)
	c.line("epoch", strconv.FormatUint(uint64(epoch), 10))
	var total Sum
	for ; len(lines) > 0; lines = lines[lineSize:] {
		payee, amount := lines[:20], binary.BigEndian.Uint64(lines[20:])
		c.line("pay", c.didOf(payee)+" "+decimal(Sum{Lo: amount}))
		sum, ok := join(SumNode{Sum: total}, SumNode{Sum: Sum{Lo: amount}})
		if !ok {
			return fmt.Errorf("payment: amounts overflow")
		}
		total = sum.Sum
	}
	c.line("total", decimal(total))
	if number == opWithdraw {
		c.sentence = fmt.Sprintf("withdrawal of %s %s by %s (operation %s)", decimal(total), asset, c.didOf(actor), ref)
		return nil
	}
	c.sentence = fmt.Sprintf("payment of %s %s by %s to %d payees (operation %s)", decimal(total), asset, c.didOf(actor), n, ref)
	return nil
}

func (c *claims) record(ref string, value []byte) error {
	if err := checkReference(ref); err != nil {
		return err
	}
	in := canon.OpenRecord(value, 0x21)
	code, version, owner, commitment, size := in.U8(), in.U32(), in.Fixed(20), in.Hash(), in.U64()
	by := ref // the first version does not say who wrote it
	if version > 1 {
		expiry, id := in.U32(), in.Hash()
		by = fmt.Sprintf("%08x-%x", expiry, id)
	}
	schema, location := string(in.Var8()), string(in.Var16())
	private := in.Rest() // there when members keep a content
	if err := in.Done(); err != nil {
		return fmt.Errorf("record: %w", err)
	}
	if len(private) != 0 && len(private) != 32 {
		return fmt.Errorf("record: private of %d bytes", len(private))
	}
	status := map[uint8]string{1: "live", 2: "deleted"}[code]
	if status == "" {
		return fmt.Errorf("record: status %d", code)
	}
	c.kind = KindRecord
	c.line("record", ref)
	c.line("status", status)
	c.line("version", strconv.FormatUint(uint64(version), 10))
	c.line("owner", c.didOf(owner))
	c.line("commitment", canon.Hex(commitment[:]))
	c.line("size", strconv.FormatUint(size, 10))
	c.optional("schema", schema)
	c.optional("location", location)
	c.optional("private", canon.Hex(private))
	c.line("by", by)
	c.sentence = fmt.Sprintf("record %s of %s is %s in version %d", ref, c.didOf(owner), status, version)
	return nil
}

// optional writes a line unless the value is empty.
func (c *claims) optional(name, value string) {
	if value != "" {
		c.line(name, value)
	}
}

func (c *claims) didOf(id []byte) string { return "did:killick:" + c.network + ":" + base58.Encode(id) }

func checkReference(ref string) error {
	if len(ref) == 8+1+64 && ref[8] == '-' {
		_, expiry := canon.UnHex(ref[:8], 4)
		_, id := canon.UnHex(ref[9:], 32)
		if expiry == nil && id == nil {
			return nil
		}
	}
	return fmt.Errorf("%.80q is not a reference", ref)
}

// decimal writes micro-units as a decimal number without trailing zeros.
func decimal(s Sum) string {
	digits := s.String()
	if len(digits) < 7 {
		digits = strings.Repeat("0", 7-len(digits)) + digits
	}
	whole, fraction := digits[:len(digits)-6], strings.TrimRight(digits[len(digits)-6:], "0")
	if fraction == "" {
		return whole
	}
	return whole + "." + fraction
}

// instant writes seconds since 1970 as RFC 3339 in UTC; what is past the year
// 9999 stays a number.
func instant(seconds uint64) string {
	const year10000 = 253402300800
	if seconds >= year10000 {
		return strconv.FormatUint(seconds, 10)
	}
	return time.Unix(int64(seconds), 0).UTC().Format("2006-01-02T15:04:05Z")
}

// printable accepts words of printable ASCII separated by single spaces.
func printable(line string) bool {
	for _, word := range strings.Split(line, " ") {
		if word == "" {
			return false
		}
		for i := range len(word) {
			if word[i] < '!' || word[i] > '~' {
				return false
			}
		}
	}
	return true
}
