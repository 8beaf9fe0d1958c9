package client

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/killick-ledger/killick/gateway/api/killickv1"
)

// The question and the answers about what moved an account's money.
type (
	GetStatement    = killickv1.GetStatementRequest
	StatementPage   = killickv1.StatementPage
	StatementLine   = killickv1.StatementLine
	StatementTotals = killickv1.StatementTotals
	MoneyEntry      = killickv1.MoneyEntry
)

// Statement lists what moved a DID's money of an asset, with running totals.
func (c *Client) Statement(ctx context.Context, q *GetStatement) (*StatementPage, error) {
	v, err := c.api.GetStatement(ctx, q)
	return v, refusal(err)
}

// Money reads the ledger of money as of one block, which it returns. A stream that is cut
// off, or changes the block, is an error. The answer is the gateway's word.
func (c *Client) Money(ctx context.Context, minBlock uint64, take func(*MoneyEntry) error) (block uint64, err error) {
	stream, err := c.api.ReadMoney(ctx, &killickv1.ReadMoneyRequest{MinBlock: minBlock})
	if err != nil {
		return 0, refusal(err)
	}
	for begun, last := false, ""; ; begun = true {
		page, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			return 0, errors.New("the gateway cut the ledger of money off")
		}
		if err != nil {
			return 0, refusal(err)
		}
		if begun && page.GetBlock() != block {
			return 0, fmt.Errorf("the gateway sent blocks %d and %d in one answer", block, page.GetBlock())
		}
		block = page.GetBlock()
		for _, e := range page.GetEntries() {
			if e.GetKey() <= last || len(e.GetValue()) == 0 {
				return 0, fmt.Errorf("the gateway sent %.100q behind %.100q, or nothing under it", e.GetKey(), last)
			}
			last = e.GetKey()
			if err := take(e); err != nil {
				return 0, err
			}
		}
		if page.GetLast() {
			return block, nil
		}
	}
}
