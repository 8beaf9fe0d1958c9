package campaign_test

import (
	"fmt"
	"math/big"
	"slices"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"

	"github.com/killick-ledger/killick/anchor/contracts"
	"github.com/killick-ledger/killick/anchor/send"
)

// scene is a fault that hits one payment, with the number of transactions that it
// takes; 0 when that does not matter.
type scene struct {
	name     string
	attempts int
	play     func(p *play, in send.Intent)
}

// scenes plays each with a payment and a journal of its own on one ground; without
// -each 1 every third.
func scenes(t *testing.T, g ground, all []scene) {
	for n, s := range all {
		if *every > 1 && n%3 != 0 {
			continue
		}
		t.Run(s.name, func(t *testing.T) {
			p := newPlay(t, g)
			in := payment(g, 1000+n)
			p.plan(in)
			s.play(p, in)
			p.sound()
			if st := p.status(in); !st.Phase.Done() || s.attempts > 0 && len(st.Tries) != s.attempts {
				t.Errorf("%s after %d attempts, want %d: %s", st.Phase, len(st.Tries), s.attempts, tries(st))
			}
			g.ledger().turn(g.landed())
		})
	}
}

// on has all wires do something to some methods.
func on(kind fault, methods ...string) func(int, string) fault {
	return func(_ int, method string) fault {
		if slices.Contains(methods, method) {
			return kind
		}
		return none
	}
}

// TestReorgs: the transaction's block is left, once it is as deep as one can be.
func TestReorgs(t *testing.T) {
	t.Parallel()
	for name, g := range map[string]ground{"evm": newEVM(t, 1), "tron": newTron(t, true)} {
		var all []scene
		for _, how := range []string{"moved", "dropped", "replaced"} {
			for depth := 1; depth <= 2; depth++ {
				all = append(all, scene{fmt.Sprintf("%s %s, %d blocks", name, how, depth), 0, func(p *play, in send.Intent) {
					p.rounds(depth)
					p.step()
					if st := p.status(in); st.Phase != send.PhaseMined {
						t.Errorf("it is %s", st.Phase)
					}
					g.reorg(how, depth)
					p.step()
				}})
			}
		}
		scenes(t, g, all)
	}
}

// TestEVMFaults is the list of what happens to transactions on an EVM chain.
func TestEVMFaults(t *testing.T) {
	t.Parallel()
	g := newEVM(t, 1)
	const broadcast = "eth_sendRawTransaction"
	lookUps := []string{"eth_getTransactionReceipt", "eth_getTransactionByHash"}
	scenes(t, g, []scene{
		{"base fee ten times as high", 0, func(p *play, in send.Intent) {
			p.step()
			for range 6 {
				g.spike(4)
				p.step()
			}
			st := p.status(in)
			if len(st.Tries) < 3 || st.Tries[len(st.Tries)-1].Nonce != st.Tries[0].Nonce {
				t.Errorf("not outbid: %s", tries(st))
			}
		}},
		{"broadcast/not done", 1, func(p *play, _ send.Intent) { p.rule(on(refused, broadcast)); p.rounds(3) }},
		{"broadcast/done", 1, func(p *play, _ send.Intent) { p.rule(on(lost, broadcast)); p.rounds(3) }},
		{"already known", 1, func(p *play, _ send.Intent) {
			p.rule(on(empty, lookUps...))
			for range 4 {
				p.step()
				g.block(false)
			}
		}},
		{"nonce too low after own success", 1, func(p *play, _ send.Intent) {
			p.step()
			g.block(true)
			p.rule(func(_ int, method string) fault { // neither contract nor receipt show it yet
				if method == "eth_call" {
					return wrong
				}
				return on(empty, lookUps...)(0, method)
			})
			p.rounds(3)
		}},
		{"pool forgets", 1, func(p *play, _ send.Intent) { p.step(); g.forget(); p.rounds(2) }},
		{"replacement underpriced", 2, func(p *play, _ send.Intent) { g.foreign(false); p.step(); g.block(true) }},
		{"foreign transaction before ours is forgotten", 1, func(p *play, _ send.Intent) { g.foreign(false); p.step(); g.forget() }},
		{"foreign transaction takes our nonce", 2, func(p *play, _ send.Intent) {
			p.step()
			g.foreign(false)
			g.block(true)
		}},
		{"nonce gap of a foreign transaction", 1, func(p *play, _ send.Intent) { g.foreign(true); p.rounds(2) }},
		{"fails in a block", 2, func(p *play, _ send.Intent) {
			p.step()
			g.setback(0)
			g.block(true)
			p.step()
			g.heal()
			g.block(true)
		}},
		{"fails in a block that is left", 1, func(p *play, _ send.Intent) {
			p.step()
			g.setback(0)
			g.block(true)
			p.step()
			g.reorg("dropped", 1)
		}},
		{"insufficient funds", 1, func(p *play, in send.Intent) {
			g.coins("ours", "two")
			p.rounds(2)
			if st := p.status(in); len(st.Tries) != 0 {
				t.Errorf("sent without money: %s", tries(st))
			}
			g.coins("two", "ours")
		}},
	})
}

// coins moves almost all of an account's money.
func (g *evmGround) coins(from, to string) {
	g.t.Helper()
	balance, err := g.api.BalanceAt(g.t.Context(), addressOf(from), nil)
	if err != nil {
		g.t.Fatal(err)
	}
	nonce, err := g.api.NonceAt(g.t.Context(), addressOf(from), nil)
	if err != nil {
		g.t.Fatal(err)
	}
	g.outbid()
	id, at := big.NewInt(1337), addressOf(to)
	base := g.n.Head().BaseFee
	price := new(big.Int).Add(new(big.Int).Add(base, new(big.Int).Rsh(base, 3)), new(big.Int).Add(g.tip, common.Big1)) // it rises by an eighth at most
	tx := types.MustSignNewTx(keyOf(from), types.LatestSignerForChainID(id), &types.DynamicFeeTx{ChainID: id, Nonce: nonce, To: &at,
		Gas: 21_000, GasFeeCap: price, GasTipCap: g.tip, Value: new(big.Int).Sub(balance, new(big.Int).Mul(price, big.NewInt(21_000)))})
	g.own[string(tx.Hash().Bytes())] = true
	if err := g.api.SendTransaction(g.t.Context(), tx); err != nil {
		g.t.Fatal(err)
	}
	g.block(true)
}

// TestTronFaults is the list for Tron.
func TestTronFaults(t *testing.T) {
	t.Parallel()
	g := newTron(t, true)
	const broadcast = "BroadcastTransaction"
	lookUps := []string{"GetTransactionInfoById", "GetTransactionById", "GetTransactionFromPending"}
	scenes(t, g, []scene{
		{"broadcast/not done", 1, func(p *play, _ send.Intent) { p.rule(on(refused, broadcast)); p.rounds(3) }},
		{"broadcast/done", 1, func(p *play, _ send.Intent) { p.rule(on(lost, broadcast)); p.rounds(3) }},
		{"expiry in a partition/not done", 2, func(p *play, _ send.Intent) { p.rule(on(refused, broadcast)); p.rounds(20) }},
		{"expiry in a partition/done", 1, func(p *play, _ send.Intent) {
			p.rule(func(_ int, method string) fault {
				if method == broadcast {
					return lost
				}
				return on(stale, append(lookUps, "TriggerConstantContract")...)(0, method)
			})
			p.rounds(11) // it has expired, and nobody says that it is there
		}},
		{"duplicate of what was forgotten", 2, func(p *play, _ send.Intent) { p.step(); g.forget(); p.rounds(2) }},
		{"duplicate of what is in a block", 1, func(p *play, _ send.Intent) {
			p.step()
			g.block(true)
			p.rule(on(empty, lookUps...))
			p.rounds(3)
		}},
		{"fork before the broadcast", 1, func(p *play, _ send.Intent) {
			p.rule(on(refused, broadcast))
			p.step()
			g.reorg("moved", g.depth()) // the block it refers to is solidified
			p.rule(healthy)
		}},
		{"out of energy in a block", 2, func(p *play, _ send.Intent) { p.step(); g.setback(1); p.step(); g.heal(); g.block(true) }},
		{"reverted in a block", 2, func(p *play, _ send.Intent) { p.step(); g.setback(0); p.step(); g.heal(); g.block(true) }},
		{"fails in a block that is left", 1, func(p *play, _ send.Intent) {
			p.step()
			g.setback(0)
			p.step()
			g.reorg("replaced", 1) // there it comes without what made it fail
		}},
		{"too little for energy and bandwidth", 1, func(p *play, in send.Intent) {
			g.setback(1)
			p.rounds(2)
			if st := p.status(in); len(st.Tries) != 0 {
				t.Errorf("sent without money: %s", tries(st))
			}
			g.heal()
			g.block(true)
		}},
		{"never in a block", 2, func(p *play, _ send.Intent) {
			for range 15 {
				p.step()
				g.block(false)
			}
		}},
	})
}

// TestClocks sets the sender's clock off by a day, forth and back, at each step.
func TestClocks(t *testing.T) {
	t.Parallel()
	for name, g := range map[string]ground{"evm": newEVM(t, 1), "tron": newTron(t, false)} {
		var all []scene
		for _, skew := range []time.Duration{24 * time.Hour, -24 * time.Hour} {
			for at := range 4 {
				all = append(all, scene{fmt.Sprintf("%s %v at step %d", name, skew, at), 0, func(p *play, _ send.Intent) {
					p.rule(on(refused, "eth_sendRawTransaction", "BroadcastTransaction"))
					p.rounds(at)
					p.skew = skew
					p.rounds(2)
					p.rule(healthy)
					p.rounds(1)
					p.skew = 0
				}})
			}
		}
		scenes(t, g, all)
	}
}

// A contract that refuses its payee, as one may that keeps a list of blocked ones, gets
// nothing sent, and nothing is paid.
func TestContractRefuses(t *testing.T) {
	t.Parallel()
	for name, g := range map[string]ground{"evm": newEVM(t, 1), "tron": newTron(t, false)} {
		t.Run(name, func(t *testing.T) {
			p := newPlay(t, g)
			token, _ := g.contracts()
			in := send.Intent{ID: "refused", To: token, Data: contracts.PackTransfer(common.Address{}, big.NewInt(1)),
				Check: contracts.PackBalanceOf([20]byte{}), Want: contracts.True()}
			p.plan(in)
			p.rounds(20)
			alarms, err := p.s.Alarms(t.Context())
			if st := p.status(in); len(st.Tries) != 0 || err != nil || len(alarms) == 0 {
				t.Errorf("%d attempts, alarms %q, %v", len(st.Tries), alarms, err)
			}
		})
	}
}
