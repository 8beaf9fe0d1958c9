package topology

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"time"
)

// connection is the content of connection.json: where the peer finds the
// organisation's chaincode service and whose certificate it must show. The peer's
// own client key never enters a package; the builder adds it on release.
type connection struct {
	Address            string `json:"address"`
	Domain             string `json:"domain"`
	DialTimeout        string `json:"dial_timeout"`
	TLSRequired        bool   `json:"tls_required"`
	ClientAuthRequired bool   `json:"client_auth_required"`
	RootCert           string `json:"root_cert"`
}

// Package renders the chaincode package of organisation o, given the PEM of its
// TLS authority.
func (o Org) Package(tlsCA []byte) ([]byte, error) {
	return Package(Chaincode, o.ChaincodeAddress(), o.chaincodeHost(), tlsCA)
}

// Package renders a chaincode package with a label, for a service at an address
// whose certificate bears the host's name and was issued by tlsCA (PEM). The tars
// have fixed times, owners and order: the same input gives the same package id.
func Package(label, address, host string, tlsCA []byte) ([]byte, error) {
	conn, err := json.Marshal(connection{
		Address: address, Domain: host, DialTimeout: "3s",
		TLSRequired: true, ClientAuthRequired: true, RootCert: string(tlsCA),
	})
	if err != nil {
		return nil, fmt.Errorf("render connection.json: %w", err)
	}
	code, err := archive("connection.json", conn)
	if err != nil {
		return nil, err
	}
	meta, err := json.Marshal(map[string]string{"type": "ccaas", "label": label})
	if err != nil {
		return nil, fmt.Errorf("render metadata.json: %w", err)
	}
	return archive("metadata.json", meta, "code.tar.gz", code)
}

// PackageID is the id that peers give a package of Killick's chaincode.
func PackageID(pack []byte) string { return LabelledID(Chaincode, pack) }

// LabelledID is the id that peers give a package with a label.
func LabelledID(label string, pack []byte) string {
	sum := sha256.Sum256(pack)
	return label + ":" + hex.EncodeToString(sum[:])
}

// archive makes a gzipped tar of name, content pairs.
func archive(nameThenContent ...any) ([]byte, error) {
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	t := tar.NewWriter(z)
	for i := 0; i < len(nameThenContent); i += 2 {
		name, content := nameThenContent[i].(string), nameThenContent[i+1].([]byte)
		h := &tar.Header{
			Name: name, Mode: 0o644, Size: int64(len(content)), Typeflag: tar.TypeReg,
			ModTime: time.Unix(0, 0), Format: tar.FormatUSTAR,
		}
		if err := t.WriteHeader(h); err != nil {
			return nil, fmt.Errorf("pack %s: %w", name, err)
		}
		if _, err := t.Write(content); err != nil {
			return nil, fmt.Errorf("pack %s: %w", name, err)
		}
	}
	if err := t.Close(); err != nil {
		return nil, fmt.Errorf("pack: %w", err)
	}
	if err := z.Close(); err != nil {
		return nil, fmt.Errorf("pack: %w", err)
	}
	return b.Bytes(), nil
}
