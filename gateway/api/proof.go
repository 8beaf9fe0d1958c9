package api

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/killick-ledger/killick/chaincode/canon"
	"github.com/killick-ledger/killick/chaincode/fault"
	"github.com/killick-ledger/killick/gateway/api/killickv1"
	"google.golang.org/genproto/googleapis/api/httpbody"
)

const (
	bundleType = "text/plain; charset=utf-8"
	// maxBundle bounds what is taken from the anchor.
	maxBundle   = 16 << 20
	anchorLimit = 20 * time.Second
)

// personal are the state keys, by what they begin with, whose values gateways do not show.
var personal = []string{"account", "preference", "link", "person", "tag"}

// GetProof fetches a bundle from the organisation's anchor.
// Errors: fault.MissingField, fault.InvalidValue, fault.NotOwner, fault.NotFound,
// fault.NotAnchored, fault.Unavailable.
func (s *Server) GetProof(ctx context.Context, in *killickv1.GetProofRequest) (*httpbody.HttpBody, error) {
	query := url.Values{}
	given := 0
	if in.GetKey() != "" {
		given++
		if prefix, _, _ := strings.Cut(in.GetKey(), "/"); slices.Contains(personal, prefix) {
			return nil, fault.New(fault.NotOwner, "the key says which accounts or which person a DID has; gateways show it to nobody")
		}
		query.Set("key", in.GetKey())
	}
	if in.GetTransaction() != "" {
		given++
		if _, err := canon.UnHex32(in.GetTransaction()); err != nil {
			return nil, fault.New(fault.InvalidValue, "transaction: %s", fault.Text(err))
		}
		query.Set("tx", in.GetTransaction())
	}
	if in.GetOperation() != "" {
		given++
		receipt, err := s.lookup(in.GetOperation())
		if err != nil {
			return nil, err
		}
		if receipt.Key == "" {
			return nil, fault.New(fault.NotAnchored, "nothing on the ledger holds a result of the operation; it is %s", receipt.State)
		}
		// The write of this transaction, whatever the key has become since.
		query.Set("key", receipt.Key)
		query.Set("tx", receipt.Transaction)
	}
	path := "/bundle"
	if in.GetJob() != "" {
		given++
		path = "/trail"
		query.Set("job", in.GetJob())
	}
	if in.GetDisclosure() != "" {
		if in.GetJob() == "" {
			return nil, fault.New(fault.InvalidValue, "a disclosure goes with a job")
		}
		query.Set("disclosure", in.GetDisclosure())
	}
	if given != 1 {
		return nil, fault.New(fault.MissingField, "give exactly one of key, operation, transaction and job")
	}
	data, err := s.fromAnchor(ctx, path, query)
	if err != nil {
		return nil, err
	}
	return &httpbody.HttpBody{ContentType: bundleType, Data: data}, nil
}

// GetPayout fetches what a claim needs from the organisation's anchor.
// Errors: fault.InvalidValue, fault.NotFound, fault.Unavailable.
func (s *Server) GetPayout(ctx context.Context, in *killickv1.GetPayoutRequest) (*killickv1.PayoutList, error) {
	if _, err := canon.ParseAccount(in.GetAccount()); err != nil {
		return nil, err
	}
	data, err := s.fromAnchor(ctx, "/payout", url.Values{"account": {in.GetAccount()}})
	if err != nil {
		return nil, err
	}
	var answer struct {
		Payouts []struct {
			Vault      string `json:"vault"`
			Address    string `json:"address"`
			Epoch      uint64 `json:"epoch"`
			Cumulative string `json:"cumulative"`
			Sides      string `json:"sides"`
			Levels     string `json:"levels"`
			Calldata   string `json:"calldata"`
			Bundle     string `json:"bundle"`
		} `json:"payouts"`
	}
	if err := json.Unmarshal(data, &answer); err != nil {
		return nil, fmt.Errorf("answer of anchor: %w", err)
	}
	out := new(killickv1.PayoutList)
	for _, p := range answer.Payouts {
		out.Payouts = append(out.Payouts, &killickv1.Payout{
			Vault: p.Vault, Address: p.Address, Epoch: p.Epoch, Cumulative: p.Cumulative, Sides: p.Sides, Levels: p.Levels,
			Calldata: p.Calldata, Bundle: p.Bundle,
		})
	}
	return out, nil
}

func (s *Server) fromAnchor(ctx context.Context, path string, query url.Values) ([]byte, error) {
	if s.cfg.Anchor == "" {
		return nil, fault.New(fault.Unavailable, "this gateway has no anchor")
	}
	ctx, cancel := context.WithTimeout(ctx, anchorLimit)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, s.cfg.Anchor+path+"?"+query.Encode(), nil)
	if err != nil {
		return nil, fmt.Errorf("ask anchor: %w", err)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		s.cfg.Log.WarnContext(ctx, "anchor does not answer", "error", err)
		return nil, fault.New(fault.Unavailable, "the organisation's anchor does not answer")
	}
	defer response.Body.Close()
	data, err := io.ReadAll(io.LimitReader(response.Body, maxBundle+1))
	if err == nil && len(data) > maxBundle {
		err = errors.New("answer is too long")
	}
	if err != nil {
		return nil, fmt.Errorf("read answer of anchor: %w", err)
	}
	if response.StatusCode == http.StatusOK {
		return data, nil
	}
	// The anchor refuses with problem documents too, and with codes of ours.
	var p Problem
	if err := json.Unmarshal(data, &p); err != nil {
		return nil, fmt.Errorf("anchor answers %s", response.Status)
	}
	code, known := fault.ByName(p.Code)
	if !known || code == fault.Internal {
		return nil, fmt.Errorf("anchor answers %s: %s %s", response.Status, p.Code, p.Detail)
	}
	return nil, fault.New(code, "%s", p.Detail)
}
