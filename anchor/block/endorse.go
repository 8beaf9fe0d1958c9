package block

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"
)

// Members are the organisations of a channel, as a configuration block names them. Safe
// for concurrent use.
type Members struct {
	Peers Organisations // whose peers endorse
	all   Organisations // whose members create transactions: those besides that order or are anonymous
}

// Enough is how many of those with peers must endorse so that, when at most a third may
// lie, one honest organisation ran the transaction: f + 1 with f = (n - 1) / 3.
func (m Members) Enough() int { return (len(m.Peers)-1)/3 + 1 }

// Members returns who endorses from the block after a configuration block on.
func (b *Block) Members() (Members, error) {
	if len(b.Txs) != 1 || b.Txs[0].Type != TypeConfig || b.Txs[0].Code != CodeValid {
		return Members{}, fmt.Errorf("block %d is no configuration block", b.Number)
	}
	t := b.Txs[0]
	config, err := t.headers()
	if err != nil {
		return Members{}, fmt.Errorf("configuration in block %d: %w", b.Number, err)
	}
	m, err := membersIn(config)
	if err != nil {
		return Members{}, fmt.Errorf("configuration in block %d: %w", b.Number, err)
	}
	return m, nil
}

func membersIn(config []byte) (m Members, err error) {
	groups, values, organisations, orderers := entries{}, entries{}, entries{}, entries{}
	err = into(config, sink{1: toMessage(nil, sink{2: toMessage(nil, sink{2: groups.add, 3: values.add})})})
	if err == nil {
		err = into(groups["Application"], sink{2: organisations.add})
	}
	if err == nil {
		err = into(groups["Orderer"], sink{2: orderers.add})
	}
	var modern bool
	if err == nil {
		modern, err = hasV3(values)
	}
	if err == nil {
		m.Peers, err = membersOf(organisations, modern)
	}
	m.all = slices.Clone(m.Peers)
	m.Peers = slices.DeleteFunc(m.Peers, func(o Organisation) bool { return o.anonymous })
	if err == nil && len(m.Peers) == 0 {
		err = fmt.Errorf("no organisation has peers")
	}
	if err != nil {
		return m, err
	}
	// Fabric takes transactions of any organisation of the channel (checkSignatureFromCreator).
	others, err := membersOf(orderers, modern)
	for _, o := range others {
		if !slices.ContainsFunc(m.all, func(p Organisation) bool { return p.MSP == o.MSP }) {
			m.all = append(m.all, o)
		}
	}
	return m, err
}

// Endorsers returns the MSP ids, ascending and each once, of the members whose peers
// signed the transaction's result. An endorsement counts when it is by a certificate
// of the member's authorities with the role of a peer, over the bytes of the result
// that the block holds, and when that result answers the proposal in the block.
// Which of them are enough is decided by policies that a block does not hold.
func (m Members) Endorsers(t *Tx) ([]string, error) {
	if t.Type != TypeEndorser {
		return nil, fmt.Errorf("transaction %d is of type %d, which nobody endorses", t.Index, t.Type)
	}
	e, err := t.endorsed()
	if err != nil {
		return nil, fmt.Errorf("transaction %d: %w", t.Index, err)
	}
	out, _ := m.endorsers(e)
	return out, nil
}

// Check verifies what a peer verified before it marked a transaction valid: that the id
// is that of nonce and creator, that the creator is of one of the organisations and signed the
// envelope, that the endorsed result answers the proposal that was sent, and that the
// peers of at least want members endorsed it, as Endorsers counts them. Certificates are
// taken whatever their dates. It does not evaluate the chaincode's endorsement policy,
// the creator's role, or versions of keys. ErrUnchecked says that nothing is wrong, and
// that the creator is anonymous. Invalid and configuration transactions pass:
// the first have no effect, the second are the orderers' word.
func (m Members) Check(t *Tx, want int) error {
	if t.Code != CodeValid || t.Type != TypeEndorser {
		return nil
	}
	e, err := t.endorsed()
	if err != nil {
		return err
	}
	if id := computedID(t.Nonce, t.Creator); id != t.ID {
		return fmt.Errorf("id is %s, nonce and creator give %s", t.ID, id)
	}
	creator, err := m.all.identify(t.Creator)
	if err != nil {
		err = fmt.Errorf("creator: %w", err)
	} else if !signedBy(creator.key, creator.hash, e.signature, e.payload) {
		err = fmt.Errorf("the creator's signature does not match")
	}
	if err != nil && !errors.Is(err, ErrUnchecked) {
		return err
	}
	by, last := m.endorsers(e)
	if len(by) >= want {
		return err
	}
	err = fmt.Errorf("endorsed by %d organisations, want %d", len(by), want)
	if last != nil {
		err = fmt.Errorf("%w: %w", err, last)
	}
	return err
}

// endorsers returns whose endorsements count, and why the last one that does not count
// does not; nil when all do.
func (m Members) endorsers(e endorsement) (by []string, last error) {
	for _, msg := range e.endorsements {
		switch msp, err := m.endorser(msg, e.response); {
		case err != nil:
			last = err
		case !slices.Contains(by, msp):
			by = append(by, msp)
		}
	}
	slices.Sort(by)
	return by, last
}

// endorser verifies an Endorsement of a result and returns its member.
func (m Members) endorser(msg, response []byte) (msp string, err error) {
	var endorser, signature []byte
	if err := into(msg, sink{1: toBytes(&endorser), 2: toBytes(&signature)}); err != nil {
		return "", fmt.Errorf("endorsement: %w", err)
	}
	by, err := m.Peers.identify(endorser)
	switch {
	case err != nil:
		return "", fmt.Errorf("endorser: %w", err)
	case !by.roles.has(rolePeer):
		return "", fmt.Errorf("endorser: certificate of %s is no peer's", by.msp)
	case !signedBy(by.key, by.hash, signature, response, endorser):
		return "", fmt.Errorf("the endorsement of %s does not match", by.msp)
	}
	return by.msp, nil
}

// endorsement is what creator and peers of a transaction signed.
type endorsement struct {
	payload, signature []byte // of the envelope
	header             []byte // of the action
	response           []byte // ProposalResponsePayload
	endorsements       [][]byte
}

// endorsed reads TransactionAction.payload, a ChaincodeActionPayload, of the one action,
// and fails when its result answers another proposal than its own.
func (t *Tx) endorsed() (endorsement, error) {
	var e endorsement
	var transaction, channel []byte
	if err := into(t.Envelope, sink{1: toBytes(&e.payload), 2: toBytes(&e.signature)}); err != nil {
		return e, err
	}
	err := into(e.payload, sink{1: toMessage(nil, sink{1: toBytes(&channel)}), 2: toBytes(&transaction)})
	if err != nil {
		return e, err
	}
	var actions [][]byte
	if err := into(transaction, sink{1: toList(&actions)}); err != nil {
		return e, err
	}
	if len(actions) != 1 {
		return e, fmt.Errorf("%d actions", len(actions))
	}
	var action, proposal, hash []byte
	if err := into(actions[0], sink{1: toBytes(&e.header), 2: toBytes(&action)}); err != nil {
		return e, err
	}
	signed := sink{1: toBytes(&e.response), 2: toList(&e.endorsements)}
	if err := into(action, sink{1: toBytes(&proposal), 2: toMessage(nil, signed)}); err != nil {
		return e, err
	}
	if err := into(e.response, sink{1: toBytes(&hash)}); err != nil {
		return e, err
	}
	if len(hash) != 32 {
		return e, fmt.Errorf("proposal hash of %d bytes", len(hash))
	}
	// As protoutil.GetProposalHash2: the channel's header, the action's, which is that
	// of the proposal, and the proposal's payload without what is transient.
	h := sha256.New()
	h.Write(channel)
	h.Write(e.header)
	h.Write(proposal)
	if !bytes.Equal(h.Sum(nil), hash) {
		return e, fmt.Errorf("the endorsed result answers another proposal")
	}
	return e, nil
}
