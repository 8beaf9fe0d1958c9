//go:build e2e

package e2e_test

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/killick-ledger/killick/network/topology"
	"google.golang.org/protobuf/encoding/protowire"
)

// leader finds the orderer that leads now: the one that the view of the newest
// block names. Leaders do not rotate, and orderers are numbered as members are.
func (n *network) leader(t *testing.T) string {
	t.Helper()
	attested := n.block(t, n.own[1], n.height(t)-1).Orderers.Value
	// OrdererBlockMetadata.consenter_metadata holds SmartBFT's ViewMetadata, whose
	// first field is the view.
	var view uint64
	if metadata, ok := field(attested, 2); ok {
		if v, ok := field(metadata, 1); ok {
			view, _ = protowire.ConsumeVarint(v)
		}
	}
	orgs := n.Cluster.Orgs()
	name := orgs[int(view)%len(orgs)].Orderers()[0].Name
	t.Logf("view %d: %s leads", view, name)
	return name
}

// field finds a field of a message: the content of bytes, or a varint as it is
// encoded.
func field(message []byte, number protowire.Number) ([]byte, bool) {
	for len(message) > 0 {
		got, kind, size := protowire.ConsumeTag(message)
		if size < 0 {
			return nil, false
		}
		message = message[size:]
		if size = protowire.ConsumeFieldValue(got, kind, message); size < 0 {
			return nil, false
		}
		if got == number {
			if kind != protowire.BytesType {
				return message[:size], true
			}
			content, size := protowire.ConsumeBytes(message)
			return content, size >= 0
		}
		message = message[size:]
	}
	return nil, false
}

// caughtUp waits until every process is as far as the furthest peer was when it
// began to wait.
func (n *network) caughtUp(t *testing.T) {
	t.Helper()
	var target uint64
	for _, c := range n.own {
		if h, err := c.Height(t.Context()); err == nil {
			target = max(target, h)
		}
	}
	reached := func(who string, height uint64, err error) error {
		if err == nil && height < target {
			err = fmt.Errorf("height %d of %d", height, target)
		}
		if err != nil {
			err = fmt.Errorf("%s: %w", who, err)
		}
		return err
	}
	for i, o := range n.Cluster.Orgs() {
		until(t, time.Minute, "catching up", func() error {
			h, err := n.own[i].Height(t.Context())
			return reached(o.Peer().Name, h, err)
		})
		until(t, time.Minute, "catching up", func() error {
			h, err := ordererHeight(t, n.Cluster.Channel, o.Orderers()[0])
			return reached(o.Orderers()[0].Name, h, err)
		})
		until(t, time.Minute, "answering", func() error {
			_, err := n.own[i].EvaluateAt(t.Context(), o.MSPID, "ops:Network")
			return reached(o.ChaincodeName(), target, err)
		})
		until(t, time.Minute, "catching up", func() error {
			var status struct{ Height uint64 }
			err := getJSON(n.Cluster.AnchorURL(i)+"/status", &status)
			return reached(o.AnchorName(), status.Height, err)
		})
	}
	for _, url := range n.Cluster.GatewayURLs() {
		until(t, time.Minute, "catching up", func() error {
			var status struct {
				Next uint64 `json:"next_block"`
			}
			err := getJSON(url+"/healthz", &status)
			return reached(url, status.Next, err)
		})
	}
}

func getJSON(url string, into any) error {
	web := http.Client{Timeout: 5 * time.Second}
	response, err := web.Get(url)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("%s answers %s", url, response.Status)
	}
	return json.NewDecoder(response.Body).Decode(into)
}

// ordererHeight asks an orderer's channel participation service.
func ordererHeight(t *testing.T, channel string, o topology.Node) (uint64, error) {
	t.Helper()
	cert, err := tls.LoadX509KeyPair(filepath.Join(o.TLS, "server.crt"), filepath.Join(o.TLS, "server.key"))
	if err != nil {
		t.Fatal(err)
	}
	pem, err := os.ReadFile(filepath.Join(o.TLS, "ca.crt"))
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(pem)
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots, Certificates: []tls.Certificate{cert}, ServerName: o.CN}}
	defer transport.CloseIdleConnections()
	web := http.Client{Timeout: 5 * time.Second, Transport: transport}
	response, err := web.Get(o.AdminURL() + "/participation/v1/channels/" + channel)
	if err != nil {
		return 0, err
	}
	defer response.Body.Close()
	var info struct {
		Height uint64
		Status string
	}
	if err := json.NewDecoder(response.Body).Decode(&info); err != nil {
		return 0, err
	}
	if info.Status != "active" {
		return info.Height, fmt.Errorf("it is %q", info.Status)
	}
	return info.Height, nil
}
