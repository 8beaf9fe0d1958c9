package observe

import (
	"context"
	"fmt"

	"github.com/hyperledger/fabric-protos-go-apiv2/common"
	"github.com/killick-ledger/killick/anchor/block"
	"github.com/killick-ledger/killick/chaincode/canon"
	"github.com/killick-ledger/killick/chaincode/fault"
	"github.com/killick-ledger/killick/chaincode/ops"
	"github.com/killick-ledger/killick/network/fabric"
	"github.com/killick-ledger/killick/network/topology"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
)

// Decode reads a block as the auditor's decoder does.
func Decode(raw *common.Block) (*block.Block, error) {
	data, err := proto.Marshal(raw)
	if err != nil {
		return nil, err
	}
	return block.Decode(data)
}

// Block reads one block.
func Block(ctx context.Context, from *fabric.Client, number uint64) (*block.Block, error) {
	raw, err := from.Block(ctx, number)
	if err != nil {
		return nil, err
	}
	return Decode(raw)
}

// Result is a result of an operation as a block holds it.
type Result struct {
	Code  fault.Code
	Tx    string
	Block uint64
}

// Found is what a valid transaction of operations wrote.
type Found struct {
	ID     string // of the operation, 64 hex digits; empty when Key is no result
	Result Result
	Key    string
	Read   *ops.Result // nil when Key is no result
}

// Results passes every write that valid transactions of signed operations made in
// a block.
func Results(b *block.Block, use func(Found)) error {
	for _, tx := range b.Txs {
		if !OfOperations(tx) {
			continue
		}
		for _, w := range tx.Writes {
			if w.Namespace != topology.Chaincode {
				continue
			}
			f := Found{Key: string(w.Key)}
			if w.Delete != block.Put {
				use(f)
				continue
			}
			r, ok, err := ops.DecodeResult(string(w.Key), w.Value)
			if err != nil {
				return fmt.Errorf("block %d, %s: %w", b.Number, w.Key, err)
			}
			if ok {
				f.ID, f.Read = canon.Hex(r.Reference.ID[:]), r
				f.Result = Result{r.Code, tx.ID, b.Number}
			}
			use(f)
		}
	}
	return nil
}

// OfOperations says whether a transaction is a valid one that carries signed
// operations.
func OfOperations(tx block.Tx) bool {
	if tx.Code != block.CodeValid || tx.Chaincode != topology.Chaincode || len(tx.Args) == 0 {
		return false
	}
	f := string(tx.Args[0])
	return f == "ops:Batch" || f == "ops:Apply"
}

// Leader finds the BFT orderer that led when a block was made: the one that the
// block's view names. Leaders do not rotate, and orderers are numbered as members
// are.
func Leader(b *block.Block, orgs []topology.Org) (name string, view uint64) {
	// OrdererBlockMetadata.consenter_metadata holds SmartBFT's ViewMetadata, whose
	// first field is the view.
	if metadata, ok := field(b.Orderers.Value, 2); ok {
		if v, ok := field(metadata, 1); ok {
			view, _ = protowire.ConsumeVarint(v)
		}
	}
	return orgs[int(view)%len(orgs)].Orderers()[0].Name, view
}

// field finds a field of a message: the content of bytes, or a varint as it is
// encoded.
func field(message []byte, number protowire.Number) ([]byte, bool) {
	for len(message) > 0 {
		got, kind, size := protowire.ConsumeTag(message)
		if size < 0 {
			return nil, false
		}
		message = message[size:]
		if size = protowire.ConsumeFieldValue(got, kind, message); size < 0 {
			return nil, false
		}
		if got == number {
			if kind != protowire.BytesType {
				return message[:size], true
			}
			content, size := protowire.ConsumeBytes(message)
			return content, size >= 0
		}
		message = message[size:]
	}
	return nil, false
}
