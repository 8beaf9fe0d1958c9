package main

import (
	"context"
	"encoding/hex"
	"fmt"
	"net/netip"
	"net/url"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// maxReply bounds what an endpoint may answer to one call.
const maxReply = 1 << 20

// endpoint is a JSON-RPC server of a public chain. It is not trusted: replies are
// bounded and decoded strictly, redirects are refused. Calls do not retry.
type endpoint struct {
	url string
	transport
}

// transport posts JSON to a URL and returns the body of an answer with status 200, or
// the first maxReply + 1 bytes of a longer one. It follows no redirect, and its errors
// do not hold the URL, which may carry an access key.
type transport func(ctx context.Context, url string, body []byte) ([]byte, error)

func dial(address string, t transport) (*endpoint, error) {
	u, err := url.Parse(address)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		return nil, fmt.Errorf("%s: not an http or https URL", host(address))
	}
	return &endpoint{address, t}, nil
}

// call makes one JSON-RPC call. An error means that there is no answer, never
// that the answer is no.
func (e *endpoint) call(ctx context.Context, result any, method string, params ...any) error {
	if params == nil {
		params = []any{}
	}
	body, err := json.Marshal(map[string]any{"jsonrpc": "2.0", "id": 1, "method": method, "params": params})
	if err != nil {
		return fmt.Errorf("%s: %w", method, err)
	}
	data, err := e.transport(ctx, e.url, body)
	switch {
	case err != nil:
		return fmt.Errorf("%s: %w", method, err)
	case len(data) > maxReply:
		return fmt.Errorf("%s: the reply is longer than %d bytes", method, maxReply)
	}
	var envelope struct {
		Version string         `json:"jsonrpc"`
		ID      int            `json:"id"`
		Result  jsontext.Value `json:"result"`
		Error   *struct {
			Code    int    `json:"code"`
			Message string `json:"message"`
		} `json:"error"`
	}
	if err := json.Unmarshal(data, &envelope); err != nil {
		return fmt.Errorf("%s: the reply is not JSON-RPC: %w", method, err)
	}
	if envelope.Error != nil {
		return fmt.Errorf("%s: the endpoint answers error %d: %.200q", method, envelope.Error.Code, envelope.Error.Message)
	}
	if envelope.Version != "2.0" || envelope.ID != 1 || len(envelope.Result) == 0 || string(envelope.Result) == "null" {
		return fmt.Errorf("%s: the reply holds no result", method)
	}
	if err := json.Unmarshal(envelope.Result, result); err != nil {
		return fmt.Errorf("%s: unexpected result: %w", method, err)
	}
	return nil
}

// host names an endpoint without its path and query, which may hold a key.
func host(address string) string {
	if u, err := url.Parse(address); err == nil && u.Host != "" {
		return u.Host
	}
	return "endpoint"
}

// party is the host and port of an endpoint, the same for each way to write them.
func party(address string) string {
	u, err := url.Parse(address)
	if err != nil {
		return address
	}
	port := strings.TrimLeft(u.Port(), "0")
	if port == "" {
		port = map[string]string{"http": "80", "https": "443"}[u.Scheme]
	}
	name := strings.TrimSuffix(strings.ToLower(u.Hostname()), ".")
	if ip, err := netip.ParseAddr(name); err == nil {
		name = ip.Unmap().String()
	}
	return name + ":" + port
}

// quantity is a JSON-RPC number: 0x and hex digits.
type quantity uint64

// UnmarshalText implements encoding.TextUnmarshaler.
func (q *quantity) UnmarshalText(text []byte) error {
	digits, ok := strings.CutPrefix(string(text), "0x")
	n, err := strconv.ParseUint(digits, 16, 64)
	if !ok || err != nil {
		return fmt.Errorf("%.40q is not a quantity", text)
	}
	*q = quantity(n)
	return nil
}

// MarshalText implements encoding.TextMarshaler.
func (q quantity) MarshalText() ([]byte, error) {
	return strconv.AppendUint([]byte("0x"), uint64(q), 16), nil
}

// octets is JSON-RPC data: 0x and pairs of hex digits.
type octets []byte

// UnmarshalText implements encoding.TextUnmarshaler.
func (o *octets) UnmarshalText(text []byte) error {
	digits, ok := strings.CutPrefix(string(text), "0x")
	b, err := hex.DecodeString(digits)
	if !ok || err != nil {
		return fmt.Errorf("%.40q is not data", text)
	}
	*o = b
	return nil
}

// MarshalText implements encoding.TextMarshaler.
func (o octets) MarshalText() ([]byte, error) { return []byte("0x" + hex.EncodeToString(o)), nil }
