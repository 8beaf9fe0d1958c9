//go:build e2e

package e2e_test

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/killick-ledger/killick/anchor/log"
	"github.com/killick-ledger/killick/chaincode/ops"
	"github.com/killick-ledger/killick/gateway/client"
)

// traced has the auditor's program compute a job again from one file, and refuse the file
// once a link of it is another. (TR-1)
func (b *bench) traced(t *testing.T, job ops.Reference) {
	t.Helper()
	var data []byte
	until(t, 3*time.Minute, "a trail", func() (err error) {
		data, err = b.Client.Proof(t.Context(), client.Subject{Job: job.String()})
		return err
	})
	exit, out := b.verify(t, save(t, "job.anchorproof", data), b.Cluster.Policy())
	if exit != 0 || !strings.Contains(out, "drawn again from the seed") || !strings.Contains(out, "lines follow from job, finding and ballots") {
		t.Errorf("exit %d\n%s", exit, out)
	}
	t.Logf("%d bytes\n%s", len(data), out)
	made, err := log.ParseTrail(data)
	if err != nil {
		t.Fatal(err)
	}
	for i, l := range made.Links {
		if !strings.HasPrefix(string(l.Write.Record.Key), "reveal/") {
			continue
		}
		made.Links = append(made.Links[:i:i], made.Links[i+1:]...)
		break
	}
	forged, err := made.Marshal()
	if err != nil || bytes.Equal(forged, data) {
		t.Fatalf("%v", err)
	}
	if exit, out := b.verify(t, save(t, "forged.anchorproof", forged), b.Cluster.Policy()); exit != 2 || !strings.Contains(out, "INVALID: verdict and money") {
		t.Errorf("a ballot less: exit %d\n%s", exit, out)
	}
}
