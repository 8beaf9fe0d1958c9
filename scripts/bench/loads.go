package main

import (
	"encoding/binary"
	"math/rand/v2"
	"slices"
	"strconv"
	"time"

	"github.com/killick-ledger/killick/chaincode/canon"
	"github.com/killick-ledger/killick/chaincode/credential"
	"github.com/killick-ledger/killick/chaincode/ops"
	"github.com/killick-ledger/killick/chaincode/reward"
)

// signLoad signs a row's operations, at most n of them.
//
// Skewed: every second operation is one account's. A gateway takes all that waits
// of one account into one batch, and takes no more of it until that batch is
// done; so does this: one request in flight holds that account's operations only,
// the others hold everyone else's, and neither kind gets ahead of the other.
// Through a gateway the two are mixed in every request, and arranging is its job.
func (b *bank) signLoad(s spec, n int) ([]*stream, error) {
	rng := rand.New(rand.NewPCG(uint64(time.Now().UnixNano()), 0))
	fates := []fate{badSignature, replay}
	if s.load == transfers {
		fates = []fate{badSignature, noFunds, replay}
	}
	accounts := b.accounts[s.algorithm]
	// The last account is the one that a skewed load is about; no other draw has it.
	d := newDeck(rng, len(accounts)-1, s.batch*(s.inFlight+1), s.bad, fates...)
	hot := func(int) draw { return draw{actor: len(accounts) - 1, other: rng.IntN(len(accounts) - 1)} }
	cold := func(int) draw { return d.next() }
	var plans [][]func(int) draw // for each stream, whose operations a request holds in turn
	inFlight := []int{s.inFlight}
	switch {
	case s.skew && s.gateway:
		plans = [][]func(int) draw{{hot, cold}}
	case s.skew:
		plans, inFlight = [][]func(int) draw{{hot}, {cold}}, []int{1, max(1, s.inFlight-1)}
	default:
		plans = [][]func(int) draw{{cold}}
	}
	var streams []*stream
	for i, whose := range plans {
		requests := n/s.batch/len(plans) + 1
		draws := make([]draw, requests*s.batch)
		for k := range draws {
			draws[k] = whose[k%len(whose)](k)
		}
		st := &stream{requests: make([]request, requests), inFlight: inFlight[i]}
		err := parallel(requests, func(k int) (err error) {
			st.requests[k], err = b.request(s, draws[k*s.batch:(k+1)*s.batch])
			return err
		})
		if err != nil {
			return nil, err
		}
		streams = append(streams, st)
	}
	return streams, nil
}

// request signs the operations of one transaction, or of one request to the
// gateway.
func (b *bank) request(s spec, draws []draw) (request, error) {
	items := make([]ops.Item, len(draws))
	for i, d := range draws {
		var err error
		turn := i
		if s.skew && s.gateway {
			turn = i / 2 // every second one is the one account's
		}
		if items[i], err = b.item(s, d, turn); err != nil {
			return request{}, err
		}
	}
	if s.gateway {
		q := request{}
		for _, item := range items {
			q.jws = append(q.jws, item.Compact())
		}
		return q, nil
	}
	frame, err := ops.EncodeFrame(items)
	return request{function: "ops:Batch", args: [][]byte{frame}}, err
}

// item signs one operation.
func (b *bank) item(s spec, d draw, turn int) (ops.Item, error) {
	accounts := b.accounts[s.algorithm]
	actor := accounts[d.actor]
	if d.fate == replay {
		return actor.create, nil
	}
	serial := b.serial.Add(1)
	var body ops.Body
	switch s.kind(turn, d.actor == len(accounts)-1) {
	case records:
		body = &ops.RecordSubmit{Schema: "bench.v1", Commitment: digest(serial), Size: 4096}
	case transfers:
		amount := reward.Amount(serial)
		if d.fate == noFunds {
			amount = lavish
		}
		body = &ops.RewardPay{Asset: asset, Lines: []reward.Line{{To: accounts[d.other].did, Amount: amount}}}
	case credentials:
		now := uint64(time.Now().Unix())
		actor = b.issuers[int(serial)%len(b.issuers)]
		body = &ops.CredentialIssue{Schema: b.schema, Digest: digest(serial), ValidFrom: now, ValidUntil: now + 1<<25, Evidence: "provider", Endorser: actor.did,
			List: rand.Uint32(), Index: rand.Uint32N(credential.ListEntries)}
	case dids:
		a, err := newAccount(b.network, s.algorithm)
		if err != nil {
			return ops.Item{}, err
		}
		return a.create, nil
	}
	item, err := actor.sign(body)
	if d.fate == badSignature {
		item.Signature = slices.Clone(item.Signature)
		item.Signature[len(item.Signature)/4] ^= 1
	}
	return item, err
}

// The kinds of operations of the mixed load besides records and transfers.
const (
	dids        = "dids"
	credentials = "credentials"
)

// kind is what the operation at a place does. The mixed load has as many of each
// of its four kinds, skewed or not: skewed, records and payments are those of the
// one account, DIDs and credentials everyone else's.
func (s spec) kind(turn int, hot bool) string {
	switch {
	case s.load != mixed:
		return s.load
	case !s.skew:
		return []string{dids, records, credentials, transfers}[turn%4]
	case hot:
		return []string{records, transfers}[turn%2]
	}
	return []string{dids, credentials}[turn%2]
}

// digest is a hash that no other operation states.
func digest(serial uint64) string {
	sum := canon.Sum(binary.BigEndian.AppendUint64(nil, serial))
	return canon.Hex(sum[:])
}

// plainLoad makes the requests of a baseline row.
func plainLoad(s spec, n int) *stream {
	number := func(n int) []byte { return []byte(strconv.Itoa(n)) }
	run := strconv.FormatInt(time.Now().UnixNano(), 36)
	st := &stream{inFlight: s.inFlight}
	for i := range n {
		owner := rand.IntN(s.accounts)
		q := request{function: "Create", args: [][]byte{
			[]byte(run + "-" + strconv.Itoa(i)), number(owner), []byte("bench.v1"), []byte(digest(uint64(i))), number(4096),
		}}
		if s.plain == plainTransfer {
			other := (owner + 1 + rand.IntN(s.accounts-1)) % s.accounts
			q = request{function: "Transfer", args: [][]byte{number(owner), number(other), number(1)}}
		}
		st.requests = append(st.requests, q)
	}
	return st
}
