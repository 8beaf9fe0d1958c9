package fabric

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/hyperledger/fabric-protos-go-apiv2/common"
	"github.com/hyperledger/fabric-protos-go-apiv2/peer"
	"google.golang.org/protobuf/proto"
)

const (
	// hedgeAfter is how long a peer may take before another one is asked as well.
	hedgeAfter = 3 * time.Second
	// rounds is how often all peers are asked before a difference counts as one:
	// peers that are a block apart read different versions of the same key.
	rounds     = 4
	roundPause = 100 * time.Millisecond
)

// Transaction is one change of the ledger, on its way. It is used by one goroutine
// at a time.
type Transaction struct {
	client   *Client
	proposal *proposal
	envelope *common.Envelope
	offered  bool // some orderer may have it
	payload  []byte
	dispute  *Dispute
}

// Prepare makes a transaction whose id is known before anything is sent.
func (c *Client) Prepare(function string, args ...[]byte) (*Transaction, error) {
	return c.PrepareWith(nil, function, args...)
}

// PrepareWith is Prepare with transient data, which go to the peers that endorse and
// into no block.
func (c *Client) PrepareWith(transient map[string][]byte, function string, args ...[]byte) (*Transaction, error) {
	p, err := c.propose(c.cfg.Channel, c.cfg.Chaincode, function, args, transient)
	if err != nil {
		return nil, fmt.Errorf("fabric: %w", err)
	}
	return &Transaction{client: c, proposal: p}, nil
}

// ID is the transaction's id on the ledger.
func (t *Transaction) ID() string { return t.proposal.txID }

// Payload is what the chaincode returned; it is set once Endorse succeeded.
func (t *Transaction) Payload() []byte { return t.payload }

// Envelope is the endorsed and signed transaction as orderers take it, encoded;
// nil before Endorse succeeded.
func (t *Transaction) Envelope() ([]byte, error) { return proto.Marshal(t.envelope) }

// Dispute is set when organisations differed in Endorse, whether or not enough of
// them agreed in the end.
func (t *Transaction) Dispute() *Dispute { return t.dispute }

// Endorse has the transaction run by as many organisations as the configuration
// asks for, until they agree byte for byte. Nothing has happened when it fails, and
// it may be called again. It returns *Refused, *Diverged or *Unavailable, or the
// context's error.
func (t *Transaction) Endorse(ctx context.Context) error {
	for round := 1; ; round++ {
		err := t.endorse(ctx)
		var d *Diverged
		if err == nil || !errors.As(err, &d) || round == rounds {
			return err
		}
		select {
		case <-time.After(time.Duration(round) * t.client.pace.round):
		case <-ctx.Done():
			return err
		}
	}
}

// answer is what one peer said.
type answer struct {
	from     *remote
	response *peer.ProposalResponse
	refused  *Refused
	err      error
}

// ask runs a proposal on one peer.
func (c *Client) ask(ctx context.Context, r *remote, p *proposal) answer {
	response, err := r.endorser.ProcessProposal(ctx, p.signed)
	if err != nil {
		if ctx.Err() == nil {
			r.failed()
		}
		return answer{from: r, err: err}
	}
	status, message := response.GetResponse().GetStatus(), cut(response.GetResponse().GetMessage())
	switch {
	case status >= 400 && strings.HasPrefix(message, "error in simulation"),
		status >= 400 && strings.HasPrefix(message, "error validating"):
		// The peer could not run the chaincode: its service is down or hangs.
		r.failed()
		return answer{from: r, err: errors.New(message)}
	case status >= 400:
		r.worked()
		return answer{from: r, refused: &Refused{Organisation: r.MSPID, Status: status, Message: message}}
	}
	r.worked()
	return answer{from: r, response: response}
}

// maxText bounds what is kept of a node's words, in bytes: they end up in logs and
// alarms, and a node may say as much as fits into a message.
const maxText = 1024

func cut(text string) string {
	if len(text) <= maxText {
		return text
	}
	return strings.ToValidUTF8(text[:maxText], "") + "..."
}

// askToEndorse runs a proposal on one peer and checks its signature.
func (c *Client) askToEndorse(ctx context.Context, r *remote, p *proposal) answer {
	a := c.ask(ctx, r, p)
	if a.response != nil {
		if err := r.identity.check(a.response); err != nil {
			r.failed()
			return answer{from: r, err: err}
		}
	}
	return a
}

// endorse asks peers until enough of them agree, each organisation once.
func (t *Transaction) endorse(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel() // stops the calls that are no longer needed

	queue := t.client.inOrder()
	answers := make(chan answer, len(queue))
	pending := 0
	next := func() {
		if len(queue) > 0 {
			r := queue[0]
			queue = queue[1:]
			pending++
			go func() { answers <- t.client.askToEndorse(ctx, r, t.proposal) }()
		}
	}
	need := t.client.cfg.Endorsements
	for range need {
		next()
	}
	b := ballot{need: need, agreed: map[string][]answer{}, refused: map[string][]answer{}}
	hedge := time.NewTicker(t.client.pace.hedge)
	defer hedge.Stop()
	for pending > 0 {
		select {
		case a := <-answers:
			pending--
			b.add(a)
			if group := b.winner(); group != nil {
				t.note(b.dispute(t.ID(), group))
				return t.accept(group)
			}
			if r := b.refusal(); r != nil {
				return r
			}
			for pending < b.missing() && len(queue) > 0 {
				next()
			}
		case <-hedge.C:
			next()
		case <-ctx.Done():
			return fmt.Errorf("endorse transaction %s: %w", t.ID(), ctx.Err())
		}
	}
	t.note(b.dispute(t.ID(), nil))
	return b.failure(t.ID())
}

// note keeps a dispute; one of an earlier round stays when a later one had none.
func (t *Transaction) note(d *Dispute) {
	if d != nil {
		t.dispute = d
	}
}

func (t *Transaction) accept(group []answer) error {
	result := group[0].response.GetPayload()
	var endorsements []*peer.Endorsement
	for _, a := range group {
		endorsements = append(endorsements, a.response.GetEndorsement())
	}
	payload, err := returned(result)
	if err != nil {
		return fmt.Errorf("transaction %s: %w", t.ID(), err)
	}
	envelope, err := t.client.transaction(t.proposal, result, endorsements)
	if err != nil {
		return fmt.Errorf("transaction %s: %w", t.ID(), err)
	}
	t.payload, t.envelope = payload, envelope
	return nil
}

// ballot counts what organisations answered.
type ballot struct {
	need     int
	agreed   map[string][]answer // by result bytes
	refused  map[string][]answer // by what they say it is for
	failures []answer
}

func (b *ballot) add(a answer) {
	switch {
	case a.err != nil:
		b.failures = append(b.failures, a)
	case a.refused != nil:
		key := a.refused.reason()
		b.refused[key] = append(b.refused[key], a)
	default:
		key := string(a.response.GetPayload())
		b.agreed[key] = append(b.agreed[key], a)
	}
}

func (b *ballot) winner() []answer {
	for _, group := range b.agreed {
		if len(group) >= b.need {
			return group
		}
	}
	return nil
}

// refusal is the refusal that enough organisations share; one alone could lie about
// whether to refuse, and about why.
func (b *ballot) refusal() error {
	for _, group := range b.refused {
		if len(group) >= b.need {
			return group[0].refused
		}
	}
	return nil
}

// missing is how many further answers it takes at least.
func (b *ballot) missing() int {
	most := 0
	for _, kind := range []map[string][]answer{b.agreed, b.refused} {
		for _, group := range kind {
			most = max(most, len(group))
		}
	}
	return b.need - most
}

func (b *ballot) failure(txID string) error {
	said := map[string]string{}
	for _, a := range b.failures {
		said[a.from.MSPID] = cut(a.err.Error())
	}
	for _, group := range b.refused {
		for _, a := range group {
			said[a.from.MSPID] = "refused: " + a.refused.Message
		}
	}
	for result, group := range b.agreed {
		sum := sha256.Sum256([]byte(result))
		for _, a := range group {
			said[a.from.MSPID] = hex.EncodeToString(sum[:8])
		}
	}
	if b.dispute(txID, nil) != nil {
		return &Diverged{TxID: txID, Results: said}
	}
	return &Unavailable{Need: b.need, Got: len(said) - len(b.failures), Causes: said}
}
