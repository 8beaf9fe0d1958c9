package block

import (
	"crypto/ecdsa"
	"crypto/sha256"
	"crypto/x509"
	"fmt"
	"slices"
)

// Members are the organisations of a channel whose peers endorse, as a configuration
// block names them.
type Members []Organisation

// Enough is how many of them must endorse so that, when at most a third may lie, one
// honest organisation ran the transaction: f + 1 with f = (n - 1) / 3.
func (m Members) Enough() int { return (len(m)-1)/3 + 1 }

// Members returns who endorses from the block after a configuration block on.
func (b *Block) Members() (Members, error) {
	if len(b.Txs) != 1 || b.Txs[0].Type != TypeConfig || b.Txs[0].Code != CodeValid {
		return nil, fmt.Errorf("block %d is no configuration block", b.Number)
	}
	t := b.Txs[0]
	config, err := t.headers()
	if err != nil {
		return nil, fmt.Errorf("configuration in block %d: %w", b.Number, err)
	}
	groups, organisations := entries{}, entries{}
	err = into(config, sink{1: toMessage(nil, sink{2: toMessage(nil, sink{2: groups.add})})})
	if err == nil {
		err = into(groups["Application"], sink{2: organisations.add})
	}
	if err != nil {
		return nil, fmt.Errorf("configuration in block %d: %w", b.Number, err)
	}
	members, err := membersOf(organisations)
	if err == nil && len(members) == 0 {
		err = fmt.Errorf("no organisation has peers")
	}
	if err != nil {
		return nil, fmt.Errorf("configuration in block %d: %w", b.Number, err)
	}
	return Members(members), nil
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
	if e.proposalHash != e.wantHash {
		return nil, fmt.Errorf("transaction %d: the endorsed result answers another proposal", t.Index)
	}
	var out []string
	for _, msg := range e.endorsements {
		var endorser, signature []byte
		if err := into(msg, sink{1: toBytes(&endorser), 2: toBytes(&signature)}); err != nil {
			continue
		}
		msp, key, err := m.peer(endorser)
		if err != nil || !signedBy(key, signature, e.response, endorser) || slices.Contains(out, msp) {
			continue
		}
		out = append(out, msp)
	}
	slices.Sort(out)
	return out, nil
}

// peer is the key of a serialized identity that is a member's peer.
func (m Members) peer(creator []byte) (msp string, key *ecdsa.PublicKey, err error) {
	o, cert, err := Organisations(m).issuer(creator)
	if err != nil {
		return "", nil, err
	}
	key, ok := cert.PublicKey.(*ecdsa.PublicKey)
	if !ok || !o.hasPeer(cert) {
		return "", nil, fmt.Errorf("certificate of %s is no peer's", o.MSP)
	}
	return o.MSP, key, nil
}

// hasPeer reports whether a certificate has the role of a peer. An organisation
// without roles has no peer that counts.
func (o Organisation) hasPeer(cert *x509.Certificate) bool {
	return o.PeerUnit != "" && slices.Contains(cert.Subject.OrganizationalUnit, o.PeerUnit)
}

// endorsement is what the peers of a transaction signed.
type endorsement struct {
	response               []byte // ProposalResponsePayload
	endorsements           [][]byte
	proposalHash, wantHash [32]byte // as endorsed, and of the block's own proposal
}

// endorsed reads TransactionAction.payload, a ChaincodeActionPayload, of the one action.
func (t *Tx) endorsed() (endorsement, error) {
	var e endorsement
	var payload, transaction, channel []byte
	if err := into(t.Envelope, sink{1: toBytes(&payload)}); err != nil {
		return e, err
	}
	err := into(payload, sink{1: toMessage(nil, sink{1: toBytes(&channel)}), 2: toBytes(&transaction)})
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
	var header, action, proposal, hash []byte
	if err := into(actions[0], sink{1: toBytes(&header), 2: toBytes(&action)}); err != nil {
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
	e.proposalHash = [32]byte(hash)
	// As protoutil.GetProposalHash2: the channel's header, the action's, which is that
	// of the proposal, and the proposal's payload without what is transient.
	h := sha256.New()
	h.Write(channel)
	h.Write(header)
	h.Write(proposal)
	e.wantHash = [32]byte(h.Sum(nil))
	return e, nil
}
