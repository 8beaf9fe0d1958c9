package vc_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"testing"
	"time"

	"github.com/killick-ledger/killick/chaincode/did"
)

// Made by: go test ./gateway/vc -run Vectors -update
var update = flag.Bool("update", false, "rewrite docs/formats/vectors/credentials.json")

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
	var want bytes.Buffer
	encoder := json.NewEncoder(&want)
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
	if *update {
		if err := os.WriteFile(vectorFile, want.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(vectorFile)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want.Bytes()) {
		t.Errorf("%s is not what the cases make; run with -update and look at the difference", vectorFile)
	}
}
