//go:build e2e

package e2e_test

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/hyperledger/fabric-protos-go-apiv2/peer"
	"github.com/killick-ledger/killick/chaincode/fault"
	"github.com/killick-ledger/killick/chaincode/ops"
	"github.com/killick-ledger/killick/chaincode/record"
	"github.com/killick-ledger/killick/gateway/client"
	"github.com/killick-ledger/killick/network/fabric"
	"google.golang.org/protobuf/testing/protocmp"
)

const usePrice = 100

// market is an owner with a record, two who want it, and two gateways.
type market struct {
	*network
	t        *testing.T
	owner    *person
	takers   [2]*person
	record   string
	gateways [2]*client.Client
	sold     int
	used     string // a use
}

// grants has two people take the last use of a grant in one batch, in one block, in two
// blocks and through two gateways at once: exactly one gets it and pays. Lists say the
// same at every gateway, and an auditor can check a receipt. (GR-1, GR-3, IX-2, IX-4)
func (n *network) grants(t *testing.T) {
	m := &market{network: n, t: t, owner: n.newPerson(t), takers: [2]*person{n.newPerson(t), n.newPerson(t)}}
	for i := range m.gateways {
		c, err := client.Dial(n.Cluster.GatewayAddresses()[i])
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = c.Close() })
		m.gateways[i] = c
	}
	n.create(t, m.owner, m.takers[0], m.takers[1])
	for _, p := range m.takers {
		n.fund(t, p, 1_000_000)
	}
	m.record = m.submit(0, m.owner, note("what many want"), fault.OK)
	t.Run("one batch", m.oneBatch)
	t.Run("one block", m.oneBlock)
	t.Run("two blocks", m.twoBlocks)
	t.Run("two gateways", m.twoGateways)
	t.Run("lists", m.lists)
	t.Run("proof", m.proof)
	left := 0
	for _, p := range m.takers {
		balance, _ := n.money(t, p)
		left += balance
	}
	if _, received := n.money(t, m.owner); received != m.sold*usePrice || left != 2_000_000-received {
		t.Errorf("%d uses at %d: the owner got %d, the takers have %d", m.sold, usePrice, received, left)
	}
}

// submit has a gateway bring an operation onto the ledger.
func (m *market) submit(gateway int, p *person, body ops.Body, want fault.Code) string {
	m.t.Helper()
	item, ref := p.refer(m.t, body, "")
	if _, err := m.gateways[gateway].Submit(m.t.Context(), item.Compact()); fault.Of(err) != want {
		m.t.Errorf("%T: %v, want %v", body, err, want)
	}
	return ref.String()
}

// offer offers one use.
func (m *market) offer() string {
	m.t.Helper()
	uses := uint64(1)
	m.sold++
	return m.submit(0, m.owner, &ops.RecordAllow{
		Record: m.record, Client: record.Anyone, Operation: "read", Scope: []string{fmt.Sprint("/", m.sold)}, Asset: "usd", Price: usePrice,
		Expires: uint64(time.Now().Add(24 * time.Hour).Unix()), Uses: &uses,
	}, fault.OK)
}

// use takes the use that was offered last.
func (m *market) use(offer string) *ops.AttestUse {
	return &ops.AttestUse{
		Grant: offer, Record: m.record, Version: 1, Owner: m.owner.did, Operation: "read", Path: fmt.Sprint("/", m.sold), Asset: "usd", Price: usePrice,
	}
}

func (m *market) oneBatch(t *testing.T) {
	offer := m.offer()
	first, second := m.takers[0].sign(t, m.use(offer), ""), m.takers[1].sign(t, m.use(offer), "")
	frame, err := ops.EncodeFrame([]ops.Item{first, second, first})
	if err != nil {
		t.Fatal(err)
	}
	receipt, err := m.members[1].Execute(t.Context(), "ops:Batch", frame)
	if want := []byte{0, byte(fault.GrantUsedUp), ops.Replayed}; err != nil || !slices.Equal(receipt.Payload, want) {
		t.Errorf("%#x, %v, want %#x", receipt.Payload, err, want)
	}
}

// oneBlock has both transactions endorsed before either is handed over, anew until
// orderers put both into one block.
func (m *market) oneBlock(t *testing.T) {
	for try := 1; ; try++ {
		offer := m.offer()
		var txs [2]*fabric.Transaction
		for i, p := range m.takers {
			frame, err := ops.EncodeFrame([]ops.Item{p.sign(t, m.use(offer), "")})
			if err == nil {
				txs[i], err = m.members[i].Prepare("ops:Batch", frame)
			}
			if err == nil {
				err = txs[i].Endorse(t.Context())
			}
			if err != nil || txs[i].Payload()[0] != 0 {
				t.Fatalf("endorsement: %v", err)
			}
		}
		var handing sync.WaitGroup
		for _, tx := range txs {
			handing.Go(func() {
				if err := tx.Submit(t.Context()); err != nil {
					t.Error(err)
				}
			})
		}
		handing.Wait()
		var blocks [2]uint64
		codes := map[peer.TxValidationCode]int{}
		for i, tx := range txs {
			until(t, time.Minute, "a block with the use", func() error {
				status, err := m.members[0].Lookup(t.Context(), tx.ID())
				if err == nil && !status.Found {
					err = errors.New("it is in none")
				}
				blocks[i] = status.Block
				if err == nil {
					codes[peer.TxValidationCode(status.Code)]++
				}
				return err
			})
		}
		if codes[peer.TxValidationCode_VALID] != 1 || codes[peer.TxValidationCode_MVCC_READ_CONFLICT] != 1 {
			t.Fatalf("in blocks %v: %v, want one valid and one that has read what is stale", blocks, codes)
		}
		// The one that is void goes again, as gateways do, and finds nothing left.
		for _, p := range m.takers {
			item := p.sign(t, m.use(offer), "")
			if _, err := m.gateways[0].Submit(t.Context(), item.Compact()); err != nil && fault.Of(err) != fault.GrantUsedUp {
				t.Errorf("after it: %v", err)
			}
		}
		if blocks[0] == blocks[1] {
			return
		}
		if try == 20 {
			t.Fatalf("two transactions never came in one block, the last time in %v", blocks)
		}
	}
}

func (m *market) twoBlocks(*testing.T) {
	offer := m.offer()
	m.used = m.submit(0, m.takers[0], m.use(offer), fault.OK)
	m.submit(1, m.takers[1], m.use(offer), fault.GrantUsedUp)
}

// proof has an auditor check a receipt: who used what, of whom, for how much.
func (m *market) proof(t *testing.T) {
	bundle, err := os.ReadFile(m.proven(t, client.Subject{Operation: m.used}))
	if err != nil {
		t.Fatal(err)
	}
	for _, line := range []string{"claim use", "use " + m.used, "record " + m.record, "version 1", "client " + m.takers[0].did, "owner " + m.owner.did, "paid 0.0001 usd", "left 0"} {
		if !strings.Contains(string(bundle), "\n"+line+"\n") {
			t.Errorf("the bundle does not say %q:\n%s", line, bundle)
		}
	}
}

func (m *market) twoGateways(t *testing.T) {
	for range 10 {
		offer := m.offer()
		var taking sync.WaitGroup
		var errs [2]error
		for i, p := range m.takers {
			jws := p.sign(t, m.use(offer), "").Compact()
			taking.Go(func() { _, errs[i] = m.gateways[i].Submit(t.Context(), jws) })
		}
		taking.Wait()
		codes := []fault.Code{fault.Of(errs[0]), fault.Of(errs[1])}
		slices.Sort(codes)
		if !slices.Equal(codes, []fault.Code{fault.OK, fault.GrantUsedUp}) {
			t.Errorf("%v and %v", errs[0], errs[1])
		}
	}
}

// lists compares what the two gateways list, each page at the other gateway than the
// one before.
func (m *market) lists(t *testing.T) {
	open := m.offer()
	m.sold-- // nobody takes it
	other := m.submit(1, m.owner, note("what nobody wants"), fault.OK)
	receipt, err := m.gateways[1].Operation(t.Context(), other)
	if err != nil {
		t.Fatal(err)
	}
	block := receipt.GetBlock()
	records := &client.ListRecords{Owner: m.owner.did, PageSize: 1, MinBlock: block}
	var listed []string
	for i := 0; ; i++ {
		page, err := m.gateways[i%2].Records(t.Context(), records)
		if err != nil || page.GetBlock() < block {
			t.Fatalf("as of block %d, want %d: %v", page.GetBlock(), block, err)
		}
		for _, r := range page.GetRecords() {
			listed = append(listed, r.GetRecord().GetId())
		}
		if records.PageToken = page.GetNextPageToken(); records.PageToken == "" {
			break
		}
	}
	if want := []string{m.record, other}; !slices.Equal(listed, want) {
		t.Errorf("records %v, want %v", listed, want)
	}
	used := map[string]bool{}
	var pages [2]*client.UsePage
	for i, c := range m.gateways {
		offers, err := c.Offers(t.Context(), &client.ListOffers{Schema: "note", MinBlock: block})
		if err != nil {
			t.Fatal(err)
		}
		var ids []string
		for _, o := range offers.GetOffers() {
			ids = append(ids, o.GetId())
		}
		if !slices.Equal(ids, []string{open}) {
			t.Errorf("gateway %d offers %v, want %s", i, ids, open)
		}
		if pages[i], err = c.Uses(t.Context(), &client.ListUses{Owner: m.owner.did, PageSize: 1000, MinBlock: block}); err != nil {
			t.Fatal(err)
		}
		pages[i].Block = 0
	}
	if diff := cmp.Diff(pages[0], pages[1], protocmp.Transform()); diff != "" {
		t.Errorf("uses at the two gateways: %s", diff)
	}
	for _, u := range pages[0].GetUses() {
		if used[u.GetGrant()] {
			t.Errorf("the grant %s was used twice", u.GetGrant())
		}
		used[u.GetGrant()] = true
	}
	if len(used) != m.sold {
		t.Errorf("%d uses, want %d", len(used), m.sold)
	}
	m.submit(0, m.owner, &ops.RecordWithdraw{Grant: open}, fault.OK)
	if page, err := m.gateways[0].Offers(t.Context(), &client.ListOffers{Schema: "note"}); err != nil || len(page.GetOffers()) != 0 {
		t.Errorf("after the withdrawal: %v %v", page, err)
	}
}
