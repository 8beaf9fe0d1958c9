package campaign_test

import (
	"bytes"
	"strconv"

	"github.com/fbsobreira/gotron-sdk/pkg/proto/api"
	"github.com/fbsobreira/gotron-sdk/pkg/proto/core"

	"github.com/killick-ledger/killick/anchor/contracts"
	"github.com/killick-ledger/killick/anchor/send"
)

func (g *tronGround) holds(in send.Intent, at send.Head) bool {
	return bytes.Equal(g.view(in.To, in.Check, at), in.Want)
}

func (g *tronGround) view(to send.Address, data []byte, at send.Head) []byte {
	g.t.Helper()
	ask := g.full.TriggerConstantContract
	if at == send.Final {
		ask = g.solid.TriggerConstantContract
	}
	out, err := ask(g.t.Context(), &core.TriggerSmartContract{
		OwnerAddress: wireAddress("two"), ContractAddress: append([]byte{0x41}, to[:]...), Data: data})
	if err != nil {
		g.t.Fatal(err)
	}
	return bytes.Join(out.GetConstantResult(), nil)
}

func (g *tronGround) head() contracts.Checkpoint {
	c, err := contracts.UnpackHead(g.view(g.log, contracts.PackHead(), send.Latest))
	if err != nil {
		g.t.Fatal(err)
	}
	return c
}

func (g *tronGround) landed() (all []landing) {
	g.t.Helper()
	head, _ := g.chain.Height()
	for n := range int64(head) + 1 {
		b, err := g.full.GetBlockByNum2(g.t.Context(), &api.NumberMessage{Num: n})
		if err != nil {
			g.t.Fatal(err)
		}
		for _, x := range b.GetTransactions() {
			call := callOfTron(x.GetTransaction())
			c := &core.TriggerSmartContract{}
			if call == "" || x.GetTransaction().GetRawData().GetContract()[0].GetParameter().UnmarshalTo(c) != nil ||
				!bytes.Equal(c.GetOwnerAddress(), wireAddress("ours")) {
				continue
			}
			info, err := g.full.GetTransactionInfoById(g.t.Context(), &api.BytesMessage{Value: x.GetTxid()})
			if err != nil {
				g.t.Fatal(err)
			}
			all = append(all, landing{id: string(x.GetTxid()), call: call, block: uint64(n), hash: b.GetBlockid(),
				ok:   x.GetTransaction().GetRet()[0].GetContractRet() == core.Transaction_Result_SUCCESS,
				cost: uint64(info.GetReceipt().GetEnergyUsageTotal()), fee: strconv.FormatInt(info.GetFee(), 10)})
		}
	}
	return all
}
