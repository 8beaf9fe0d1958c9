package trail

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/killick-ledger/killick/anchor/block"
	"github.com/killick-ledger/killick/anchor/log"
	"github.com/killick-ledger/killick/chaincode/attest"
	"github.com/killick-ledger/killick/chaincode/checkpoint"
	"github.com/killick-ledger/killick/chaincode/did"
	"github.com/killick-ledger/killick/chaincode/govern"
	"github.com/killick-ledger/killick/chaincode/ledger"
	"github.com/killick-ledger/killick/chaincode/record"
)

// ErrNone says that the job is not settled, as far as the source has seen.
var ErrNone = errors.New("the job is not settled")

// Place is where a write is.
type Place struct {
	Block     uint64
	Tx, Write int
}

// Source finds writes of the chaincode and gives blocks out. Its calls may repeat.
type Source interface {
	// Newest returns where the newest write of a key is, of valid transactions in blocks
	// before a number.
	Newest(ctx context.Context, key string, before uint64) (at Place, ok bool, err error)
	Block(ctx context.Context, number uint64) (*block.Block, error)
}

// Plan is what belongs into a trail.
type Plan struct {
	Places     []Place // the settlement's first
	Candidates []byte

	blocks map[uint64]*block.Block // that were read for it
}

// gathering is a plan at work.
type gathering struct {
	ctx    context.Context
	source Source
	blocks map[uint64]*block.Block
	plan   Plan
	had    map[Place]bool
}

// all is before which number all blocks are.
const all = 1 << 62

// Gather finds every write that leads to a job's settlement, and what the ledger has of a
// payee's DID if one is given. Errors: ErrNone, those of the source.
func Gather(ctx context.Context, source Source, job ledger.Reference, payee string) (*Plan, error) {
	g := &gathering{ctx: ctx, source: source, blocks: map[uint64]*block.Block{}, had: map[Place]bool{}}
	if err := g.job(job); err != nil {
		return nil, err
	}
	if payee != "" {
		_, id, err := did.Parse(payee)
		if err != nil {
			return nil, err
		}
		if _, _, err := g.newest(did.Key(id), all); err != nil {
			return nil, err
		}
	}
	g.plan.blocks = g.blocks
	return &g.plan, nil
}

func (g *gathering) block(number uint64) (*block.Block, error) {
	if b := g.blocks[number]; b != nil {
		return b, nil
	}
	b, err := g.source.Block(g.ctx, number)
	if err == nil {
		g.blocks[number] = b
	}
	return b, err
}

func (g *gathering) add(at Place) {
	if !g.had[at] {
		g.had[at] = true
		g.plan.Places = append(g.plan.Places, at)
	}
}

// look returns the newest write of a key, nil when there is none.
func (g *gathering) look(key string, before uint64) (value []byte, at Place, err error) {
	at, ok, err := g.source.Newest(g.ctx, key, before)
	if err != nil || !ok {
		return nil, at, err
	}
	b, err := g.block(at.Block)
	if err != nil {
		return nil, at, err
	}
	if at.Tx >= len(b.Txs) || at.Write >= len(b.Txs[at.Tx].Writes) {
		return nil, at, fmt.Errorf("block %d has no such write of %s", at.Block, key)
	}
	return b.Txs[at.Tx].Writes[at.Write].Value, at, nil
}

// newest takes a write that has to be there into the plan.
func (g *gathering) newest(key string, before uint64) ([]byte, Place, error) {
	value, at, err := g.look(key, before)
	if err == nil && value == nil {
		err = fmt.Errorf("there is no %s", key)
	}
	if err == nil {
		g.add(at)
	}
	return value, at, err
}

func (g *gathering) job(ref ledger.Reference) error {
	name := ref.String()
	value, at, err := g.look(attest.SettlementKey(name), all)
	if err == nil && value == nil {
		err = ErrNone
	}
	if err != nil {
		return err
	}
	g.add(at)
	s, err := attest.DecodeSettlement(value)
	if err != nil {
		return err
	}
	r, err := g.beside(at, name, s)
	if err != nil {
		return err
	}
	if value, at, err = g.newest(attest.JobKey(name), all); err != nil {
		return err
	}
	j, err := attest.DecodeJob(value)
	if err != nil {
		return err
	}
	if err := g.lines(j, at.Block+1); err != nil {
		return err
	}
	if r.Draw == 0 {
		return nil
	}
	if _, _, err := g.newest(attest.EvidenceKey(name), all); err != nil {
		return err
	}
	if s.Seats == 0 {
		return nil
	}
	if s.Reason == attest.TwoOutputs {
		if _, _, err := g.newest(attest.RivalKey(name), all); err != nil {
			return err
		}
	}
	return g.round(name, r)
}

// beside takes what the settlement's transaction wrote besides: the round and the postings.
func (g *gathering) beside(at Place, job string, s *attest.Settlement) (*attest.Round, error) {
	b, err := g.block(at.Block)
	if err != nil {
		return nil, err
	}
	var r *attest.Round
	posts := "post/" + ledger.Hex64(s.Epoch) + "/"
	for i, w := range b.Txs[at.Tx].Writes {
		if w.Namespace != log.Namespace || w.Private || w.Delete != block.Put {
			continue
		}
		switch key := string(w.Key); {
		case key == attest.RoundKey(job):
			if r, err = attest.DecodeRound(w.Value); err != nil {
				return nil, err
			}
		case strings.HasPrefix(key, posts) && strings.Split(key, "/")[3] == s.Asset:
		default:
			continue
		}
		g.add(Place{at.Block, at.Tx, i})
	}
	if r == nil {
		return nil, fmt.Errorf("the transaction of the settlement closed no round")
	}
	return r, nil
}

// lines takes grants and records as they were when the job was opened.
func (g *gathering) lines(j *attest.Job, before uint64) error {
	for i := range j.Lines {
		l := &j.Lines[i]
		if _, _, err := g.newest("grant/"+l.Grant.String(), before); err != nil {
			return err
		}
		// An amendment may have come in the same block, after the job.
		for until := before; ; {
			value, at, err := g.look("record/"+l.Record.String(), until)
			if err == nil && value == nil {
				err = fmt.Errorf("there is no version %d of record %s", l.Version, l.Record)
			}
			if err != nil {
				return err
			}
			v, err := record.Decode(l.Record, value)
			if err != nil {
				return err
			}
			if v.Version == l.Version {
				g.add(at)
				break
			}
			until = at.Block
		}
	}
	return nil
}

// round takes draw, committee, licences and ballots.
func (g *gathering) round(job string, r *attest.Round) error {
	if _, _, err := g.newest(checkpoint.DrawKey(r.Draw), all); err != nil {
		return err
	}
	value, at, err := g.newest(attest.CommitteeKey(job), all)
	if err != nil {
		return err
	}
	c, err := attest.DecodeCommittee(value)
	if err != nil {
		return err
	}
	if err := g.candidates(c, r, at.Block+1); err != nil {
		return err
	}
	for _, s := range c.Seats {
		for _, key := range []string{attest.BallotKey(job, s.Verifier), attest.RevealKey(job, s.Verifier)} {
			value, at, err := g.look(key, all)
			if err != nil {
				return err
			}
			if value != nil {
				g.add(at)
			}
		}
	}
	return nil
}

// candidates lists who could be drawn: with a licence from before, and on duty.
func (g *gathering) candidates(c *attest.Drawn, r *attest.Round, before uint64) error {
	value, _, err := g.newest(govern.LicencesKey, before)
	if err != nil {
		return err
	}
	licences, err := govern.Licences(over(govern.LicencesKey, value))
	if err != nil {
		return err
	}
	key := checkpoint.NumberKey(c.Checkpoint)
	if value, _, err = g.look(key, all); err != nil {
		return err
	}
	clock, err := checkpoint.At(over(key, value), c.Checkpoint)
	if err != nil {
		return err
	}
	for i := range licences {
		if licences[i].Epoch >= r.Epoch {
			continue
		}
		holder, err := licences[i].Holder()
		if err != nil {
			return err
		}
		stood, _, err := g.look(attest.StandingKey(holder), before)
		if err != nil {
			return err
		}
		var standing *attest.Standing
		if stood != nil {
			if standing, err = attest.DecodeStanding(stood); err != nil {
				return err
			}
		}
		if standing.OnDuty(clock.Elapsed) {
			g.plan.Candidates = append(g.plan.Candidates, holder[:]...)
		}
	}
	return nil
}

// Last is the newest block of the plan: a checkpoint that covers it covers all.
func (p *Plan) Last() (last uint64) {
	for _, at := range p.Places {
		last = max(last, at.Block)
	}
	return last
}

// Payout is what a trail that begins with a payout has besides.
type Payout struct {
	Root       Place
	Proof      *log.PayoutProof
	Disclosure []byte
}

// Build makes the trail of a plan under the checkpoint of e.
func (p *Plan) Build(ctx context.Context, source Source, l *log.Log, e log.Evidence, payout *Payout) (*log.Trail, error) {
	g := &gathering{ctx: ctx, source: source, blocks: p.blocks}
	t := &log.Trail{Candidates: p.Candidates}
	link := func(at Place, e log.Evidence) error {
		b, err := g.block(at.Block)
		if err != nil {
			return err
		}
		made, err := l.Build(b, at.Tx, at.Write, e)
		if err == nil {
			t.Links = append(t.Links, made)
		}
		return err
	}
	if payout != nil {
		t.Disclosure = payout.Disclosure
		with := e
		with.Payout = payout.Proof
		if err := link(payout.Root, with); err != nil {
			return nil, err
		}
	}
	for _, at := range p.Places {
		if err := link(at, e); err != nil {
			return nil, err
		}
	}
	t.Sort()
	return t, nil
}
