package story

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/killick-ledger/killick/anchor/log"
	"github.com/killick-ledger/killick/chaincode/canon"
)

// table prints what this run measured.
func (w *World) table(ctx context.Context) error {
	network, err := w.Client.Network(ctx)
	if err != nil {
		return err
	}
	anchors, err := w.anchorCosts(ctx)
	if err != nil {
		return err
	}
	slices.Sort(w.facts.verified)
	rows := [][2]string{
		{"consortium up", fmt.Sprintf("%.1f s", w.Up.Seconds())},
		{"operations", strconv.Itoa(w.facts.operations)},
		{"blocks", strconv.FormatUint(network.GetHeight(), 10)},
		{"operations a second, batches", fmt.Sprintf("%.0f (everything on this machine, chains and anchors included)", float64(w.facts.batched)/w.facts.busy.Seconds())},
	}
	for _, chain := range slices.Sorted(maps.Keys(anchors)) {
		rows = append(rows, [2]string{"anchor on " + chain, anchors[chain]})
	}
	rows = append(rows,
		[2]string{"claim on EVM", w.facts.claims["eip155"]},
		[2]string{"claim on Tron", w.facts.claims["tron"]},
		[2]string{"payment to claimable", fmt.Sprintf("%.1f s (epochs of %s)", w.facts.anchorLatency.Seconds(), w.Cluster.Epoch)},
		[2]string{"largest bundle", fmt.Sprintf("%d bytes", w.facts.bundleBytes)},
		[2]string{"chain of proof of a payout", fmt.Sprintf("%d bytes", w.facts.trailBytes)},
		[2]string{"jobs", fmt.Sprintf("%d, all closed after %.1f s", len(w.tasks), w.facts.jobs.Seconds())},
		[2]string{"time to verify, median", fmt.Sprintf("%d ms (both chains read)", w.facts.verified[len(w.facts.verified)/2].Milliseconds())},
	)
	memory := map[string][]string{}
	used := w.Cluster.Memory()
	for _, name := range slices.Sorted(maps.Keys(used)) {
		kind, _, _ := strings.Cut(name, ".")
		memory[kind] = append(memory[kind], strconv.FormatUint(used[name]>>20, 10))
	}
	for _, kind := range slices.Sorted(maps.Keys(memory)) {
		rows = append(rows, [2]string{"memory of " + kind, strings.Join(memory[kind], ", ") + " MB"})
	}
	w.step("Measured in this run")
	for _, r := range rows {
		w.say("%-30s %s", r[0], r[1])
	}
	return nil
}

// anchorCosts reads from each chain what the anchor of the payment's bundle
// cost, in gas or energy.
func (w *World) anchorCosts(ctx context.Context) (map[string]string, error) {
	data, err := os.ReadFile(w.facts.proofs["payment"])
	if err != nil {
		return nil, err
	}
	bundle, err := log.ParseBundle(data)
	if err != nil {
		return nil, err
	}
	costs := map[string]string{}
	for _, a := range bundle.Anchors {
		url, unit := w.Cluster.EVM().RPC[0], "gas"
		if strings.HasPrefix(a.Contract.Chain, "tron:") {
			url, unit = w.Cluster.Tron().RPC[0], "energy"
		}
		used, err := gasUsed(ctx, url, a.Tx)
		if err != nil {
			return nil, err
		}
		costs[a.Contract.Chain] = fmt.Sprintf("%d %s", used, unit)
	}
	return costs, nil
}

func gasUsed(ctx context.Context, url string, tx log.Hash) (uint64, error) {
	var receipt struct {
		GasUsed string `json:"gasUsed"`
	}
	if err := rpc(ctx, url, "eth_getTransactionReceipt", `["0x`+canon.Hex(tx[:])+`"]`, &receipt); err != nil {
		return 0, err
	}
	return strconv.ParseUint(strings.TrimPrefix(receipt.GasUsed, "0x"), 16, 64)
}

// rpcError is what a node answers to a call that it refuses.
type rpcError struct {
	Message string `json:"message"`
}

func (e *rpcError) Error() string { return e.Message }

// rpc makes one JSON-RPC call.
func rpc(ctx context.Context, url, method, params string, result any) error {
	body := fmt.Sprintf(`{"jsonrpc":"2.0","id":1,"method":"%s","params":%s}`, method, params)
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewBufferString(body))
	if err != nil {
		return err
	}
	request.Header.Set("Content-Type", "application/json")
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	var answer struct {
		Result json.RawMessage `json:"result"`
		Error  *rpcError       `json:"error"`
	}
	if err := json.NewDecoder(response.Body).Decode(&answer); err != nil {
		return err
	}
	if answer.Error != nil {
		return answer.Error
	}
	return json.Unmarshal(answer.Result, result)
}
