package api_test

import (
	"testing"
	"time"

	"github.com/killick-ledger/killick/chaincode/did"
)

// Every version that the ledger keeps resolves, with its place among the others; of
// a DID that is deactivated none does.
func TestResolveVersions(t *testing.T) {
	t.Parallel()
	h := start(t)
	first, err := h.client.Resolve(t.Context(), h.alice.DID)
	if err != nil {
		t.Fatal(err)
	}
	document, _, err := did.DecodeDocument(h.alice.Document)
	if err != nil {
		t.Fatal(err)
	}
	document.Service = []did.Service{{ID: "#files", Type: "Files", ServiceEndpoint: "https://files.example/"}}
	body, err := did.NewUpdate(document)
	if err != nil {
		t.Fatal(err)
	}
	update, _ := h.alice.Operation(body, first.GetVersion().GetHash())
	if _, err := h.client.Submit(t.Context(), update); err != nil {
		t.Fatal(err)
	}
	old, now := h.look(h.alice.DID+"?versionId=1", ""), h.look(h.alice.DID, "")
	metadata := func(r reply, name string) any { return r.at("didDocumentMetadata", name) }
	if old.status != 200 || old.at("didDocument", "service") != nil || metadata(old, "versionId") != "1" || metadata(old, "updated") != nil ||
		metadata(old, "nextVersionId") != "2" || metadata(old, "nextUpdate") != metadata(now, "updated") {
		t.Errorf("the first version: %d %s", old.status, old.body)
	}
	created, err := time.Parse(time.RFC3339, metadata(now, "created").(string))
	if err != nil || now.at("didDocument", "service") == nil || metadata(now, "versionId") != "2" || metadata(now, "nextUpdate") != nil || metadata(old, "created") != metadata(now, "created") {
		t.Errorf("the second version: %d %s", now.status, now.body)
	}
	const layout = "2006-01-02T15:04:05Z"
	for at, want := range map[time.Time]int{created.Add(-time.Second): 404, created: 200, created.Add(time.Hour): 200} {
		if r := h.look(h.alice.DID+"?versionTime="+at.UTC().Format(layout), ""); r.status != want {
			t.Errorf("at %s: %d %s", at, r.status, r.body)
		}
	}
	if _, err := h.client.Submit(t.Context(), h.alice.Deactivate()); err != nil {
		t.Fatal(err)
	}
	for _, identifier := range []string{h.alice.DID, h.alice.DID + "?versionId=1", h.alice.DID + "%23key-1"} {
		if r := h.look(identifier, ""); r.status != 410 {
			t.Errorf("%s, deactivated: %d %s", identifier, r.status, r.body)
		}
	}
}
