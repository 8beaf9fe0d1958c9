package node

import (
	"context"
	"errors"
	"fmt"
	"sort"
	"sync"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/killick-ledger/killick/chaincode/canon"
	"github.com/killick-ledger/killick/chaincode/fault"
	"github.com/killick-ledger/killick/gateway/client"
	"github.com/killick-ledger/killick/gateway/committee"
)

// errDisagree says that gateways answer differently, and that none of their answers is
// that of more than half of all. It passes when one of them was only behind.
var errDisagree = errors.New("the gateways do not agree")

// answer is what a gateway said.
type answer[T any] struct {
	gateway int
	value   T
	err     error
}

// believe asks all gateways at once. It returns what more than half of them say as soon as
// they have; otherwise, once each has answered or was silent for too long, what all who
// answered say. key is the part of an answer in which they have to agree.
func believe[T any](ctx context.Context, n *Node, ask func(context.Context, *client.Client) (T, error), key func(T) ([]byte, error)) (T, error) {
	ctx, cancel := context.WithCancel(ctx)
	answers := make(chan answer[T], len(n.gateways))
	var under sync.WaitGroup
	defer under.Wait()
	defer cancel() // then the others end
	for i, g := range n.gateways {
		under.Go(func() {
			v, err := ask(ctx, g)
			answers <- answer[T]{i, v, err}
		})
	}
	t := &tally[T]{n: n, key: key, said: map[[32]byte][]T{}}
	waits := n.silence.all()
	patience := time.NewTimer(n.patience(waits))
	defer patience.Stop()
	for range n.gateways {
		select {
		case a := <-answers:
			n.silence.heard(a.gateway)
			delete(waits, a.gateway)
			if v, ok := t.add(a); ok {
				return v, nil
			}
			patience.Reset(n.patience(waits))
		case <-patience.C:
			n.silence.missed(waits)
			return t.result()
		case <-ctx.Done():
			var none T
			return none, ctx.Err()
		}
	}
	return t.result()
}

// tally counts answers.
type tally[T any] struct {
	n    *Node
	key  func(T) ([]byte, error)
	said map[[32]byte][]T
	errs []error
}

// add takes an answer, and says whether more than half of all gateways give the same.
func (t *tally[T]) add(a answer[T]) (v T, ok bool) {
	text := []byte(nil)
	if a.err == nil {
		text, a.err = t.key(a.value)
	}
	if a.err != nil {
		t.errs = append(t.errs, fmt.Errorf("%s: %w", t.n.cfg.Gateways[a.gateway], a.err))
		return v, false
	}
	sum := canon.Sum(text)
	t.said[sum] = append(t.said[sum], a.value)
	return a.value, 2*len(t.said[sum]) > len(t.n.gateways)
}

// result is what all who answered say.
func (t *tally[T]) result() (v T, err error) {
	if len(t.said) > 1 {
		t.n.count(func(s *Status) { s.Disagreements++ })
		return v, errDisagree
	}
	for _, same := range t.said {
		return same[0], nil
	}
	return v, errors.Join(append(t.errs, errSilent)...)
}

// errSilent says that no gateway has answered what was asked.
var errSilent = errors.New("no gateway answers")

// silence remembers which gateways did not answer the last time. They are asked as all
// others are, and waited for a tenth as long.
type silence struct {
	mu     sync.Mutex
	silent []bool
}

// all returns the gateways, each with whether it was silent.
func (s *silence) all() map[int]bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	m := map[int]bool{}
	for i, is := range s.silent {
		m[i] = is
	}
	return m
}

func (s *silence) heard(i int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.silent[i] = false
}

func (s *silence) missed(waits map[int]bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := range waits {
		s.silent[i] = true
	}
}

// patience is how long those are waited for that have not answered.
func (n *Node) patience(waits map[int]bool) time.Duration {
	for _, silent := range waits {
		if !silent {
			return n.cfg.Patience
		}
	}
	return n.cfg.Patience / 10
}

// submit hands one signed operation to the gateways, one after the other from the one with
// the number first on, until one says that it is done. Whether it is, the next look at the
// round tells; the same operation counts once, through however many gateways it comes.
func (n *Node) submit(ctx context.Context, jws string, first int) error {
	var errs []error
	silent := n.silence.all()
	order := make([]int, len(n.gateways))
	for k := range order {
		order[k] = (first + k) % len(order)
	}
	sort.SliceStable(order, func(a, b int) bool { return !silent[order[a]] && silent[order[b]] })
	for _, i := range order {
		if err := n.hand(ctx, i, jws); err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", n.cfg.Gateways[i], err))
			continue
		}
		return nil
	}
	return errors.Join(errs...)
}

func (n *Node) hand(ctx context.Context, i int, jws string) error {
	ctx, cancel := context.WithTimeout(ctx, n.cfg.Patience)
	defer cancel()
	_, err := n.gateways[i].Submit(ctx, jws)
	if ctx.Err() != nil {
		n.silence.missed(map[int]bool{i: true})
	}
	return err
}

// round reads how far a job is. The error of one that the ledger does not have is
// fault.NotFound.
func (n *Node) round(ctx context.Context, job string, explain bool) (*client.Round, error) {
	r, err := believe(ctx, n, func(ctx context.Context, g *client.Client) (*client.Round, error) {
		r, err := g.Round(ctx, job, explain)
		if fault.Of(err) == fault.NotFound {
			return new(client.Round), nil // an answer as well
		}
		return r, err
	}, func(r *client.Round) ([]byte, error) { return n.roundKey(r, explain) })
	if err == nil && r.GetId() == "" {
		return nil, fault.New(fault.NotFound, "there is no job %s", job)
	}
	return r, err
}

// roundKey is a round without what differs from gateway to gateway although none of them
// lies: their newest checkpoints, what other verifiers did, licences that changed since.
// What follows from a gateway's own time and licences is there in their place: the round
// that is taken may be that of any gateway among those who agree.
func (n *Node) roundKey(r *client.Round, explain bool) ([]byte, error) {
	c := proto.Clone(r).(*client.Round)
	c.Checkpoint, c.Clock = 0, 0
	if c.Basis != nil {
		c.Basis.Time = 0
	}
	for _, b := range c.GetCommittee().GetBenches() {
		b.Order = nil
		for _, s := range b.GetTaken() {
			if s.GetVerifier() != n.signer.DID() {
				s.Commitment, s.Ballot, s.Salt = "", "", ""
			}
		}
	}
	text, err := proto.MarshalOptions{Deterministic: true}.Marshal(c)
	if err != nil || !explain || r.GetCommittee() == nil {
		return text, err
	}
	return fmt.Append(text, n.follows(r)), nil
}

// follows is what the node would conclude from the parts of an explained round in which
// gateways may differ.
func (n *Node) follows(r *client.Round) string {
	finding := "unreadable"
	if quote, err := canon.UnB64(r.GetEvidence().GetQuote()); err == nil {
		if f, err := found(r, quote); err == nil {
			finding = fmt.Sprint(f.Verdict, f.Reason)
		}
	}
	check, err := committee.Redraw(n.cfg.Network, r)
	return fmt.Sprint(finding, err != nil || check.Result == committee.Differs)
}

// readJob reads what a job asks for.
func (n *Node) readJob(ctx context.Context, job string) (*client.Job, error) {
	return believe(ctx, n, func(ctx context.Context, g *client.Client) (*client.Job, error) {
		return g.Job(ctx, job)
	}, func(j *client.Job) ([]byte, error) {
		c := proto.Clone(j).(*client.Job)
		c.Phase = ""
		return proto.MarshalOptions{Deterministic: true}.Marshal(c)
	})
}

// endpoint is where an operator delivers, by the configuration or its document.
func (n *Node) endpoint(ctx context.Context, did string) (place, error) {
	if named, ok := n.cfg.Operators[did]; ok {
		return place{named, true}, nil
	}
	url, err := believe(ctx, n, func(ctx context.Context, g *client.Client) (string, error) {
		r, err := g.Resolve(ctx, did)
		if fault.Of(err) == fault.NotFound {
			return "", nil
		}
		if err != nil {
			return "", err
		}
		for _, s := range r.GetDidDocument().GetFields()["service"].GetListValue().GetValues() {
			f := s.GetStructValue().GetFields()
			if f["type"].GetStringValue() == enclaveService {
				return f["serviceEndpoint"].GetStringValue(), nil
			}
		}
		return "", nil
	}, func(url string) ([]byte, error) { return []byte(url), nil })
	return place{url, false}, err
}

// left is how long a phase lasts by the checkpoints' clock. That may stand still, or go on
// by up to two heartbeats at once.
func left(r *client.Round) time.Duration {
	if r.GetEnds() <= r.GetClock() {
		return 0
	}
	return time.Duration(r.GetEnds()-r.GetClock()) * time.Second
}
