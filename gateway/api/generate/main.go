// Command generate compiles gateway/api/killick.proto and runs the code
// generators on it: messages, gRPC stubs, the REST proxy and the OpenAPI
// document. It is a module of its own, so that the generators do not pin the
// product's dependencies. Run it in gateway/api: (cd generate && go run . ..).
package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"

	"github.com/bufbuild/protocompile"
	_ "google.golang.org/genproto/googleapis/api/annotations"
	_ "google.golang.org/genproto/googleapis/api/httpbody"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/types/pluginpb"
)

const (
	source  = "killick.proto"
	module  = "github.com/killick-ledger/killick/gateway/api"
	openAPI = "killick.openapi.json"
)

// Each generator and its parameter. The programs are tools of this module.
var generators = []struct{ tool, parameter string }{
	{"protoc-gen-go", "module=" + module},
	{"protoc-gen-go-grpc", "module=" + module},
	{"protoc-gen-grpc-gateway", "module=" + module},
	{"protoc-gen-openapiv3", "disable_default_errors=true"},
}

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: generate DIRECTORY-OF-"+source)
		os.Exit(2)
	}
	if err := run(os.Args[1]); err != nil {
		fmt.Fprintln(os.Stderr, "generate:", err)
		os.Exit(1)
	}
}

func run(dir string) error {
	request, err := compile(dir)
	if err != nil {
		return err
	}
	for _, g := range generators {
		request.Parameter = proto.String(g.parameter)
		files, err := generate(g.tool, request)
		if err != nil {
			return fmt.Errorf("%s: %w", g.tool, err)
		}
		for _, f := range files {
			content := []byte(f.GetContent())
			if f.GetName() == openAPI {
				if content, err = complete(content); err != nil {
					return err
				}
			}
			if err := os.WriteFile(filepath.Join(dir, f.GetName()), content, 0o644); err != nil {
				return err
			}
		}
	}
	return nil
}

// compile resolves Google's annotations from the Go module that carries their
// descriptors, so no .proto file of others is kept in this repository.
func compile(dir string) (*pluginpb.CodeGeneratorRequest, error) {
	compiler := protocompile.Compiler{
		SourceInfoMode: protocompile.SourceInfoStandard,
		Resolver: protocompile.CompositeResolver{
			&protocompile.SourceResolver{ImportPaths: []string{dir}},
			protocompile.ResolverFunc(func(path string) (protocompile.SearchResult, error) {
				d, err := protoregistry.GlobalFiles.FindFileByPath(path)
				return protocompile.SearchResult{Desc: d}, err
			}),
		},
	}
	files, err := compiler.Compile(context.Background(), source)
	if err != nil {
		return nil, err
	}
	request := &pluginpb.CodeGeneratorRequest{FileToGenerate: []string{source}}
	seen := map[string]bool{}
	var add func(f protoreflect.FileDescriptor)
	add = func(f protoreflect.FileDescriptor) {
		if seen[f.Path()] {
			return
		}
		seen[f.Path()] = true
		for i := range f.Imports().Len() {
			add(f.Imports().Get(i).FileDescriptor)
		}
		request.ProtoFile = append(request.ProtoFile, protodesc.ToFileDescriptorProto(f))
	}
	add(files[0])
	// Through their wire form, so that options become known extensions.
	wire, err := proto.Marshal(request)
	if err != nil {
		return nil, err
	}
	request = new(pluginpb.CodeGeneratorRequest)
	return request, proto.Unmarshal(wire, request)
}

func generate(tool string, request *pluginpb.CodeGeneratorRequest) ([]*pluginpb.CodeGeneratorResponse_File, error) {
	in, err := proto.Marshal(request)
	if err != nil {
		return nil, err
	}
	cmd := exec.Command("go", "tool", tool)
	cmd.Stdin, cmd.Stderr = bytes.NewReader(in), os.Stderr
	out, err := cmd.Output()
	if err != nil {
		return nil, err
	}
	var response pluginpb.CodeGeneratorResponse
	if err := proto.Unmarshal(out, &response); err != nil {
		return nil, err
	}
	if response.Error != nil {
		return nil, errors.New(response.GetError())
	}
	return response.GetFile(), nil
}

// complete adds what no annotation can say: every refusal is a problem document
// (RFC 9457), and what the service is.
func complete(document []byte) ([]byte, error) {
	var doc map[string]any
	if err := json.Unmarshal(document, &doc); err != nil {
		return nil, fmt.Errorf("%s: %w", openAPI, err)
	}
	doc["info"] = map[string]any{
		"title": "Killick gateway", "version": "1",
		"license": map[string]any{"name": "Apache-2.0", "identifier": "Apache-2.0"},
	}
	text := map[string]any{"type": "string"}
	schemas := doc["components"].(map[string]any)["schemas"].(map[string]any)
	schemas["Problem"] = map[string]any{
		"type":     "object",
		"required": []string{"type", "title", "status", "code", "advice", "instance"},
		"properties": map[string]any{
			"type": text, "title": text, "status": map[string]any{"type": "integer"},
			"code": text, "detail": text, "advice": text, "instance": text,
			"operation": map[string]any{"$ref": "#/components/schemas/killick.v1.Operation"},
		},
	}
	refusal := map[string]any{
		"description": "A refusal; docs/formats/codes.md lists the codes.",
		"content": map[string]any{"application/problem+json": map[string]any{
			"schema": map[string]any{"$ref": "#/components/schemas/Problem"},
		}},
	}
	doc["servers"] = []any{map[string]any{"url": "/"}}
	doc["security"] = []any{} // operations are signed; the gateway asks for nothing else
	paths := doc["paths"].(map[string]any)
	for _, path := range paths {
		for method, operation := range path.(map[string]any) {
			responses := operation.(map[string]any)["responses"].(map[string]any)
			responses["default"] = refusal
			if method == "post" {
				responses["202"] = map[string]any{
					"description": "Taken, and without a result: wait was false (the body is as for 200), or the result did not come in time (a Problem with the code outcome_unknown).",
					"content": map[string]any{
						"application/json":         responses["200"].(map[string]any)["content"].(map[string]any)["application/json"],
						"application/problem+json": refusal["content"].(map[string]any)["application/problem+json"],
					},
				}
			}
		}
	}
	// The answers that are not JSON.
	proof := paths["/v1/proofs"].(map[string]any)["get"].(map[string]any)["responses"].(map[string]any)
	proof["200"] = map[string]any{
		"description": "An .anchorproof file; docs/formats/bundle.md specifies it.",
		"content":     map[string]any{"text/plain": map[string]any{"schema": text}},
	}
	events := paths["/v1/events"].(map[string]any)["get"].(map[string]any)
	events["parameters"] = append(events["parameters"].([]any), map[string]any{
		"name": "Last-Event-ID", "in": "header", "schema": text,
		"description": "A cursor, which browsers send when they connect again; what the query says of the beginning does not count then.",
	})
	event := map[string]any{"$ref": "#/components/schemas/killick.v1.Event"}
	events["responses"].(map[string]any)["200"] = map[string]any{
		"description": "A stream without an end; docs/formats/events.md specifies it.",
		"content": map[string]any{
			"text/event-stream":    map[string]any{"schema": text},
			"application/x-ndjson": map[string]any{"schema": event},
		},
	}
	delete(schemas, "google.api.HttpBody")
	paths["/1.0/identifiers/{did}"] = map[string]any{"get": resolve()}
	credentials(paths)
	maps.Copy(paths, wallets())
	out, err := json.MarshalIndent(doc, "", "  ")
	return append(out, '\n'), err
}

// credentials describes what is not of the proto either: the VC-API, certificates about
// records, and status lists.
func credentials(paths map[string]any) {
	object := map[string]any{"type": "object"}
	content := func(media ...string) map[string]any {
		out := map[string]any{}
		for _, m := range media {
			out[m] = map[string]any{"schema": object}
		}
		return out
	}
	post := func(id, summary, status string, parameters ...any) map[string]any {
		return map[string]any{"post": map[string]any{
			"operationId": id, "summary": summary, "description": "W3C VC-API; docs/partners.md and docs/formats/credentials.md say more.", "tags": []any{"Credentials"},
			"parameters": append([]any{}, parameters...), "requestBody": map[string]any{"content": content("application/json")},
			"responses": map[string]any{
				status:    map[string]any{"description": "Done.", "content": content("application/json")},
				"default": map[string]any{"description": "Refused, or not verified.", "content": content("application/problem+json", "application/json")},
			},
		}}
	}
	named := func(names ...string) []any {
		var out []any
		for _, name := range names {
			out = append(out, map[string]any{"name": name, "in": "path", "required": true, "schema": map[string]any{"type": "string"}})
		}
		return out
	}
	paths["/credentials/issue"] = post("IssueCredential", "Issue a credential.", "201")
	paths["/credentials/verify"] = post("VerifyCredential", "Verify a credential.", "200")
	paths["/presentations/prove"] = post("PresentCredentials", "Present credentials that one of the gateway's issuers holds.", "201")
	paths["/presentations/verify"] = post("VerifyPresentation", "Verify a presentation.", "200")
	paths["/v1/records/{id}/certificate"] = post("CertifyRecord", "Issue a certificate about a record or its deletion.", "201", named("id")...)
	paths["/v1/status-lists/{issuer}/{number}/{purpose}"] = map[string]any{"get": map[string]any{
		"operationId": "GetStatusList", "summary": "Read a status list as of the last block.", "tags": []any{"Credentials"},
		"parameters": named("issuer", "number", "purpose"),
		"responses": map[string]any{
			"200":     map[string]any{"description": "A BitstringStatusListCredential.", "content": content("application/vc", "application/vc+jwt")},
			"default": map[string]any{"description": "Refused.", "content": content("application/problem+json")},
		},
	}}
}

// resolve describes the DID resolver, which is not of the proto: W3C DID Resolution
// decides what it takes and answers.
func resolve() map[string]any {
	text, object := map[string]any{"type": "string"}, map[string]any{"type": "object"}
	parameters := []any{map[string]any{
		"name": "did", "in": "path", "required": true, "schema": text,
		"description": "A DID, or a DID URL with its number sign percent-encoded.",
	}}
	for _, p := range []struct{ name, description string }{
		{"versionId", "A version of the document by its id."},
		{"versionTime", "The version that was valid at a time, such as 2026-01-31T12:00:00Z."},
		{"service", "Only the service with this id."},
		{"serviceType", "Only services of this type."},
		{"relativeRef", "A relative reference, resolved against the address of the service."},
		{"expandRelativeUrls", "Whether relative DID URLs in the document become absolute: true or false."},
	} {
		parameters = append(parameters, map[string]any{"name": p.name, "in": "query", "schema": text, "description": p.description})
	}
	results := map[string]any{}
	for _, media := range []string{
		"application/did-resolution", `application/ld+json;profile="https://w3id.org/did-resolution"`,
		"application/did-url-dereferencing", `application/ld+json;profile="https://w3id.org/did-url-dereferencing"`,
	} {
		results[media] = map[string]any{"schema": object}
	}
	documents, refusals := maps.Clone(results), maps.Clone(results)
	for _, media := range []string{"application/did", "application/did+json", "application/did+ld+json", "application/ld+json", "application/json"} {
		documents[media] = map[string]any{"schema": object}
	}
	refusals["application/problem+json"] = map[string]any{"schema": object}
	return map[string]any{
		"operationId": "Resolve",
		"summary":     "Resolve a DID or dereference a DID URL.",
		"description": "The HTTP(S) binding of W3C DID Resolution, for did:killick, did:key and, where the operator allows it, did:web. docs/partners.md says more.",
		"tags":        []any{"DID Resolution"},
		"parameters":  parameters,
		"responses": map[string]any{
			"200": map[string]any{"description": "The document, a part of it, or a whole result.", "content": documents},
			"303": map[string]any{"description": "The address of a service.", "headers": map[string]any{"Location": map[string]any{"schema": text}}},
			"410": map[string]any{"description": "The DID is deactivated.", "content": results},
			"default": map[string]any{
				"description": "An error of DID Resolution (400, 404, 406, 500, 501): within a result, or as a problem to whoever asked for a document.",
				"content":     refusals,
			},
		},
	}
}
