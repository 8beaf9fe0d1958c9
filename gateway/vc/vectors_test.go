package vc_test

import (
	"bytes"
	"encoding/json"
	"testing"
	"time"

	"github.com/killick-ledger/killick/chaincode/canon/canontest"
	"github.com/killick-ledger/killick/chaincode/did"
)

// Made by: go test ./gateway/vc -run Vectors -update
const vectorFile = "../../docs/formats/vectors/credentials.json"

type vectors struct {
	Comment   string                   `json:"comment"`
	Now       string                   `json:"now"`
	Contexts  map[string]pinnedFile    `json:"contexts"`
	Documents map[string]*did.Document `json:"documents"`
	Vectors   []vector                 `json:"vectors"`
}

type pinnedFile struct {
	File  string   `json:"file"`
	Types []string `json:"types"`
}

// TestVectors says that the file holds the cases of TestVerdicts, all of them.
func TestVectors(t *testing.T) {
	docs, _ := ledger()
	var made bytes.Buffer
	encoder := json.NewEncoder(&made)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", " ")
	if err := encoder.Encode(vectors{
		Comment:   "Credentials and presentations as they are sent, and what becomes of them; contexts and documents are what the verifier knows. Made by go test ./gateway/vc -run Vectors -update",
		Now:       now.Format(time.RFC3339),
		Contexts:  map[string]pinnedFile{alumniContext: {string(alumniFile), []string{"AlumniCredential"}}, otherContext: {string(otherFile), []string{}}},
		Documents: docs, Vectors: makeVectors(t),
	}); err != nil {
		t.Fatal(err)
	}
	canontest.Golden(t, vectorFile, made.Bytes())
}
