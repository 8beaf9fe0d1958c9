package signer

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/killick-ledger/killick/chaincode/canon"
)

const (
	// remoteTimeout bounds one signature, connection and handshake included.
	remoteTimeout = 5 * time.Second
	// maxBody bounds what either side reads of the other.
	maxBody = 4 << 10
)

// remoteFile is a key file that names a remote signer. File names that are not absolute
// are looked for beside it.
type remoteFile struct {
	Remote  string `json:"remote"`  // https://host:port
	Address string `json:"address"` // of the key, 0x and 40 hexadecimal digits
	CA      string `json:"ca"`      // file with the certificates that the signer's must come from
	Cert    string `json:"cert"`    // file with the own certificate
	Key     string `json:"key"`     // file with its private key
}

// remote asks a killick-signer, or another program that speaks docs/formats/signer.md.
type remote struct {
	url     string
	address string
	http    *http.Client
}

func openRemote(path, text string) (*Key, error) {
	var f remoteFile
	d := json.NewDecoder(strings.NewReader(text))
	d.DisallowUnknownFields()
	if err := d.Decode(&f); err != nil {
		return nil, fmt.Errorf("remote signer %s: %w", path, err)
	}
	var errs []error
	u, err := url.Parse(f.Remote)
	if err != nil || u.Scheme != "https" || u.Host == "" || u.User != nil || strings.Trim(u.Path, "/") != "" || u.RawQuery != "" {
		errs = append(errs, errors.New("remote: want https://host:port"))
	}
	raw, err := canon.UnHex(strings.TrimPrefix(f.Address, "0x"), 20)
	if err != nil || !strings.HasPrefix(f.Address, "0x") {
		errs = append(errs, errors.New("address: want 0x and 40 hexadecimal digits in lower case"))
	}
	beside := func(name string) string {
		if name == "" || filepath.IsAbs(name) {
			return name
		}
		return filepath.Join(filepath.Dir(path), name)
	}
	mutual, err := TLS(beside(f.Cert), beside(f.Key), beside(f.CA))
	if err := errors.Join(append(errs, err)...); err != nil {
		return nil, fmt.Errorf("remote signer %s: %w", path, err)
	}
	return New([20]byte(raw), &remote{
		url: "https://" + u.Host + "/v1/sign", address: f.Address,
		http: &http.Client{
			Timeout: remoteTimeout,
			// No proxy: an environment variable must not decide who sees what is signed.
			Transport:     &http.Transport{TLSClientConfig: mutual, MaxIdleConns: 2, IdleConnTimeout: time.Minute},
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
	}), nil
}

// TLS returns the settings of either side of a connection that both prove themselves
// on: a certificate and its key from PEM files, and those that the other's must come from.
func TLS(cert, key, ca string) (*tls.Config, error) {
	if cert == "" || key == "" || ca == "" {
		return nil, errors.New("cert, key and ca are needed")
	}
	if _, err := ReadSecret(key); err != nil {
		return nil, err
	}
	own, err := tls.LoadX509KeyPair(cert, key)
	if err != nil {
		return nil, fmt.Errorf("own certificate: %w", err)
	}
	data, err := os.ReadFile(ca)
	if err != nil {
		return nil, fmt.Errorf("certificates of the other side: %w", err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(data) {
		return nil, fmt.Errorf("certificates of the other side: %s holds none", ca)
	}
	return &tls.Config{
		MinVersion: tls.VersionTLS13, Certificates: []tls.Certificate{own},
		RootCAs: pool, ClientCAs: pool, ClientAuth: tls.RequireAndVerifyClientCert,
	}, nil
}

// request and answer are the bodies of POST /v1/sign. Bytes are lower-case hexadecimal.
type request struct {
	Address string `json:"address"` // with 0x
	Digest  string `json:"digest"`  // 32 bytes
}

type answer struct {
	Signature string `json:"signature"` // r and s, 64 bytes
}

// Sign implements Device.
func (r *remote) Sign(ctx context.Context, digest [32]byte) (rs [64]byte, err error) {
	body, err := json.Marshal(request{Address: r.address, Digest: canon.Hex(digest[:])})
	if err != nil {
		return rs, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, r.url, bytes.NewReader(body))
	if err != nil {
		return rs, err
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := r.http.Do(req)
	if err != nil {
		return rs, fmt.Errorf("ask the remote signer: %w", err)
	}
	defer resp.Body.Close() //nolint:errcheck // it was only read
	data, err := io.ReadAll(io.LimitReader(resp.Body, maxBody))
	if err != nil {
		return rs, fmt.Errorf("read the remote signer's answer: %w", err)
	}
	if resp.StatusCode != http.StatusOK {
		return rs, fmt.Errorf("the remote signer answers %d: %.200q", resp.StatusCode, data)
	}
	var a answer
	d := json.NewDecoder(bytes.NewReader(data))
	d.DisallowUnknownFields()
	if err := d.Decode(&a); err != nil {
		return rs, fmt.Errorf("%w: %w", ErrWrong, err)
	}
	raw, err := canon.UnHex(a.Signature, 64)
	if err != nil {
		return rs, fmt.Errorf("%w: want 128 hexadecimal digits", ErrWrong)
	}
	return [64]byte(raw), nil
}
