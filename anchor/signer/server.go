package signer

import (
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"

	"github.com/killick-ledger/killick/chaincode/canon"
)

// Handler serves docs/formats/signer.md for the keys: whoever its TLS settings let in
// may have any digest signed with any of them. Each signature is a line of the log,
// with the client's name and the digest.
func Handler(keys []*Key) http.Handler {
	by := map[string]*Key{}
	for _, k := range keys {
		by["0x"+canon.Hex(k.address[:])] = k
	}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /v1/sign", func(w http.ResponseWriter, r *http.Request) {
		var in request
		d := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxBody))
		d.DisallowUnknownFields()
		if err := d.Decode(&in); err != nil || d.More() {
			http.Error(w, "want {\"address\":...,\"digest\":...}", http.StatusBadRequest)
			return
		}
		digest, err := canon.UnHex32(in.Digest)
		if err != nil {
			http.Error(w, "digest: want 64 lower-case hexadecimal digits", http.StatusBadRequest)
			return
		}
		key := by[in.Address]
		if key == nil {
			http.Error(w, "there is no key with this address here", http.StatusNotFound)
			return
		}
		client := ""
		if r.TLS != nil && len(r.TLS.PeerCertificates) > 0 {
			client = r.TLS.PeerCertificates[0].Subject.CommonName
		}
		sig, err := key.Sign(r.Context(), digest)
		if err != nil {
			slog.Error("not signed", "client", client, "address", in.Address, "digest", in.Digest, "error", err)
			text := "the key's device does not sign now; the signer's log says why"
			if errors.Is(err, ErrWrong) {
				text = "the key's device holds another key than it said, or is broken"
			}
			http.Error(w, text, http.StatusServiceUnavailable)
			return
		}
		slog.Info("signed", "client", client, "address", in.Address, "digest", in.Digest)
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(answer{Signature: canon.Hex(sig[:64])}) // the client sees that it is short
	})
	return mux
}
