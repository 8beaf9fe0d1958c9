package log

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/killick-ledger/killick/chaincode/canon"
)

// credential reads docs/formats/operation.md section 4's JSON.
func (c *claims) credential(ref string, value []byte) error {
	var v struct {
		Issuer     string `json:"issuer"`
		Schema     string `json:"schema"`
		Digest     string `json:"digest"`
		ValidFrom  uint64 `json:"validFrom"`
		ValidUntil uint64 `json:"validUntil"`
		Evidence   string `json:"evidence"`
		Endorser   string `json:"endorser"`
		List       uint64 `json:"list"`
		Index      uint64 `json:"index"`
		Status     string `json:"status"`
		Version    uint64 `json:"version"`
		By         string `json:"by"`
	}
	if err := checkReference(ref); err != nil {
		return err
	}
	if err := canon.Decode(value, &v); err != nil {
		return fmt.Errorf("credential: %w", err)
	}
	c.kind = KindCredential
	c.line("credential", ref)
	c.line("status", v.Status)
	c.line("version", strconv.FormatUint(v.Version, 10))
	c.line("issuer", v.Issuer)
	c.line("schema", v.Schema)
	c.line("digest", v.Digest)
	c.line("valid-from", instant(v.ValidFrom))
	c.line("valid-until", instant(v.ValidUntil))
	c.line("evidence", v.Evidence)
	c.line("endorser", v.Endorser)
	c.line("entry", strconv.FormatUint(v.Index, 10)+" of list "+strconv.FormatUint(v.List, 10))
	c.line("by", v.By)
	c.sentence = fmt.Sprintf("credential %s issued by %s is %s in version %d", ref, v.Issuer, v.Status, v.Version)
	return nil
}

func (c *claims) schema(ref string, value []byte) error {
	var v struct {
		Issuer string `json:"issuer"`
		Name   string `json:"name"`
		Digest string `json:"digest"`
	}
	if err := checkReference(ref); err != nil {
		return err
	}
	if err := canon.Decode(value, &v); err != nil {
		return fmt.Errorf("schema: %w", err)
	}
	c.kind = KindSchema
	c.line("schema", ref)
	c.line("issuer", v.Issuer)
	c.line("name", v.Name)
	c.line("digest", v.Digest)
	c.sentence = fmt.Sprintf("schema %s (%s) by %s", v.Name, ref, v.Issuer)
	return nil
}

// did reads docs/formats/did-method.md's state.
func (c *claims) did(id string, value []byte) error {
	var v struct {
		ID           string         `json:"id"`
		Version      uint64         `json:"version"`
		Prior        string         `json:"prior"`
		Created      string         `json:"created"`
		CreatedAt    uint64         `json:"createdAt"`
		Updated      string         `json:"updated"`
		UpdatedAt    uint64         `json:"updatedAt"`
		Deactivated  bool           `json:"deactivated"`
		Deactivation uint64         `json:"deactivation"`
		Document     jsontext.Value `json:"document"`
		Root         string         `json:"root"`
	}
	if err := canon.Decode(value, &v); err != nil {
		return fmt.Errorf("did: %w", err)
	}
	if v.ID != "did:killick:"+c.network+":"+id {
		return fmt.Errorf("did: state of %.100q under another key", v.ID)
	}
	status := "active"
	switch {
	case v.Deactivated:
		status = "deactivated"
	case v.Deactivation != 0:
		status = "active, deactivation pending"
	}
	document := canon.Sum(v.Document)
	c.kind = KindDID
	c.line("did", v.ID)
	c.line("status", status)
	c.line("version", strconv.FormatUint(v.Version, 10))
	c.line("created", v.Created)
	c.line("updated", v.Updated)
	c.line("document", canon.Hex(document[:]))
	c.optional("identity-root", v.Root)
	c.sentence = fmt.Sprintf("%s is %s in version %d", v.ID, status, v.Version)
	return nil
}

// root is the value under epoch/<vault>/<number>/<attempt>, docs/formats/payout.md.
type root struct {
	vault   canon.Account
	epoch   uint64
	attempt uint32
	node    SumNode
	leaves  uint32
}

// epochRoot reads the root that a write states.
func epochRoot(key string, value []byte) (root, error) {
	rest, isEpoch := strings.CutPrefix(key, "epoch/")
	f := strings.Split(rest, "/")
	if !isEpoch || len(f) != 3 {
		return root{}, fmt.Errorf("epoch: key %.100q", key)
	}
	var r root
	var err error
	if r.vault, err = canon.ParseAccount(f[0]); err != nil {
		return root{}, fmt.Errorf("epoch: %w", err)
	}
	in := canon.OpenRecord(value, 0x40)
	r.epoch, r.attempt, r.node.Hash = in.U64(), in.U32(), in.Hash()
	if total := in.Fixed(16); total != nil {
		r.node.Sum = sumOf(total)
	}
	r.leaves = in.U32()
	if err := in.Done(); err != nil {
		return root{}, fmt.Errorf("epoch: %w", err)
	}
	if f[1] != fmt.Sprintf("%016x", r.epoch) || f[2] != fmt.Sprintf("%08x", r.attempt) {
		return root{}, fmt.Errorf("epoch: root of epoch %d, attempt %d under another key", r.epoch, r.attempt)
	}
	return r, nil
}

func (c *claims) payout(rest string, value []byte, p *PayoutProof) error {
	r, err := epochRoot("epoch/"+rest, value)
	if err != nil {
		return err
	}
	amount := decimal(Sum{Lo: p.Cumulative})
	c.kind = KindPayout
	c.line("vault", r.vault.String())
	c.line("epoch", strconv.FormatUint(r.epoch, 10))
	c.line("attempt", strconv.FormatUint(uint64(r.attempt), 10))
	c.line("root", canon.Hex(r.node.Hash[:]))
	c.line("total", decimal(r.node.Sum))
	c.line("payees", strconv.FormatUint(uint64(r.leaves), 10))
	c.line("payee", p.Payee.String())
	c.line("cumulative", amount)
	c.sentence = fmt.Sprintf("payout of %s in all to %s by vault %s up to epoch %d", amount, p.Payee, r.vault, r.epoch)
	return nil
}

// resultOf names an operation's result. The number stays a number: the table of
// codes grows, bundles do not change.
func resultOf(code uint8) string {
	if code == 0 {
		return "ok"
	}
	return "refused-" + strconv.Itoa(int(code))
}

// codeNames are Fabric's names of validation codes (peer.TxValidationCode).
var codeNames = map[uint8]string{
	0: "VALID", 1: "NIL_ENVELOPE", 2: "BAD_PAYLOAD", 3: "BAD_COMMON_HEADER", 4: "BAD_CREATOR_SIGNATURE",
	5: "INVALID_ENDORSER_TRANSACTION", 6: "INVALID_CONFIG_TRANSACTION", 7: "UNSUPPORTED_TX_PAYLOAD",
	8: "BAD_PROPOSAL_TXID", 9: "DUPLICATE_TXID", 10: "ENDORSEMENT_POLICY_FAILURE", 11: "MVCC_READ_CONFLICT",
	12: "PHANTOM_READ_CONFLICT", 13: "UNKNOWN_TX_TYPE", 14: "TARGET_CHAIN_NOT_FOUND", 15: "MARSHAL_TX_ERROR",
	16: "NIL_TXACTION", 17: "EXPIRED_CHAINCODE", 18: "CHAINCODE_VERSION_CONFLICT", 19: "BAD_HEADER_EXTENSION",
	20: "BAD_CHANNEL_HEADER", 21: "BAD_RESPONSE_PAYLOAD", 22: "BAD_RWSET", 23: "ILLEGAL_WRITESET",
	24: "INVALID_WRITESET", 25: "INVALID_CHAINCODE", 254: "NOT_VALIDATED", 255: "INVALID_OTHER_REASON",
}

// CodeName returns Fabric's name of a validation code, or its number.
func CodeName(code uint8) string {
	if name, ok := codeNames[code]; ok {
		return name
	}
	return strconv.Itoa(int(code))
}
