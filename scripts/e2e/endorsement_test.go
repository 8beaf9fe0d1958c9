//go:build e2e

package e2e_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/killick-ledger/killick/chaincode/fault"
	"github.com/killick-ledger/killick/chaincode/ops"
	"github.com/killick-ledger/killick/gateway/client"
	"github.com/killick-ledger/killick/network/topology"
	"github.com/killick-ledger/killick/scripts/observe"
)

// endorsement has one organisation run another chaincode, hands transactions over
// that must not count, and tries policies at every level.
func (n *network) endorsement(t *testing.T) {
	t.Run("Deviant", n.deviant)
	n.chaincodesAnswer(t) // its own again
	t.Run("ValidationCodes", n.validationCodes)
	t.Run("Policies", n.policies)
	n.programAlarms(t, "") // each runs the right program since the end of Deviant
	n.samePeers(t)
}

// programAlarms waits until every anchor accuses the organisation, and no other, of
// running a program that the members have not accepted; nobody when it is empty.
func (n *network) programAlarms(t *testing.T, organisation string) {
	t.Helper()
	for i, o := range n.Cluster.Orgs() {
		until(t, 3*time.Minute, fmt.Sprintf("%s knows the program of %q", o.AnchorName(), organisation), func() error {
			var status struct{ Alarms []string }
			if err := observe.JSON(t.Context(), n.Cluster.AnchorURL(i)+"/status", &status); err != nil {
				return err
			}
			about := slices.DeleteFunc(status.Alarms, func(a string) bool { return !strings.HasPrefix(a, "program of ") })
			switch {
			case organisation == "" && len(about) == 0:
				return nil
			case len(about) == 1 && strings.HasPrefix(about[0], "program of "+organisation+":") && strings.Contains(about[0], "have not accepted"):
				return nil
			}
			return fmt.Errorf("its alarms are %q", about)
		})
	}
}

// finding is what a gateway's /healthz says of an organisation.
type finding struct {
	Organisation, Text, Transaction string
	Count                           uint64
	Operations                      []string
}

func findings(t *testing.T, url string) (f []finding) {
	t.Helper()
	var status struct{ Divergences []finding }
	until(t, time.Minute, "the gateway's health", func() error { // its peer may be slow
		return observe.JSON(t.Context(), url+"/healthz", &status)
	})
	return status.Divergences
}

// deviant starts another program as the chaincode of the second organisation. It is
// the first endorser of that organisation's gateway, and one of the others' second.
func (n *network) deviant(t *testing.T) {
	org := n.Cluster.Orgs()[1]
	n.replaceChaincode(t, org)
	p := n.newPerson(t)
	n.create(t, p)
	n.writeBatching(t, p)
	height := n.height(t)
	want := map[string]bool{}
	pause := time.NewTicker(200 * time.Millisecond) // disputes are looked into one at a time
	defer pause.Stop()
	for i, address := range n.Cluster.GatewayAddresses() {
		c, err := client.Dial(address)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { c.Close() })
		url := n.Cluster.GatewayURLs()[i]
		for _, fault := range []struct{ mark, how string }{
			{"deviant-refuse", "bad_signature in place of ok"}, {"deviant-write", "it also writes killick deviant"},
		} {
			marked, begun := map[string]bool{}, time.Now()
			// The deviant is not the second endorser of each batch.
			for round := 0; ; round++ {
				var jws []string
				for j := range 5 {
					words := fmt.Sprintf("round %d item %d gateway %d", round, j, i)
					if j == 2 {
						words = fault.mark + " " + words
					}
					item, ref := p.refer(t, note(words), "")
					jws = append(jws, item.Compact())
					id := ref.String()[9:]
					want[id] = true
					if j == 2 {
						marked[id] = true
					}
				}
				receipts, err := c.SubmitAll(t.Context(), jws...)
				if err != nil {
					t.Fatal(err)
				}
				for _, r := range receipts {
					if r.GetState() != "done" {
						t.Fatalf("%s: an operation of a batch is %s: %s", fault.mark, r.GetState(), r.GetCode())
					}
				}
				if n.named(t, url, org.MSPID, marked, fault.how) {
					break
				}
				if time.Since(begun) > 2*time.Minute {
					t.Fatalf("%s: nobody is named for %q: %+v", url, fault.mark, findings(t, url))
				}
				<-pause.C
			}
		}
		t.Logf("%s says %+v", url, findings(t, url))
		n.onlyOneCounted(t, url, org.MSPID)
		if f := n.logged(t, n.Cluster.Orgs()[i].GatewayName()); len(f) == 0 || slices.ContainsFunc(f, func(f finding) bool { return f.Organisation != org.MSPID }) {
			t.Errorf("gateway %d logged %+v", i+1, f)
		}
	}
	h := n.history(t, height)
	for id := range want {
		if r := h.results[id]; len(r) != 1 || r[0].code != fault.OK {
			t.Errorf("operation %s has the results %v, want one that is ok", id, r)
		}
	}
	if len(h.results) != len(want) || slices.Contains(h.other, "deviant") {
		t.Errorf("%d results of %d operations; other writes %q", len(h.results), len(want), h.other)
	}
	n.programAlarms(t, org.MSPID)
}

// writeBatching has a batch run by a chaincode with write batching and by one
// without, which answer the same bytes: it speeds endorsement and nothing else.
func (n *network) writeBatching(t *testing.T, p *person) {
	t.Helper()
	items := make([]ops.Item, 500)
	for i := range items {
		items[i] = p.sign(t, note(fmt.Sprint("write batching ", i)), "")
	}
	frame, err := ops.EncodeFrame(items)
	if err != nil {
		t.Fatal(err)
	}
	var took [2]time.Duration
	var answers [2][]byte
	for range 5 {
		for i := range took {
			begun := time.Now()
			if answers[i], err = n.own[i].Evaluate(t.Context(), "ops:Batch", frame); err != nil {
				t.Fatal(err)
			}
			if d := time.Since(begun); took[i] == 0 || d < took[i] {
				took[i] = d
			}
		}
	}
	if !bytes.Equal(answers[0], answers[1]) || !bytes.Equal(answers[0], make([]byte, len(items))) {
		t.Errorf("with write batching %x, without %x", answers[0], answers[1])
	}
	// The peers' signed answers have to be equal in all reads and writes.
	conf := n.Cluster.Client(0, topology.GatewayUser)
	conf.Peers = conf.Peers[:2]
	tx, err := connect(t, conf).Prepare("ops:Batch", frame)
	if err == nil {
		err = tx.Endorse(t.Context())
	}
	if err != nil || tx.Dispute() != nil {
		t.Errorf("endorsed by both: %v, dispute %v", err, tx.Dispute())
	}
	t.Logf("%d operations are executed in %s with write batching and in %s without", len(items), took[0], took[1])
}

// replaceChaincode runs the deviant in place of organisations' chaincodes until the test
// ends.
func (n *network) replaceChaincode(t *testing.T, orgs ...topology.Org) {
	t.Helper()
	program := filepath.Join(t.TempDir(), "deviant")
	if out, err := exec.Command("go", "build", "-o", program, "./deviant").CombinedOutput(); err != nil {
		t.Fatalf("build: %v\n%s", err, out)
	}
	t.Cleanup(func() { // when all of them have ended
		if err := n.Cluster.Ensure(context.WithoutCancel(t.Context())); err != nil {
			t.Error(err)
		}
	})
	for _, org := range orgs {
		if err := n.Cluster.Kill(org.ChaincodeName()); err != nil {
			t.Fatal(err)
		}
		var log bytes.Buffer
		cmd := exec.Command(program, "--config", org.ChaincodeFile())
		cmd.Stdout, cmd.Stderr = &log, &log
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if err := cmd.Process.Kill(); err != nil {
				t.Error(err)
			}
			_ = cmd.Wait() // it was killed
			if t.Failed() {
				t.Logf("the deviant says: %s", log.Bytes())
			}
		})
	}
	n.chaincodesAnswer(t)
}

// chaincodesAnswer waits until each peer has its chaincode again. One that was asked
// while its chaincode was away says so for a moment, also to those who ask after.
func (n *network) chaincodesAnswer(t *testing.T) {
	t.Helper()
	for i, c := range n.own {
		until(t, time.Minute, n.Cluster.Orgs()[i].ChaincodeName()+" answers", func() error {
			_, err := c.Evaluate(t.Context(), "ops:Network")
			return err
		})
	}
}

// named says whether the gateway's newest finding is about the organisation, one of
// the marked operations, and how it deviates.
func (n *network) named(t *testing.T, url, organisation string, marked map[string]bool, how string) bool {
	t.Helper()
	for _, f := range findings(t, url) {
		if f.Organisation != organisation {
			t.Fatalf("%s names %+v", url, f)
		}
		if !strings.Contains(f.Text, how) {
			continue
		}
		for _, id := range f.Operations {
			if !marked[id] {
				t.Fatalf("%s names operation %s: %+v", url, id, f)
			}
		}
		// A write of its own belongs to no operation.
		if len(f.Operations) == 1 || strings.Contains(how, "writes") {
			return true
		}
	}
	return false
}

// onlyOneCounted wants the metric to count the organisation and no other.
func (n *network) onlyOneCounted(t *testing.T, url, organisation string) {
	t.Helper()
	response, err := http.Get(url + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	data, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	for _, o := range n.Cluster.Orgs() {
		zero := strings.Contains(string(data), fmt.Sprintf("killick_gateway_divergence_total{organisation=%q} 0\n", o.MSPID))
		if zero == (o.MSPID == organisation) {
			t.Errorf("%s: counts of %s are wrong:\n%s", url, o.MSPID, data)
		}
	}
}

// nobodyDiffers wants no gateway to have accused anybody so far, whatever was killed
// and however far peers were apart.
func (n *network) nobodyDiffers(t *testing.T) {
	for _, o := range n.Cluster.Orgs() {
		if !o.HasGateway {
			continue
		}
		if f := n.logged(t, o.GatewayName()); len(f) > 0 {
			t.Errorf("%s logged %+v", o.GatewayName(), f)
		}
	}
}

// logged reads the findings from a gateway's log.
func (n *network) logged(t *testing.T, gateway string) (found []finding) {
	t.Helper()
	f, err := os.Open(filepath.Join(n.Cluster.LogDir(), gateway+".log"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	s := bufio.NewScanner(f)
	s.Buffer(nil, 1<<20)
	for s.Scan() {
		var line struct {
			Msg, Level, Organisation, Tx, How string
			Operations                        []string
		}
		if json.Unmarshal(s.Bytes(), &line) != nil || line.Msg != "an organisation's chaincode differs" {
			continue
		}
		if line.Level != "ERROR" || len(line.Tx) != 64 || line.How == "" {
			t.Errorf("%s logged %s", gateway, s.Bytes())
		}
		found = append(found, finding{Organisation: line.Organisation, Text: line.How, Transaction: line.Tx, Operations: line.Operations})
	}
	if err := s.Err(); err != nil {
		t.Fatal(err)
	}
	return found
}
