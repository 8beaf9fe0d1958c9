package main

import (
	"context"
	"errors"
	"fmt"
	"strconv"

	"github.com/killick-ledger/killick/anchor/block"
	"github.com/killick-ledger/killick/chaincode/fault"
	"github.com/killick-ledger/killick/chaincode/govern"
	"github.com/killick-ledger/killick/chaincode/ledger"
	"github.com/killick-ledger/killick/chaincode/reward"
	"github.com/killick-ledger/killick/network/fabric"
	"github.com/killick-ledger/killick/network/topology"
	"github.com/killick-ledger/killick/scripts/observe"
	"github.com/killick-ledger/killick/scripts/reconcile"
	"golang.org/x/sync/errgroup"
)

// chain is what the blocks say: every result, and the state that the valid
// transactions wrote, made again from nothing.
type chain struct {
	results reconcile.Ledger
	state   ledger.Memory
	paid    map[ledger.ID]int64 // by who paid, from the results of payments
	credits map[ledger.ID]int64 // by payee
	blocks  uint64
	txs     int // of signed operations
	void    map[uint8]int
	tip     [32]byte
	wrong   []string
}

// print of a block is what must be the same at every peer.
type print struct {
	header [32]byte
	commit [32]byte
}

// readChains reads the blocks of every peer, compares each block's hash and commit
// hash, and takes results and state from the first peer's.
func (w *world) readChains(ctx context.Context, height uint64) (*chain, error) {
	c := &chain{results: reconcile.Ledger{}, paid: map[ledger.ID]int64{}, credits: map[ledger.ID]int64{}, void: map[uint8]int{}, blocks: height}
	prints := make([][]print, len(w.Own))
	g, ctx := errgroup.WithContext(ctx)
	for i, peer := range w.Own {
		g.Go(func() error {
			return eachBlock(ctx, peer, height, func(b *block.Block) error {
				// Only block 0, which no peer committed, has no commit hash.
				if len(b.CommitHash) != 32 && b.Number > 0 {
					return fmt.Errorf("block %d of %s has no commit hash", b.Number, w.Cluster.Orgs()[i].Name)
				}
				p := print{header: b.HeaderHash}
				copy(p.commit[:], b.CommitHash)
				prints[i] = append(prints[i], p)
				if i == 0 {
					return c.take(b)
				}
				return nil
			})
		})
	}
	if err := g.Wait(); err != nil {
		return nil, err
	}
	for i := range prints {
		for n := range prints[0] {
			if prints[i][n] != prints[0][n] {
				c.wrong = append(c.wrong, fmt.Sprintf("block %d: %s has hash %x and commit hash %x, %s has %x and %x", n,
					w.Cluster.Orgs()[i].Name, prints[i][n].header, prints[i][n].commit,
					w.Cluster.Orgs()[0].Name, prints[0][n].header, prints[0][n].commit))
				break // those after it follow from it
			}
		}
	}
	c.tip = prints[0][height-1].commit
	return c, nil
}

func eachBlock(ctx context.Context, peer *fabric.Client, height uint64, use func(*block.Block) error) error {
	for raw, err := range peer.Blocks(ctx, 0) {
		if err != nil {
			return err
		}
		b, err := observe.Decode(raw)
		if err != nil {
			return err
		}
		if err := use(b); err != nil {
			return err
		}
		if b.Number+1 == height {
			return nil
		}
	}
	return errors.New("the blocks ended")
}

// take enters a block.
func (c *chain) take(b *block.Block) error {
	for _, tx := range b.Txs {
		if tx.Type == block.TypeEndorser && tx.Code != block.CodeValid {
			c.void[tx.Code]++
		}
		if observe.OfOperations(tx) {
			c.txs++
		}
		for _, w := range tx.Writes {
			if w.Namespace != topology.Chaincode || w.Private {
				continue
			}
			var err error
			if w.Delete == block.Put {
				err = c.state.Put(string(w.Key), w.Value)
			} else {
				err = c.state.Delete(string(w.Key))
			}
			if err != nil {
				return fmt.Errorf("block %d: %w", b.Number, err)
			}
		}
	}
	return observe.Results(b, func(f observe.Found) {
		if f.Read == nil {
			return
		}
		c.results[f.ID] = append(c.results[f.ID], f.Result)
		if f.Read.Postings == nil || f.Result.Code != fault.OK {
			return
		}
		for _, line := range f.Read.Postings.Lines {
			c.paid[f.Read.Actor] += int64(line.Amount)
			c.credits[line.Payee] += int64(line.Amount)
		}
	})
}

// maxAccounts is how many payees' accounts are compared one by one; the audit covers
// all together.
const maxAccounts = 300

// money compares, for each account, what the blocks' payments add up to with the
// state made from the blocks and with what a gateway says, and audits the whole
// reward ledger. It returns what does not hold.
func (w *world) money(ctx context.Context, c *chain) (wrong []string, err error) {
	tx := ledger.Begin(&c.state, 0, ledger.Caller{})
	n, err := govern.Load(tx)
	if err != nil {
		return nil, err
	}
	if err := reward.Audit(tx, n); err != nil {
		wrong = append(wrong, "audit of the state that the blocks make: "+err.Error())
	}
	account := func(id ledger.ID, did string, want int64, credited int64) error {
		v, err := (&reward.BalanceQuery{DID: did, Asset: asset}).Answer(tx, n)
		if err != nil {
			return err
		}
		due := v.Pending.Add(v.Due).Plus(v.Assigned).String()
		if int64(v.Balance) != want || due != strconv.FormatInt(credited, 10) {
			wrong = append(wrong, fmt.Sprintf("account %s: the blocks' payments leave %d and credit %d, the state has %d and %s", did, want, credited, v.Balance, due))
		}
		return nil
	}
	for _, a := range w.accounts {
		id, err := ledger.ParseID(a.DID()[len("did:killick:"+w.Cluster.Network+":"):])
		if err != nil {
			return nil, err
		}
		left := funds - c.paid[id]
		if err := account(id, a.DID(), left, c.credits[id]); err != nil {
			return nil, err
		}
		said, err := w.doors[0].grpc.Balance(ctx, a.DID(), asset)
		if err != nil {
			return nil, err
		}
		if said.GetBalance() != strconv.FormatInt(left, 10) {
			wrong = append(wrong, fmt.Sprintf("account %s: the blocks' payments leave %d, %s says %s", a.DID(), left, w.doors[0].name, said.GetBalance()))
		}
		delete(c.paid, id)
	}
	for id := range c.paid {
		wrong = append(wrong, fmt.Sprintf("%s paid %d and was never funded", id, c.paid[id]))
	}
	count := 0
	for id, credited := range c.credits {
		if count++; count > maxAccounts {
			break
		}
		if err := account(id, "did:killick:"+w.Cluster.Network+":"+id.String(), 0, credited); err != nil {
			return nil, err
		}
	}
	return wrong, nil
}
