//go:build !js

package main

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
)

// The replies that servers send, and those that none should.
func TestReplies(t *testing.T) {
	const head = "HTTP/1.1 200 OK\r\n"
	long := strings.Repeat("x", maxReply+100)
	tests := []struct {
		name, reply, body, err string
	}{
		{"length", head + "Content-Length: 2\r\n\r\nhixx", "hi", ""},
		{"no length", "HTTP/1.0 200 OK\r\n\r\nhi", "hi", ""},
		{"chunks", head + "transfer-encoding: chunked\r\n\r\n1\r\nh\r\n1;a=b\r\ni\r\n0\r\n\r\n", "hi", ""},
		{"announced", "HTTP/1.1 103 Early\r\nLink: x\r\n\r\n" + head + "Content-Length: 2\r\n\r\nhi", "hi", ""},
		{"too long", head + fmt.Sprintf("Content-Length: %d\r\n\r\n", len(long)) + long, long[:maxReply+1], ""},
		{"too long without a length", head + "\r\n" + long, long[:maxReply+1], ""},
		{"a chunk that is too long", head + fmt.Sprintf("Transfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n0\r\n\r\n", len(long), long), long[:maxReply+1], ""},
		{"redirect", "HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1/\r\n\r\n", "", "HTTP status 302"},
		{"refused", "HTTP/1.1 401 Unauthorized\r\n\r\n", "", "HTTP status 401"},
		{"another protocol from here on", "HTTP/1.1 101 Switching\r\n\r\n", "", "HTTP status 101"},
		{"ends early", head + "Content-Length: 9\r\n\r\nhi", "", "unexpected EOF"},
		{"ends within chunks", head + "Transfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n", "", "unexpected EOF"},
		{"a chunk without size", head + "Transfer-Encoding: chunked\r\n\r\nx\r\n", "", "a chunk of"},
		{"a chunk longer than it says", head + "Transfer-Encoding: chunked\r\n\r\n1\r\nhi\r\n0\r\n\r\n", "", "longer than they say"},
		{"compressed", head + "Content-Encoding: gzip\r\n\r\nhi", "", "encoding"},
		{"another transfer", head + "Transfer-Encoding: gzip\r\n\r\nhi", "", "encoding"},
		{"a length below nothing", head + "Content-Length: -1\r\n\r\n", "", "good length"},
		{"no HTTP", "SSH-2.0-x\r\n\r\n", "", "not HTTP"},
		{"no fields", head + "no field\r\n\r\n", "", "not HTTP"},
		{"nothing", "", "", "unexpected EOF"},
		{"a head without end", head + strings.Repeat("a: b\r\n", 4<<20), "", "unexpected EOF"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			body, err := readReply(strings.NewReader(tt.reply))
			if tt.err == "" && (err != nil || string(body) != tt.body) || tt.err != "" && (err == nil || !strings.Contains(err.Error(), tt.err)) {
				t.Errorf("%d bytes, %v", len(body), err)
			}
		})
	}
}

// An https endpoint is reached through the proxy that the environment names, which sees
// where to and nothing else; its certificate is checked either way.
func TestProxy(t *testing.T) {
	secure := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		user, password, _ := r.BasicAuth()
		body, _ := io.ReadAll(r.Body)
		fmt.Fprint(w, user, password, string(body), r.URL.RequestURI())
	}))
	defer secure.Close()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	asked := make(chan string, 4)
	go func() {
		for {
			from, err := l.Accept()
			if err != nil {
				return
			}
			r, err := http.ReadRequest(bufio.NewReader(from))
			if err != nil {
				return
			}
			asked <- r.Method + " " + r.Host + " " + r.Header.Get("Proxy-Authorization")
			to, err := net.Dial("tcp", r.Host)
			if err != nil {
				return
			}
			fmt.Fprint(from, "HTTP/1.1 200 Connection established\r\n\r\n")
			go io.Copy(to, from)
			go io.Copy(from, to)
		}
	}()
	t.Setenv("HTTPS_PROXY", "http://u:p@"+l.Addr().String())
	u, err := url.Parse(secure.URL)
	if err != nil {
		t.Fatal(err)
	}
	address := "https://a:b@" + u.Host + "/path?key=1"
	if _, err := post(t.Context(), address, []byte("hello")); err == nil || !strings.Contains(err.Error(), "certificate") {
		t.Errorf("a certificate of nobody: %v", err)
	}
	if got := <-asked; got != "CONNECT "+u.Host+" Basic dTpw" {
		t.Errorf("the proxy was asked %q", got)
	}
	// Many set both names, and where names have no case both are always set.
	t.Setenv("https_proxy", "http://u:p@"+l.Addr().String())
	if through := proxyFor(u); through == nil || through.Host != l.Addr().String() {
		t.Errorf("with both names the proxy is %v", through)
	}
	t.Setenv("no_proxy", "example.org, 127.0.0.1")
	t.Setenv("NO_PROXY", "example.org, 127.0.0.1")
	if proxyFor(u) != nil {
		t.Error("a proxy in spite of NO_PROXY")
	}
	roots := x509.NewCertPool()
	roots.AddCert(secure.Certificate())
	conn, err := tls.Dial("tcp", u.Host, &tls.Config{RootCAs: roots, NextProtos: []string{"http/1.1"}})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	to, _ := url.Parse(address)
	conn.Write(request(to, []byte("hello")))
	if body, err := readReply(conn); err != nil || string(body) != "abhello/path?key=1" {
		t.Errorf("%q, %v", body, err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := post(ctx, secure.URL, nil); err == nil {
		t.Error("a cancelled request has an answer")
	}
}

func FuzzReply(f *testing.F) {
	f.Add([]byte("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi"))
	f.Add([]byte("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n"))
	f.Fuzz(func(t *testing.T, raw []byte) {
		if body, err := readReply(strings.NewReader(string(raw))); err == nil && len(body) > maxReply+1 {
			t.Errorf("%d bytes", len(body))
		}
	})
}
