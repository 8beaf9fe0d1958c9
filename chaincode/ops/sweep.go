package ops

import (
	"github.com/killick-ledger/killick/chaincode/canon"
	"github.com/killick-ledger/killick/chaincode/checkpoint"
	"github.com/killick-ledger/killick/chaincode/fault"
	"github.com/killick-ledger/killick/chaincode/govern"
	"github.com/killick-ledger/killick/chaincode/ledger"
)

// SweptKey is the state key of the watermark: the hour of expiry up to which
// results may have been removed. Every transaction that applies operations reads
// it, so raising it voids what was endorsed before. That matters because orderers
// may hold a transaction back for hours: one that was endorsed while an operation
// had no result yet would find none again after the result is removed, and Fabric
// compares no more than that.
const SweptKey = "sweep/hour"

const (
	// sweptAfterKey names the last result that was removed, so that a page does not
	// pass over the remains of all pages before it.
	sweptAfterKey = "sweep/after"

	sweptType      = 0x11
	sweptAfterType = 0x12

	// sweepPage bounds the results that one call removes. Each takes about 130 bytes
	// of the transaction; the shim hands over 1,000 writes in a message.
	sweepPage = 1000
	// sweepAfter is how many hours a result stays after the hour of its expiry.
	sweepAfter = 2
)

// Swept is the answer of ops:Sweep.
type Swept struct {
	Hour    uint32 `json:"hour"`    // the watermark
	Removed int    `json:"removed"` // results
}

// checkSwept refuses an operation whose result may have been removed. Errors:
// fault.Expired.
func checkSwept(tx *ledger.Tx, hour uint32) error {
	end, err := sweptEnd(tx)
	if err == nil && hour < end {
		return fault.New(fault.Expired, "results of this hour have been removed")
	}
	return err
}

// sweptEnd returns the first hour above the watermark, 0 when there is none.
func sweptEnd(tx *ledger.Tx) (uint32, error) {
	value, err := tx.Get(SweptKey)
	if value == nil || err != nil {
		return 0, err
	}
	r := canon.OpenRecord(value, sweptType)
	hour := r.U32()
	return hour + 1, r.Done()
}

// sweep removes a page of results at or below the watermark. When none is left
// there, it raises the watermark to the last hour that ended two hours before the
// newest checkpoint, if it has results. So what is removed was below a watermark
// that had been committed before. Any member may ask for it; state alone decides
// what it does. Errors: fault.NotMember, fault.NotDue.
func sweep(tx *ledger.Tx, n *govern.Network) (*Swept, error) {
	if _, err := n.CallingMember(tx); err != nil {
		return nil, err
	}
	end, err := sweptEnd(tx)
	if err != nil {
		return nil, err
	}
	from, err := sweptAfter(tx)
	if err != nil {
		return nil, err
	}
	results, err := tx.Range(from, hourKey(end), sweepPage)
	if err != nil {
		return nil, err
	}
	if len(results) == 0 {
		return raise(tx, from, end)
	}
	for _, r := range results {
		tx.Delete(r.Key)
	}
	last := results[len(results)-1].Key
	tx.Put(sweptAfterKey, canon.NewRecord(sweptAfterType).Fixed([]byte(last)).Bytes())
	return &Swept{end - 1, len(results)}, nil
}

// raise moves the watermark by the checkpoints' clock, for which all members
// vouch, never by the time that the transaction claims.
func raise(tx *ledger.Tx, from string, end uint32) (*Swept, error) {
	head, err := checkpoint.Head(tx)
	if err != nil {
		return nil, err
	}
	notDue := fault.New(fault.NotDue, "no result is %d hours past by the checkpoints' clock", sweepAfter)
	if head == nil || head.Time/3600 < sweepAfter+1 || head.Time > 1<<32-1 {
		return nil, notDue
	}
	hour := uint32(head.Time/3600) - sweepAfter - 1
	if hour < end {
		return nil, notDue
	}
	results, err := tx.Range(from, hourKey(hour+1), 1)
	if err != nil {
		return nil, err
	}
	if len(results) == 0 {
		return nil, notDue
	}
	tx.Put(SweptKey, canon.NewRecord(sweptType).U32(hour).Bytes())
	return &Swept{Hour: hour}, nil
}

// sweptAfter returns the first key that is still to be looked at.
func sweptAfter(tx *ledger.Tx) (string, error) {
	value, err := tx.Get(sweptAfterKey)
	if value == nil || err != nil {
		return resultPrefix, err
	}
	r := canon.OpenRecord(value, sweptAfterType)
	last := r.Rest()
	return string(last) + "\x00", r.Done()
}

// hourKey comes before the keys of an hour's results and after those of earlier
// hours.
func hourKey(hour uint32) string {
	return string(ledger.AppendHex32([]byte(resultPrefix), hour*3600))
}
