package fabric

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"slices"
	"strings"

	"github.com/hyperledger/fabric-protos-go-apiv2/ledger/rwset"
	"github.com/hyperledger/fabric-protos-go-apiv2/ledger/rwset/kvrwset"
	"github.com/hyperledger/fabric-protos-go-apiv2/peer"
	"google.golang.org/protobuf/proto"
)

// Dispute is what peers answered to a transaction on which they did not agree at
// once. Most disputes are peers that are a block apart; Client.Explain tells.
type Dispute struct {
	TxID     string
	accepted []answer // those that agreed, if enough did
	others   []answer
}

// dispute returns what was answered when not all of it was the same.
func (b *ballot) dispute(txID string, accepted []answer) *Dispute {
	if len(b.agreed)+len(b.refused) < 2 {
		return nil
	}
	d := &Dispute{TxID: txID, accepted: accepted}
	for _, group := range b.refused {
		d.others = append(d.others, group...)
	}
	for _, group := range b.agreed {
		if len(accepted) == 0 || !bytes.Equal(group[0].response.GetPayload(), accepted[0].response.GetPayload()) {
			d.others = append(d.others, group...)
		}
	}
	return d
}

// signed finds the organisations whose own signed answer shows that they deviate:
// they read the same versions as those that agreed and made something else of
// them. A peer that lags read older versions, and proves nothing.
func (d *Dispute) signed() []Deviation {
	if len(d.accepted) == 0 {
		return nil
	}
	want, err := simulationOf(d.accepted[0])
	if err != nil {
		return nil
	}
	var found []Deviation
	for _, a := range d.others {
		if a.response == nil {
			continue
		}
		got, err := simulationOf(a)
		if err != nil {
			found = append(found, Deviation{Organisation: a.from.MSPID, Text: "its answer cannot be decoded: " + cut(err.Error())})
			continue
		}
		if got.sawTheSame(want) {
			found = append(found, got.deviation(a.from.MSPID, want))
		}
	}
	return found
}

// simulation is what a peer's answer says of a run.
type simulation struct {
	response []byte
	reads    map[string]string // version by namespace and key
	ranges   string
	writes   map[string][32]byte // hash by namespace and key
}

func simulationOf(a answer) (*simulation, error) {
	var prp peer.ProposalResponsePayload
	var action peer.ChaincodeAction
	var set rwset.TxReadWriteSet
	if err := proto.Unmarshal(a.response.GetPayload(), &prp); err != nil {
		return nil, err
	}
	if err := proto.Unmarshal(prp.GetExtension(), &action); err != nil {
		return nil, err
	}
	if err := proto.Unmarshal(action.GetResults(), &set); err != nil {
		return nil, err
	}
	s := &simulation{response: action.GetResponse().GetPayload(), reads: map[string]string{}, writes: map[string][32]byte{}}
	for _, ns := range set.GetNsRwset() {
		var kv kvrwset.KVRWSet
		if err := proto.Unmarshal(ns.GetRwset(), &kv); err != nil {
			return nil, err
		}
		for _, r := range kv.GetReads() {
			s.reads[ns.GetNamespace()+" "+r.GetKey()] = versionOf(r)
		}
		for _, r := range kv.GetRangeQueriesInfo() {
			s.ranges += r.String()
		}
		for _, w := range kv.GetWrites() {
			s.writes[ns.GetNamespace()+" "+w.GetKey()] = sha256.Sum256(fmt.Append(nil, w.GetIsDelete(), w.GetValue()))
		}
	}
	return s, nil
}

// versionOf is where the value of a key was written; empty for a key without one.
func versionOf(r *kvrwset.KVRead) string {
	if r.GetVersion() == nil {
		return ""
	}
	return fmt.Sprintf("%d/%d", r.GetVersion().GetBlockNum(), r.GetVersion().GetTxNum())
}

// sawTheSame says that the two runs read no key in different versions. They may
// have read different keys: that is the program's doing.
func (s *simulation) sawTheSame(o *simulation) bool {
	for key, version := range s.reads {
		if other, ok := o.reads[key]; ok && other != version {
			return false
		}
	}
	return s.ranges == o.ranges
}

// maxNamed is how many items and keys of a deviation are named.
const maxNamed = 8

func (s *simulation) deviation(organisation string, want *simulation) Deviation {
	d := Deviation{Organisation: organisation}
	if len(s.response) == len(want.response) {
		for i := range s.response {
			if s.response[i] != want.response[i] {
				d.add(Item{Index: i, Text: fmt.Sprintf("answers %#02x in place of %#02x", s.response[i], want.response[i])})
			}
		}
	}
	var keys []string
	note := func(how, key string) { keys = append(keys, how+" "+cut(key)) }
	for key, value := range s.writes {
		switch other, ok := want.writes[key]; {
		case !ok:
			note("also writes", key)
		case other != value:
			note("writes something else to", key)
		}
	}
	for key := range want.writes {
		if _, ok := s.writes[key]; !ok {
			note("does not write", key)
		}
	}
	slices.Sort(keys)
	d.Text = "on the same state it has other results"
	if len(keys) > maxNamed {
		keys = append(keys[:maxNamed], fmt.Sprintf("%d more", len(keys)-maxNamed))
	}
	if len(keys) > 0 {
		d.Text += ": it " + strings.Join(keys, ", ")
	}
	return d
}
