package main

import (
	"context"
	"encoding/base64"
	"errors"
	"time"

	"github.com/killick-ledger/killick/anchor/block"
	"github.com/killick-ledger/killick/anchor/log"
	"github.com/killick-ledger/killick/chaincode/canon"
	"github.com/killick-ledger/killick/chaincode/govern"
	mem "github.com/killick-ledger/killick/chaincode/ledger"
)

var errIll = errors.New("no answer came")

// fails draws how a call fails: without an effect, or in spite of it.
func (rw *randomWorld) fails() (not, though error) {
	switch d := rw.r.Float64(); {
	case d < rw.ill/2:
		return errIll, nil
	case d < rw.ill:
		return nil, errIll
	}
	return nil, nil
}

// illLedger is a member's way to the ledger with what is the matter with its organisation
// and with others.
type illLedger struct {
	*fakeMember
	rw *randomWorld
	o  *organisation
}

func (l *illLedger) Height(ctx context.Context) (uint64, error) {
	if l.o.away {
		return 0, errIll
	}
	return l.fakeMember.Height(ctx)
}

func (l *illLedger) Block(ctx context.Context, number uint64) (*block.Block, error) {
	if l.o.away {
		return nil, errIll
	}
	return l.fakeMember.Block(ctx, number)
}

func (l *illLedger) Evaluate(ctx context.Context, msp, function string, args ...[]byte) ([]byte, error) {
	of := l.rw.orgs[msp]
	if of.away || of.bad == "silent" {
		return nil, errIll
	}
	if of.lies && function == "checkpoint:Head" {
		return []byte(`{"number":99,"size":1000000,"root":"` + canon.Hex(make([]byte, 32)) + `","time":1,"elapsed":0,"signers":[]}`), nil
	}
	if not, though := l.rw.fails(); not != nil || though != nil {
		return nil, errIll
	}
	return l.fakeMember.Evaluate(ctx, msp, function, args...)
}

func (l *illLedger) Execute(ctx context.Context, function string, args ...[]byte) ([]byte, error) {
	if function == "checkpoint:Cosign" {
		var c struct {
			Size uint64
			Root string
			Time int64
		}
		decodeJSON(l.w.t, args[0], &c)
		l.rw.tried = append(l.rw.tried, cosigned{l.o.msp, c.Size, c.Root, time.Unix(c.Time, 0).Sub(l.now())})
	}
	not, though := l.rw.fails()
	if not != nil || l.rw.ordered == "not" {
		return nil, errIll
	}
	answer, err := l.fakeMember.Execute(ctx, function, args...)
	if err == nil && (though != nil || l.rw.ordered == "though") {
		return nil, errIll
	}
	return answer, err
}

// sets are the member sets that are or were in force on the ledger.
func (rw *randomWorld) sets() (all log.Sets) {
	rw.t.Helper()
	n := rw.inForce()
	for v := uint64(1); v <= n.SetVersion; v++ {
		s := govern.Set{Version: 1, From: 1, K: n.K, Members: n.Members}
		value, err := rw.store.Get("rotation/" + mem.Hex64(v))
		if err != nil {
			rw.t.Fatal(err)
		}
		if value != nil {
			var r govern.Rotation
			decodeJSON(rw.t, value, &r)
			s = r.Set
		}
		var members []log.Member
		for _, m := range s.Members {
			members = append(members, log.Member{MSP: m.MSP, Cosign: m.Cosign, Address: m.Address})
		}
		set, err := log.NewSet(network, rw.blocks[0].HeaderHash, s.Version, s.From, uint64(s.K), members)
		if err != nil {
			rw.t.Fatal(err)
		}
		all = append(all, set)
	}
	return all
}

// waits reports whether a member set waits for signatures.
func (rw *randomWorld) waits() bool {
	value, err := rw.store.Get(govern.NextSetKey)
	if err != nil {
		rw.t.Fatal(err)
	}
	return value != nil
}

// sign makes the signatures of an organisation under a set; ok is false when it is not in it.
func (rw *randomWorld) sign(o *organisation, set *log.Set, c log.Checkpoint) (s log.Cosignature, ok bool) {
	rw.ours = true
	defer func() { rw.ours = false }()
	if placeIn(set, o.msp) < 0 {
		return s, false
	}
	for _, k := range o.keys {
		in, err := k.in(set)
		if err != nil {
			continue
		}
		if s, err = in.sign(context.Background(), set, c); err != nil {
			rw.t.Fatal(err)
		}
		return s, true
	}
	rw.t.Fatalf("%s has no keys of set %d", o.msp, set.Version)
	return s, false
}

// signed makes the signatures of K members of a set over a checkpoint, whoever they are.
func (rw *randomWorld) signed(set *log.Set, size uint64, root [32]byte, at uint64) (log.Checkpoint, []log.Cosignature) {
	c := log.Checkpoint{Network: network, LogID: rw.blocks[0].HeaderHash, Size: size, Root: root, Time: at}
	var all []log.Cosignature
	for _, i := range rw.r.Perm(len(set.Members))[:set.K] {
		s, _ := rw.sign(rw.orgs[set.Members[i].MSP], set, c)
		all = append(all, s)
	}
	return c, all
}

// attack has a hostile organisation do something; the ledger may refuse it.
func (rw *randomWorld) attack(o *organisation) {
	sets := rw.sets()
	set, head := sets[len(sets)-1], rw.head()
	size := head.Size + 1 + rw.r.Uint64N(uint64(len(rw.blocks))-head.Size+1)
	at, root := rw.now, canon.Sum([]byte(rw.now.String()))
	switch rw.r.IntN(5) {
	case 0:
		size = 1 << 40
	case 1: // another root
	default:
		if size = min(size, uint64(len(rw.blocks))); size <= head.Size {
			return
		}
		root = rw.root(size)
		at = at.Add([]time.Duration{0, 29 * time.Second, time.Hour, -time.Hour}[rw.r.IntN(4)])
	}
	c := log.Checkpoint{Network: network, LogID: rw.blocks[0].HeaderHash, Size: size, Root: root, Time: uint64(at.Unix())}
	s, ok := rw.sign(o, set, c)
	if !ok {
		return
	}
	_ = rw.execute(o.msp, "checkpoint:Cosign", map[string]any{
		"size": size, "root": canon.Hex(root[:]), "time": c.Time,
		"ed25519": base64.StdEncoding.EncodeToString(s.Ed25519[:]), "secp256k1": base64.StdEncoding.EncodeToString(s.Secp256k1[:]),
	})
}
