package log

import (
	"fmt"
	"strconv"

	"github.com/killick-ledger/killick/chaincode/canon"
)

// anyNumber stands for uses without a limit.
const anyNumber = "any"

// grant reads the value of grant/<reference>, docs/formats/operation.md section 4.
func (c *claims) grant(ref string, value []byte) error {
	if err := checkReference(ref); err != nil {
		return err
	}
	in := canon.OpenRecord(value, 0x22)
	code, named := in.U8(), in.U8()
	client := "anyone"
	if named == 1 {
		client = c.didOf(in.Fixed(20))
	}
	record := referenceOf(in)
	owner, expires, uses, price := in.Fixed(20), in.U32(), in.U32(), in.U64()
	asset, operation := string(in.Var8()), string(in.Var8())
	var scope []string
	for range in.U8() {
		scope = append(scope, string(in.Var8()))
	}
	var by string
	if code == 2 {
		by = referenceOf(in)
	}
	if err := in.Done(); err != nil {
		return fmt.Errorf("grant: %w", err)
	}
	status := map[uint8]string{1: "live", 2: "withdrawn"}[code]
	if status == "" || named > 1 || len(scope) == 0 || len(owner) == 0 {
		return fmt.Errorf("grant: status %d with %d paths", code, len(scope))
	}
	limit := anyNumber
	if uses > 0 {
		limit = strconv.FormatUint(uint64(uses), 10)
	}
	c.kind = KindGrant
	c.line("grant", ref)
	c.line("status", status)
	c.line("record", record)
	c.line("owner", c.didOf(owner))
	c.line("client", client)
	c.line("operation", operation)
	for _, path := range scope {
		c.line("path", path)
	}
	c.line("price", decimal(Sum{Lo: price})+" "+asset)
	c.line("expires", instant(uint64(expires)))
	c.line("uses", limit)
	c.optional("by", by)
	c.sentence = fmt.Sprintf("grant %s of %s to %s: %s of record %s for %s %s a use, until %s, is %s", ref, c.didOf(owner), client, operation, record,
		decimal(Sum{Lo: price}), asset, instant(uint64(expires)), status)
	return nil
}

// use reads the value of use/<reference>, docs/formats/operation.md section 4.
func (c *claims) use(ref string, value []byte) error {
	if err := checkReference(ref); err != nil {
		return err
	}
	in := canon.OpenRecord(value, 0x50)
	grant, record := referenceOf(in), referenceOf(in)
	version, commitment, client, owner := in.U32(), in.Hash(), in.Fixed(20), in.Fixed(20)
	price, epoch, left := in.U64(), in.U32(), in.U32()
	operation, path, asset := string(in.Var8()), string(in.Var8()), string(in.Var8())
	if err := in.Done(); err != nil {
		return fmt.Errorf("use: %w", err)
	}
	remain := anyNumber
	if left != 1<<32-1 {
		remain = strconv.FormatUint(uint64(left), 10)
	}
	c.kind = KindUse
	c.line("use", ref)
	c.line("grant", grant)
	c.line("record", record)
	c.line("version", strconv.FormatUint(uint64(version), 10))
	c.line("commitment", canon.Hex(commitment[:]))
	c.line("client", c.didOf(client))
	c.line("owner", c.didOf(owner))
	c.line("operation", operation)
	c.line("path", path)
	c.line("paid", decimal(Sum{Lo: price})+" "+asset)
	c.line("epoch", strconv.FormatUint(uint64(epoch), 10))
	c.line("left", remain)
	c.sentence = fmt.Sprintf("use %s by %s under grant %s of %s: %s %s of record %s in version %d, for %s %s", ref, c.didOf(client), grant, c.didOf(owner),
		operation, path, record, version, decimal(Sum{Lo: price}), asset)
	return nil
}

// referenceOf reads the expiry and id of a reference.
func referenceOf(in *canon.Reader) string {
	expiry, id := in.U32(), in.Hash()
	return fmt.Sprintf("%08x-%x", expiry, id)
}
