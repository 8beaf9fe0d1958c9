package api

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"unicode/utf8"

	"github.com/grpc-ecosystem/grpc-gateway/v2/runtime"
	"github.com/killick-ledger/killick/chaincode/canon"
	"github.com/killick-ledger/killick/chaincode/fault"
	"github.com/killick-ledger/killick/gateway/api/killickv1"
	"github.com/killick-ledger/killick/gateway/openid"
	"google.golang.org/grpc/encoding"
	"google.golang.org/grpc/mem"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
)

const (
	// maxBatch is how many operations a request may carry.
	maxBatch = 1000
	// maxSingle and maxMany bound the bodies of the POST paths. An operation and its
	// content have at most 65,536 bytes each.
	maxSingle = 192 << 10
	maxMany   = 8 << 20
	// maxMessage bounds what is read of a gRPC message. Those above maxMany are
	// refused with a code of ours; above this gRPC itself ends the call.
	maxMessage = 3 * maxMany
	maxAnswer  = 32 << 20
)

// marshaler is the JSON of the REST form: answers as protobuf defines it, with
// all fields present; requests strictly, as operations are read.
type marshaler struct{ runtime.JSONPb }

func newMarshaler() *marshaler {
	return &marshaler{runtime.JSONPb{MarshalOptions: protojson.MarshalOptions{EmitUnpopulated: true}}}
}

// Marshal writes an answer compactly: protobuf's JSON has spaces that differ from
// one build to the next.
func (m *marshaler) Marshal(v any) ([]byte, error) {
	data, err := m.JSONPb.Marshal(v)
	if err != nil {
		return nil, err
	}
	var compact bytes.Buffer
	err = json.Compact(&compact, data)
	return compact.Bytes(), err
}

// NewDecoder reads a request body.
func (m *marshaler) NewDecoder(r io.Reader) runtime.Decoder {
	return runtime.DecoderFunc(func(v any) error {
		data, err := io.ReadAll(r)
		if err != nil {
			return tooLarge(err)
		}
		return decodeRequest(data, v)
	})
}

func tooLarge(err error) error {
	if limit := new(http.MaxBytesError); errors.As(err, &limit) {
		return fault.New(fault.TooLarge, "the body is longer than %d bytes", limit.Limit)
	}
	return fault.New(fault.Malformed, "the body ended early")
}

// decodeRequest reads a body under the rules of docs/formats/operation.md
// section 1: protobuf's own JSON decoder would accept a name twice, other
// spellings of names, and null.
func decodeRequest(data []byte, v any) error {
	switch request := v.(type) {
	case *killickv1.SubmitRequest:
		var body struct {
			Operation *string `json:"operation"`
			Wait      *bool   `json:"wait"`
			Content   *string `json:"content"`
		}
		if err := canon.Decode(data, &body); err != nil {
			return err
		}
		if body.Operation == nil {
			return fault.New(fault.MissingField, "operation")
		}
		request.Operation, request.Wait, request.Content = *body.Operation, body.Wait, body.Content
	case *killickv1.FetchContentRequest:
		var body struct {
			Request *string `json:"request"`
		}
		if err := canon.Decode(data, &body); err != nil {
			return err
		}
		if body.Request == nil {
			return fault.New(fault.MissingField, "request")
		}
		request.Request = *body.Request
	case *killickv1.SubmitBatchRequest:
		var body struct {
			Operations []string `json:"operations"`
			Wait       *bool    `json:"wait"`
		}
		if err := canon.Decode(data, &body); err != nil {
			return err
		}
		if body.Operations == nil {
			return fault.New(fault.MissingField, "operations")
		}
		request.Operations, request.Wait = body.Operations, body.Wait
	default:
		return fmt.Errorf("no body is read into %T", v)
	}
	return nil
}

// checkMessage refuses fields that the message does not have, and sizes.
func checkMessage(request any) error {
	m, ok := request.(proto.Message)
	if !ok {
		return nil
	}
	if size := proto.Size(m); size > maxMany {
		return fault.New(fault.TooLarge, "the message has %d bytes, more than %d", size, maxMany)
	}
	if unknown := m.ProtoReflect().GetUnknown(); bytes.Equal(unknown, unreadable) {
		return fault.New(fault.Malformed, "the message cannot be read, or a text in it is not UTF-8")
	} else if len(unknown) > 0 {
		return fault.New(fault.UnknownField, "the message has a field that is not known here")
	}
	return nil
}

// codec lets messages pass that cannot be read, as unreadable, for checkMessage to
// refuse: gRPC itself would call them an internal error of the server.
type codec struct{ encoding.CodecV2 }

// Unmarshal reads a message.
func (c codec) Unmarshal(data mem.BufferSlice, v any) error {
	err := c.CodecV2.Unmarshal(data, v)
	m, ok := v.(proto.Message)
	if err == nil || !ok {
		return err
	}
	proto.Reset(m)
	m.ProtoReflect().SetUnknown(unreadable)
	return nil
}

// unreadable is a field that no message has.
var unreadable = protowire.AppendVarint(protowire.AppendTag(nil, protowire.MaxValidNumber, protowire.VarintType), 0)

// bodyLimit is how long the body of a request may be.
func bodyLimit(r *http.Request) int64 {
	switch {
	case r.Method != http.MethodPost:
		return 0
	case strings.HasSuffix(r.URL.Path, ":batch"):
		return maxMany
	case isCredentials(r):
		return maxCredential
	case r.URL.Path == openid.ResponsePath:
		return openid.MaxResponse
	}
	return maxSingle
}

// parameters are the query parameters of each path, and whether they may occur
// more than once. A path that ends with a slash stands for all below it.
var parameters = map[string]map[string]bool{
	"/v1/records": {
		"owner": false, "schema": false, "status": false, "since": false, "until": false, "pageSize": false, "pageToken": false, "minBlock": false,
	},
	"/v1/offers":           {"schema": false, "asset": false, "pageSize": false, "pageToken": false, "minBlock": false},
	"/v1/grants":           {"owner": false, "client": false, "record": false, "status": false, "pageSize": false, "pageToken": false, "minBlock": false},
	"/v1/uses":             {"owner": false, "client": false, "grant": false, "pageSize": false, "pageToken": false, "minBlock": false},
	"/v1/jobs":             {"consumer": false, "operator": false, "phase": false, "pageSize": false, "pageToken": false, "minBlock": false},
	"/v1/dids/":            {"versionId": false, "versionTime": false},
	"/v1/openid/requests/": {"response_code": false},
	"/v1/proofs":           {"key": false, "operation": false, "transaction": false, "job": false, "disclosure": false},
	"/v1/statements/":      {"since": false, "until": false, "pageSize": false, "pageToken": false, "minBlock": false},
	"/v1/events":           {"cursor": false, "block": false, "now": false, "actor": true, "operation": true},
}

func parametersOf(path string) map[string]bool {
	if strings.HasPrefix(path, "/v1/records/") && strings.HasSuffix(path, "/history") {
		return map[string]bool{"pageToken": false}
	}
	if strings.HasPrefix(path, "/v1/jobs/") && strings.HasSuffix(path, "/round") {
		return map[string]bool{"explain": false}
	}
	if strings.HasPrefix(path, "/v1/statements/") { // a DID and an asset
		return parameters["/v1/statements/"]
	}
	if p, ok := parameters[path]; ok {
		return p
	}
	return parameters[path[:strings.LastIndexByte(path, '/')+1]]
}

// checkURL refuses what is not UTF-8, as gRPC does, and query parameters that
// the path does not have, or twice.
func checkURL(r *http.Request) error {
	if isIdentifier(r) { // it refuses in the words of DID Resolution
		return nil
	}
	if !utf8.ValidString(r.URL.Path) {
		return fault.New(fault.Malformed, "the path of the URL is not UTF-8")
	}
	values, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return fault.New(fault.Malformed, "the query of the URL cannot be read")
	}
	for name, v := range values {
		many, known := parametersOf(r.URL.Path)[name]
		if !known {
			return fault.New(fault.UnknownField, "query parameter %q is not known here", name)
		}
		if !utf8.ValidString(strings.Join(v, "")) {
			return fault.New(fault.Malformed, "query parameter %q is not UTF-8", name)
		}
		if len(v) > 1 && !many {
			return fault.New(fault.DuplicateKey, "query parameter %q occurs twice", name)
		}
	}
	return nil
}
