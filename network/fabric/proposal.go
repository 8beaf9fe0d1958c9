package fabric

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"slices"

	"github.com/hyperledger/fabric-protos-go-apiv2/common"
	"github.com/hyperledger/fabric-protos-go-apiv2/peer"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"
)

// proposal is a signed request to run a chaincode function.
type proposal struct {
	txID    string
	header  *common.Header
	payload []byte // ChaincodeProposalPayload without transient data
	signed  *peer.SignedProposal
}

// nonceSize is what Fabric's own clients use.
const nonceSize = 24

// propose builds and signs a proposal. An empty channel is for the peer's own
// system chaincode. transient goes to those who run the chaincode, and into no
// transaction.
func (c *Client) propose(channel, chaincode, function string, args [][]byte, transient map[string][]byte) (*proposal, error) {
	nonce := make([]byte, nonceSize)
	if _, err := rand.Read(nonce); err != nil {
		return nil, fmt.Errorf("draw nonce: %w", err)
	}
	sum := sha256.Sum256(append(slices.Clone(nonce), c.creator...))
	p := &proposal{txID: hex.EncodeToString(sum[:])}

	id := &peer.ChaincodeID{Name: chaincode}
	var e encoder
	extension := e.encode(&peer.ChaincodeHeaderExtension{ChaincodeId: id})
	p.header = &common.Header{
		ChannelHeader: e.encode(&common.ChannelHeader{
			Type: int32(common.HeaderType_ENDORSER_TRANSACTION), TxId: p.txID, Timestamp: timestamppb.Now(),
			ChannelId: channel, Extension: extension,
		}),
		SignatureHeader: e.encode(&common.SignatureHeader{Creator: c.creator, Nonce: nonce}),
	}
	input := &peer.ChaincodeInput{Args: append([][]byte{[]byte(function)}, args...)}
	payload := &peer.ChaincodeProposalPayload{
		Input: e.encode(&peer.ChaincodeInvocationSpec{ChaincodeSpec: &peer.ChaincodeSpec{
			Type: peer.ChaincodeSpec_GOLANG, ChaincodeId: id, Input: input,
		}}),
	}
	p.payload = e.encode(payload)
	payload.TransientMap = transient
	body := e.encode(&peer.Proposal{Header: e.encode(p.header), Payload: e.encode(payload)})
	if e.err != nil {
		return nil, fmt.Errorf("encode proposal: %w", e.err)
	}
	signature, err := c.sign(body)
	if err != nil {
		return nil, fmt.Errorf("sign proposal: %w", err)
	}
	p.signed = &peer.SignedProposal{ProposalBytes: body, Signature: signature}
	return p, nil
}

// transaction makes the signed envelope that carries endorsements to the orderers.
func (c *Client) transaction(p *proposal, result []byte, endorsements []*peer.Endorsement) (*common.Envelope, error) {
	var e encoder
	action := e.encode(&peer.ChaincodeActionPayload{
		ChaincodeProposalPayload: p.payload,
		Action:                   &peer.ChaincodeEndorsedAction{ProposalResponsePayload: result, Endorsements: endorsements},
	})
	data := e.encode(&peer.Transaction{Actions: []*peer.TransactionAction{{Header: p.header.GetSignatureHeader(), Payload: action}}})
	payload := e.encode(&common.Payload{Header: p.header, Data: data})
	if e.err != nil {
		return nil, fmt.Errorf("encode transaction: %w", e.err)
	}
	return c.envelope(payload)
}

func (c *Client) envelope(payload []byte) (*common.Envelope, error) {
	signature, err := c.sign(payload)
	if err != nil {
		return nil, fmt.Errorf("sign envelope: %w", err)
	}
	return &common.Envelope{Payload: payload, Signature: signature}, nil
}

// encoder keeps the first error of a series of encodings.
type encoder struct{ err error }

func (e *encoder) encode(m proto.Message) []byte {
	b, err := proto.Marshal(m)
	if err != nil && e.err == nil {
		e.err = err
	}
	return b
}

// returned extracts the chaincode's own response from an endorsed result. It is
// taken from there, and not from the peer's reply, because only this one is what
// organisations agreed on.
func returned(result []byte) ([]byte, error) {
	var prp peer.ProposalResponsePayload
	if err := proto.Unmarshal(result, &prp); err != nil {
		return nil, fmt.Errorf("decode endorsed result: %w", err)
	}
	var action peer.ChaincodeAction
	if err := proto.Unmarshal(prp.GetExtension(), &action); err != nil {
		return nil, fmt.Errorf("decode chaincode action: %w", err)
	}
	return action.GetResponse().GetPayload(), nil
}

func sortedKeys(m map[string]string) []string { return slices.Sorted(maps.Keys(m)) }
