package blocktest

import (
	"bytes"
	"crypto/rand"
	"crypto/sha256"

	"github.com/hyperledger/fabric-protos-go-apiv2/common"
	"github.com/hyperledger/fabric-protos-go-apiv2/ledger/rwset"
	"github.com/hyperledger/fabric-protos-go-apiv2/peer"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/killick-ledger/killick/anchor/block"
	"github.com/killick-ledger/killick/chaincode/canon"
)

const channelName = "main"

// Call is a call of a chaincode and what came out of it.
type Call struct {
	Nonce     []byte // nil: Envelope takes a new one
	Chaincode string
	Args      [][]byte
	Claimed   uint64 // time, in seconds
	Extension []byte // of the header; nil names the chaincode
	Payload   []byte // of the proposal; nil is the arguments
	Sets      []*rwset.NsReadWriteSet
	Answer    []byte
}

// Envelope is the call as a transaction of a client, endorsed by peers of members. The same
// nonce gives the same id.
func (c *Call) Envelope(by *Identity, endorsers ...*Member) []byte {
	if c.Nonce == nil {
		c.Nonce = make([]byte, 24)
		_, _ = rand.Read(c.Nonce) // never fails
	}
	id := sha256.Sum256(append(c.Nonce[:24:24], by.Serialized...))
	header := &common.Header{
		ChannelHeader: Wire(&common.ChannelHeader{
			Type: int32(common.HeaderType_ENDORSER_TRANSACTION), ChannelId: channelName, TxId: canon.Hex(id[:]),
			Timestamp: &timestamppb.Timestamp{Seconds: int64(c.Claimed)},
			Extension: or(c.Extension, Wire(&peer.ChaincodeHeaderExtension{ChaincodeId: &peer.ChaincodeID{Name: c.Chaincode}})),
		}),
		SignatureHeader: Wire(&common.SignatureHeader{Creator: by.Serialized, Nonce: c.Nonce}),
	}
	proposal := or(c.Payload, Wire(&peer.ChaincodeProposalPayload{Input: Wire(&peer.ChaincodeInvocationSpec{ChaincodeSpec: &peer.ChaincodeSpec{
		Input: &peer.ChaincodeInput{Args: c.Args},
	}})}))
	hash := sha256.Sum256(append(append(append([]byte{}, header.ChannelHeader...), header.SignatureHeader...), proposal...))
	response := Wire(&peer.ProposalResponsePayload{ProposalHash: hash[:], Extension: Wire(&peer.ChaincodeAction{
		Results: Wire(&rwset.TxReadWriteSet{NsRwset: c.Sets}), Response: &peer.Response{Status: 200, Payload: c.Answer},
		ChaincodeId: &peer.ChaincodeID{Name: c.Chaincode, Version: "1"},
	})})
	action := &peer.ChaincodeEndorsedAction{ProposalResponsePayload: response}
	for _, m := range endorsers {
		action.Endorsements = append(action.Endorsements, &peer.Endorsement{Endorser: m.Peer.Serialized, Signature: m.Peer.Sign(response, m.Peer.Serialized)})
	}
	content := Wire(&peer.ChaincodeActionPayload{ChaincodeProposalPayload: proposal, Action: action})
	payload := Wire(&common.Payload{Header: header, Data: Wire(&peer.Transaction{Actions: []*peer.TransactionAction{{Header: header.SignatureHeader, Payload: content}}})})
	return Wire(&common.Envelope{Payload: payload, Signature: by.Sign(payload)})
}

func or(given, usual []byte) []byte {
	if given != nil {
		return given
	}
	return usual
}

// Block is the block after another, or the first after none, with these validation codes.
// The orderers, which are the first of the configuration, sign any but the first.
func Block(last *block.Block, codes []byte, orderers []*Member, envelopes ...[]byte) *common.Block {
	sum := sha256.Sum256(bytes.Join(envelopes, nil))
	b := &common.Block{
		Header:   &common.BlockHeader{DataHash: sum[:]},
		Data:     &common.BlockData{Data: envelopes},
		Metadata: &common.BlockMetadata{Metadata: [][]byte{nil, nil, codes, nil, nil}},
	}
	if last == nil {
		return b
	}
	b.Header.Number, b.Header.PreviousHash = last.Number+1, last.HeaderHash[:]
	unsigned := Must(block.Decode(Wire(b)))
	m := &common.Metadata{Value: Wire(&common.OrdererBlockMetadata{LastConfig: &common.LastConfig{}})}
	for i, o := range orderers {
		id := Wire(&common.IdentifierHeader{Identifier: uint32(i + 1)})
		m.Signatures = append(m.Signatures, &common.MetadataSignature{IdentifierHeader: id, Signature: o.Peer.Sign(m.Value, id, unsigned.Header)})
	}
	b.Metadata.Metadata[0] = Wire(m)
	return b
}
