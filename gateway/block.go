package main

import (
	"fmt"

	"github.com/hyperledger/fabric-protos-go-apiv2/common"
	"github.com/hyperledger/fabric-protos-go-apiv2/ledger/rwset"
	"github.com/hyperledger/fabric-protos-go-apiv2/ledger/rwset/kvrwset"
	"github.com/hyperledger/fabric-protos-go-apiv2/peer"
	"github.com/killick-ledger/killick/gateway/submit"
	"google.golang.org/protobuf/proto"
)

// decode takes from a block what submit and events need: for each endorsed
// transaction its id and whether it is valid, and of valid ones what the chaincode
// was called with, answered and wrote. What cannot be decoded inside an invalid
// transaction is of no interest: anybody may put bytes into a block.
func decode(block *common.Block, chaincode string) (submit.Block, error) {
	b := submit.Block{Number: block.GetHeader().GetNumber()}
	metadata := block.GetMetadata().GetMetadata()
	var flags []byte
	if i := int(common.BlockMetadataIndex_TRANSACTIONS_FILTER); i < len(metadata) {
		flags = metadata[i]
	}
	for i, data := range block.GetData().GetData() {
		header, body, err := open(data)
		if err != nil || header.GetType() != int32(common.HeaderType_ENDORSER_TRANSACTION) {
			continue
		}
		if i >= len(flags) {
			return b, fmt.Errorf("block %d has %d validation codes for transaction %d", b.Number, len(flags), i)
		}
		code := peer.TxValidationCode(flags[i])
		tx := submit.Committed{ID: header.GetTxId(), Index: uint32(i), Valid: code == peer.TxValidationCode_VALID, Reason: code.String()}
		if tx.Valid {
			tx.Time = uint64(max(0, header.GetTimestamp().GetSeconds()))
			if err = action(&tx, body, chaincode); err != nil {
				return b, fmt.Errorf("block %d, transaction %s: %w", b.Number, tx.ID, err)
			}
		}
		b.Transactions = append(b.Transactions, tx)
	}
	return b, nil
}

func open(data []byte) (*common.ChannelHeader, []byte, error) {
	var envelope common.Envelope
	var payload common.Payload
	header := new(common.ChannelHeader)
	if err := proto.Unmarshal(data, &envelope); err != nil {
		return nil, nil, err
	}
	if err := proto.Unmarshal(envelope.GetPayload(), &payload); err != nil {
		return nil, nil, err
	}
	return header, payload.GetData(), proto.Unmarshal(payload.GetHeader().GetChannelHeader(), header)
}

// action reads the one action of a valid transaction. Validation has compared the
// proposal with the hash that the endorsers signed, so the arguments are those of
// the answer and the writes.
func action(tx *submit.Committed, body []byte, chaincode string) error {
	var transaction peer.Transaction
	var endorsed peer.ChaincodeActionPayload
	var proposal peer.ChaincodeProposalPayload
	var call peer.ChaincodeInvocationSpec
	var result peer.ProposalResponsePayload
	var did peer.ChaincodeAction
	if err := proto.Unmarshal(body, &transaction); err != nil {
		return err
	}
	if n := len(transaction.GetActions()); n != 1 {
		return fmt.Errorf("%d actions", n)
	}
	if err := proto.Unmarshal(transaction.GetActions()[0].GetPayload(), &endorsed); err != nil {
		return err
	}
	if err := proto.Unmarshal(endorsed.GetAction().GetProposalResponsePayload(), &result); err != nil {
		return err
	}
	if err := proto.Unmarshal(result.GetExtension(), &did); err != nil {
		return err
	}
	// Which chaincode ran is in what was endorsed; its policy holds for that, unless all
	// that is written is in a member's own collection. The proposal names one too, which
	// nobody compares; validation hashes it and does not read it, so that of another
	// chaincode may be no message at all.
	ran := did.GetChaincodeId().GetName() == chaincode
	if ran && proto.Unmarshal(endorsed.GetChaincodeProposalPayload(), &proposal) == nil && proto.Unmarshal(proposal.GetInput(), &call) == nil {
		tx.Args = call.GetChaincodeSpec().GetInput().GetArgs()
	}
	tx.Response = did.GetResponse().GetPayload()
	return writes(tx, did.GetResults(), chaincode)
}

// writes reads what a transaction wrote to the chaincode's own namespace.
func writes(tx *submit.Committed, results []byte, chaincode string) error {
	var set rwset.TxReadWriteSet
	if err := proto.Unmarshal(results, &set); err != nil {
		return err
	}
	for _, ns := range set.GetNsRwset() {
		if ns.GetNamespace() != chaincode {
			continue
		}
		var kv kvrwset.KVRWSet
		if err := proto.Unmarshal(ns.GetRwset(), &kv); err != nil {
			return err
		}
		for _, w := range kv.GetWrites() {
			tx.Writes = append(tx.Writes, submit.Write{Key: w.GetKey(), Value: w.GetValue(), Delete: w.GetIsDelete()})
		}
	}
	return nil
}
