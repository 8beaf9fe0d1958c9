package log

import (
	"fmt"
	"strconv"

	"github.com/killick-ledger/killick/chaincode/canon"
)

// Words of docs/formats/job.md, by number.
var (
	verdicts = []string{"undecided", "valid", "invalid", "malicious", "expired", "cancelled"}
	reasons  = []string{"none", "forged_chain", "debug_enclave", "unlisted_measurement", "quote_reused", "two_outputs", "unreadable", "below_policy",
		"no_collateral", "no_roots", "not_judged", "no_evidence", "no_draw", "no_majority", "by_majority", "agreed", "not_accepted", "by_consumer"}
	roles   = []string{"", "owner", "verifier", "operator", "treasury", "residue", "forfeit"}
	fates   = []string{"", "right", "wrong", "voted", "unrevealed", "missed"}
	sources = []string{"", "hold", "deposit"}
)

// words looks numbers up, and notes one that has no word.
type words struct{ bad bool }

func (w *words) of(list []string, number uint8) string {
	if int(number) >= len(list) {
		w.bad = true
		return ""
	}
	return list[number]
}

// settlement reads docs/formats/job.md section 7.
func (c *claims) settlement(job string, value []byte) error {
	if err := checkReference(job); err != nil {
		return err
	}
	var w words
	in := canon.OpenRecord(value, 0x57)
	verdict, reason := w.of(verdicts, in.U8()), w.of(reasons, in.U8())
	finding := w.of(verdicts, in.U8()) + " " + w.of(reasons, in.U8())
	asset, policy, judged, epoch, seats, k := string(in.Var8()), in.U64(), in.U64(), in.U64(), in.U16(), in.U16()
	votes := [4]uint16{in.U16(), in.U16(), in.U16(), in.U16()}
	refund, returned, count := in.U64(), in.U64(), int(in.U16())
	c.kind = KindSettlement
	c.line("job", job)
	c.line("verdict", verdict)
	c.line("reason", reason)
	c.line("finding", finding)
	c.line("policy", strconv.FormatUint(policy, 10))
	c.line("judged", strconv.FormatUint(judged, 10))
	c.line("seats", fmt.Sprintf("%d of which %d organisations have to agree", seats, k))
	c.line("votes", fmt.Sprintf("%d valid %d invalid %d malicious %d unrevealed", votes[0], votes[1], votes[2], votes[3]))
	c.line("asset", asset)
	c.line("epoch", strconv.FormatUint(epoch, 10))
	var paid Sum
	for range count {
		role, fate, from := w.of(roles, in.U8()), w.of(fates, in.U8()), w.of(sources, in.U8())
		who, payee, amount := in.Fixed(20), in.Fixed(20), in.U64()
		if who == nil || payee == nil || w.bad || role == "" || from == "" {
			break
		}
		if fate != "" {
			role += " " + fate
		}
		c.line("line", fmt.Sprintf("%s of %s to %s %s from %s", role, c.didOf(who), c.payeeOf(payee), decimal(Sum{Lo: amount}), from))
		sum, ok := join(SumNode{Sum: paid}, SumNode{Sum: Sum{Lo: amount}})
		if !ok {
			return fmt.Errorf("settlement: amounts overflow")
		}
		paid = sum.Sum
	}
	if err := in.Done(); err != nil || w.bad {
		return fmt.Errorf("settlement: not of its layout (%v)", err)
	}
	c.line("refund", decimal(Sum{Lo: refund}))
	c.line("returned", decimal(Sum{Lo: returned}))
	c.sentence = fmt.Sprintf("job %s ended %s (%s): %s %s were paid in %d lines, %s go back to the consumer and %s to the operator",
		job, verdict, reason, decimal(paid), asset, count, decimal(Sum{Lo: refund}), decimal(Sum{Lo: returned}))
	return nil
}

// payeeOf is the DID that is paid; zeros stand for nobody.
func (c *claims) payeeOf(id []byte) string {
	if [20]byte(id) == ([20]byte{}) {
		return "nobody"
	}
	return c.didOf(id)
}

// job reads docs/formats/job.md section 2.
func (c *claims) job(ref string, value []byte) error {
	if err := checkReference(ref); err != nil {
		return err
	}
	in := canon.OpenRecord(value, 0x51)
	consumer, teeFee, verificationFee := in.Fixed(20), in.U64(), in.U64()
	key, nonce, expires := in.Hash(), in.Hash(), in.U32()
	policy := in.U64()
	in.Fixed(2 + 4*4 + 2*20 + 2 + 7*4) // the rest of the terms
	operation, asset, count := string(in.Var8()), string(in.Var8()), int(in.U8())
	c.kind = KindJob
	c.line("job", ref)
	c.line("consumer", c.didOf(consumer))
	c.line("operation", operation)
	c.line("asset", asset)
	for range count {
		grant, record, version, commitment := referenceOf(in), referenceOf(in), in.U32(), in.Hash()
		owner, price := in.Fixed(20), in.U64()
		c.line("line", fmt.Sprintf("grant %s record %s version %d commitment %x owner %s price %s", grant, record, version, commitment, c.didOf(owner), decimal(Sum{Lo: price})))
	}
	if err := in.Done(); err != nil {
		return fmt.Errorf("job: %w", err)
	}
	c.line("tee-fee", decimal(Sum{Lo: teeFee}))
	c.line("verification-fee", decimal(Sum{Lo: verificationFee}))
	c.line("key", canon.Hex(key[:]))
	c.line("nonce", canon.Hex(nonce[:]))
	c.line("expires", instant(uint64(expires)))
	c.line("policy", strconv.FormatUint(policy, 10))
	c.sentence = fmt.Sprintf("job %s by %s: %s on %d records", ref, c.didOf(consumer), operation, count)
	return nil
}
