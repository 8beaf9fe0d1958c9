package canon_test

import (
	"testing"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/killick-ledger/killick/chaincode/canon"
)

// The parts of an operation of 426 bytes.
const (
	benchHeader  = `{"alg":"EdDSA","kid":"did:killick:main-0011223344556677:4KZXuGpR4R28YfKeELEnVp4TLR2y#key-1","typ":"killick-op"}`
	benchPayload = `{"op":"record.submit","net":"main-0011223344556677","iat":1700000000,"exp":1700003600,"body":` + benchBody + `}`
	benchBody    = `{"schema":"plain","commitment":"00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff","size":7,"location":"https://example.org/records/00112233445566778899aabbccddeeff/content-of-it"}`
)

type benchParts struct {
	header struct {
		Alg string `json:"alg"`
		Kid string `json:"kid"`
		Typ string `json:"typ"`
	}
	payload struct {
		Op    string         `json:"op"`
		Net   string         `json:"net"`
		Iat   uint64         `json:"iat"`
		Exp   uint64         `json:"exp"`
		Prior *string        `json:"prior,omitzero"`
		Body  jsontext.Value `json:"body"`
	}
	body struct {
		Schema     string `json:"schema"`
		Commitment string `json:"commitment"`
		Size       uint64 `json:"size"`
		Location   string `json:"location"`
	}
}

// BenchmarkDecode reads header, payload and body of one operation.
func BenchmarkDecode(b *testing.B) {
	header, payload := []byte(benchHeader), []byte(benchPayload)
	for name, decode := range map[string]func([]byte, any, ...string) error{
		"Decode": canon.Decode,
		"oracle": func(data []byte, v any, _ ...string) error { return oracle(data, v) },
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			b.SetBytes(int64(len(header) + len(payload)))
			for b.Loop() {
				p := new(benchParts)
				if decode(header, &p.header, "alg", "kid", "typ") != nil || decode(payload, &p.payload, "op", "net", "iat", "exp", "body") != nil ||
					decode(p.payload.Body, &p.body, "schema", "commitment", "size", "location") != nil {
					b.Fatal("refused")
				}
			}
		})
	}
}
