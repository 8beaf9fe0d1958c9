package block

import (
	"crypto/ecdsa"
	"crypto/sha256"
	"encoding/asn1"
	"encoding/hex"
	"fmt"
	"math/big"
	"sync"
)

// maxIdentities bounds the certificates that Members remembers.
const maxIdentities = 4096

// Members are the organisations whose members may sign transactions of a channel, from
// the block after a configuration block on. Safe for concurrent use.
type Members struct {
	of Organisations

	mu    sync.Mutex
	known map[string]identity // by serialized identity: parsing one costs as much as a signature
}

type identity struct {
	msp string
	key *ecdsa.PublicKey
	err error
}

// Members returns the organisations of the application that a configuration block
// names; ok is false for other blocks.
func (b *Block) Members() (m *Members, ok bool, err error) {
	if len(b.Txs) != 1 || b.Txs[0].Type != TypeConfig || b.Txs[0].Code != CodeValid {
		return nil, false, nil
	}
	t := b.Txs[0]
	config, err := t.headers()
	groups, organisations := entries{}, entries{}
	if err == nil {
		err = into(config, sink{1: toMessage(nil, sink{2: toMessage(nil, sink{2: groups.add})})})
	}
	if err == nil {
		err = into(groups["Application"], sink{2: organisations.add})
	}
	m = &Members{known: map[string]identity{}}
	if err == nil {
		m.of, err = organisationsOf(organisations)
	}
	if err != nil {
		return nil, true, fmt.Errorf("application of the configuration in block %d: %w", b.Number, err)
	}
	return m, true, nil
}

// key returns organisation and key of a serialized identity.
func (m *Members) key(serialized []byte) (string, *ecdsa.PublicKey, error) {
	m.mu.Lock()
	id, ok := m.known[string(serialized)]
	m.mu.Unlock()
	if !ok {
		id.err = into(serialized, sink{1: toString(&id.msp)})
		if id.err == nil {
			id.key, id.err = m.of.key(serialized)
		}
		m.mu.Lock()
		if len(m.known) >= maxIdentities {
			clear(m.known)
		}
		m.known[string(serialized)] = id
		m.mu.Unlock()
	}
	return id.msp, id.key, id.err
}

// Check verifies what a peer verified before it marked a transaction valid: that the id
// is that of nonce and creator, that the creator is a member of one of the organisations
// and signed the envelope, that the endorsed proposal is the one that was sent, and that
// at least want organisations' endorsements match. Certificates are taken whatever their
// dates. It does not evaluate the chaincode's endorsement policy, roles in an
// organisation, or versions of keys. Invalid and configuration transactions pass: the
// first have no effect, the second are the orderers' word.
func (m *Members) Check(t *Tx, want int) error {
	if t.Code != CodeValid || t.Type != TypeEndorser {
		return nil
	}
	e, err := t.endorsed()
	if err != nil {
		return err
	}
	sum := sha256.New()
	sum.Write(t.Nonce)
	sum.Write(t.Creator)
	if id := hex.EncodeToString(sum.Sum(nil)); id != t.ID {
		return fmt.Errorf("id is %s, nonce and creator give %s", t.ID, id)
	}
	_, key, err := m.key(t.Creator)
	if err != nil {
		return fmt.Errorf("creator: %w", err)
	}
	if digest := sha256.Sum256(e.payload); !matches(key, digest[:], e.signature) {
		return fmt.Errorf("the creator's signature does not match")
	}
	sum.Reset()
	sum.Write(e.channel)
	sum.Write(e.header)
	sum.Write(e.proposal)
	if got := sum.Sum(nil); string(got) != string(e.proposalHash) {
		return fmt.Errorf("endorsed proposal %x, the transaction carries %x", e.proposalHash, got)
	}
	by := map[string]bool{}
	var last error
	for _, raw := range e.endorsements {
		msp, err := m.endorsement(raw, e.response)
		if err != nil {
			last = err
			continue
		}
		by[msp] = true
	}
	if len(by) < want {
		err := fmt.Errorf("endorsed by %d organisations, want %d", len(by), want)
		if last != nil {
			err = fmt.Errorf("%w: %w", err, last)
		}
		return err
	}
	return nil
}

// endorsement verifies one Endorsement and returns its organisation.
func (m *Members) endorsement(msg, response []byte) (msp string, err error) {
	var endorser, signature []byte
	if err := into(msg, sink{1: toBytes(&endorser), 2: toBytes(&signature)}); err != nil {
		return "", fmt.Errorf("endorsement: %w", err)
	}
	msp, key, err := m.key(endorser)
	if err != nil {
		return "", fmt.Errorf("endorser: %w", err)
	}
	h := sha256.New()
	h.Write(response)
	h.Write(endorser)
	if !matches(key, h.Sum(nil), signature) {
		return "", fmt.Errorf("the endorsement of %s does not match", msp)
	}
	return msp, nil
}

// signedParts are the bytes of an envelope that signatures cover.
type signedParts struct {
	payload, signature []byte // of the envelope
	channel, header    []byte // of the payload's header
	proposal, response []byte
	proposalHash       []byte
	endorsements       [][]byte
}

// endorsed walks a valid transaction again for what only signatures need.
func (t *Tx) endorsed() (signedParts, error) {
	var e signedParts
	var data, action []byte
	if err := into(t.Envelope, sink{1: toBytes(&e.payload), 2: toBytes(&e.signature)}); err != nil {
		return e, err
	}
	header := sink{1: toBytes(&e.channel), 2: toBytes(&e.header)}
	if err := into(e.payload, sink{1: toMessage(nil, header), 2: toBytes(&data)}); err != nil {
		return e, err
	}
	if err := into(data, sink{1: toBytes(&action)}); err != nil {
		return e, err
	}
	var content []byte
	if err := into(action, sink{2: toBytes(&content)}); err != nil {
		return e, err
	}
	endorsed := sink{1: toBytes(&e.response), 2: toList(&e.endorsements)}
	if err := into(content, sink{1: toBytes(&e.proposal), 2: toMessage(nil, endorsed)}); err != nil {
		return e, err
	}
	return e, into(e.response, sink{1: toBytes(&e.proposalHash)})
}

// matches verifies an ECDSA signature over a digest. Fabric refuses a high s.
func matches(key *ecdsa.PublicKey, digest, signature []byte) bool {
	var rs struct{ R, S *big.Int }
	if rest, err := asn1.Unmarshal(signature, &rs); err != nil || len(rest) != 0 {
		return false
	}
	half := new(big.Int).Rsh(key.Curve.Params().N, 1)
	return rs.S.Sign() > 0 && rs.S.Cmp(half) <= 0 && ecdsa.VerifyASN1(key, digest, signature)
}
