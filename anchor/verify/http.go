//go:build !js

package main

import (
	"bufio"
	"cmp"
	"context"
	"crypto/tls"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"os"
	"strconv"
	"strings"
)

// maxHead bounds the status line and the fields of a reply.
const maxHead = 64 << 10

// post makes one POST request over HTTP/1.1 on a connection of its own, and returns the
// body of a reply with status 200, cut above maxReply bytes. It follows no redirect and
// retries nothing. An https URL goes through the proxy that HTTPS_PROXY names, unless
// NO_PROXY has its host. net/http would take more room than all of this program's checks.
// Errors never hold the URL, which may carry an access key.
func post(ctx context.Context, address string, body []byte) ([]byte, error) {
	u, err := url.Parse(address)
	if err != nil {
		return nil, errors.New("not a URL")
	}
	conn, err := connect(ctx, u)
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	// A connection that is closed under a read or write ends it.
	defer context.AfterFunc(ctx, func() { conn.Close() })()
	if _, err = conn.Write(request(u, body)); err == nil {
		body, err = readReply(conn)
	}
	if cause := context.Cause(ctx); err != nil && cause != nil {
		err = cause
	}
	return body, err
}

// request is what post sends.
func request(u *url.URL, body []byte) []byte {
	head := fmt.Sprintf("POST %s HTTP/1.1\r\nHost: %s\r\nUser-Agent: killick-verify\r\nAccept-Encoding: identity\r\n"+
		"Content-Type: application/json\r\nContent-Length: %d\r\nConnection: close\r\n%s\r\n", u.RequestURI(), u.Host, len(body), credentials("Authorization", u))
	return append([]byte(head), body...)
}

// connect opens a connection to the URL's host, over TLS for https.
func connect(ctx context.Context, u *url.URL) (net.Conn, error) {
	host, through := hostPort(u), proxyFor(u)
	first := host
	if through != nil {
		first = hostPort(through)
	}
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", first)
	if err != nil || u.Scheme != "https" {
		return conn, err
	}
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	defer stop()
	if through != nil {
		if err := tunnel(conn, host, through); err != nil {
			conn.Close()
			return nil, fmt.Errorf("proxy: %w", err)
		}
	}
	secure := tls.Client(conn, &tls.Config{ServerName: u.Hostname(), NextProtos: []string{"http/1.1"}})
	if err := secure.HandshakeContext(ctx); err != nil {
		conn.Close()
		return nil, err
	}
	return secure, nil
}

// hostPort is where to dial for a URL.
func hostPort(u *url.URL) string {
	port := u.Port()
	if port == "" {
		port = map[string]string{"http": "80", "https": "443"}[u.Scheme]
	}
	return net.JoinHostPort(u.Hostname(), port)
}

// proxyFor returns the proxy for a URL, nil when there is none. Only proxies that are
// spoken to in the clear are known; what goes through them is encrypted.
func proxyFor(u *url.URL) *url.URL {
	env := func(name string) string { return cmp.Or(os.Getenv(name), os.Getenv(strings.ToLower(name))) }
	proxy, err := url.Parse(env("HTTPS_PROXY"))
	if u.Scheme != "https" || err != nil || proxy.Scheme != "http" || proxy.Host == "" {
		return nil
	}
	for _, name := range strings.Split(env("NO_PROXY"), ",") {
		name = strings.TrimPrefix(strings.TrimSpace(name), ".")
		if name == "*" || name != "" && (u.Hostname() == name || strings.HasSuffix(u.Hostname(), "."+name)) {
			return nil
		}
	}
	return proxy
}

func tunnel(conn net.Conn, host string, through *url.URL) error {
	if _, err := fmt.Fprintf(conn, "CONNECT %s HTTP/1.1\r\nHost: %s\r\n%s\r\n", host, host, credentials("Proxy-Authorization", through)); err != nil {
		return err
	}
	// Byte by byte: what follows the empty line belongs to TLS.
	r := bufio.NewReaderSize(io.LimitReader(oneByOne{conn}, maxHead), 16)
	_, err := readHead(r)
	return err
}

// oneByOne reads no byte ahead.
type oneByOne struct{ io.Reader }

func (o oneByOne) Read(p []byte) (int, error) { return o.Reader.Read(p[:min(1, len(p))]) }

// credentials is the field for the user in a URL; none without one.
func credentials(field string, u *url.URL) string {
	if u.User == nil {
		return ""
	}
	password, _ := u.User.Password()
	return field + ": Basic " + base64.StdEncoding.EncodeToString([]byte(u.User.Username()+":"+password)) + "\r\n"
}

// fields are those of a reply that say how long its body is.
type fields struct {
	chunked bool
	length  int64 // -1: up to the end of the connection
}

func readReply(from io.Reader) ([]byte, error) {
	// Chunks and their lines take more room than what is in them.
	r := bufio.NewReader(io.LimitReader(from, maxHead+8*maxReply))
	f, err := readHead(r)
	switch {
	case err != nil:
		return nil, err
	case f.chunked:
		return readChunks(r)
	case f.length < 0:
		return io.ReadAll(io.LimitReader(r, maxReply+1))
	}
	body := make([]byte, min(f.length, maxReply+1))
	_, err = io.ReadFull(r, body)
	return body, err
}

// readHead reads a status line and the fields after it; a status other than 200 is an
// error.
func readHead(r *bufio.Reader) (f fields, err error) {
	for {
		status, err := readLine(r)
		if err != nil {
			return f, err
		}
		words := strings.SplitN(status, " ", 3)
		if len(words) < 2 || words[0] != "HTTP/1.1" && words[0] != "HTTP/1.0" || len(words[1]) != 3 {
			return f, fmt.Errorf("a reply that is not HTTP: %.40q", status)
		}
		if f, err = readFields(r); err != nil {
			return f, err
		}
		switch {
		case words[1] == "200":
			return f, nil
		case words[1][0] != '1' || words[1] == "101": // others of this kind announce a reply
			return f, fmt.Errorf("HTTP status %.3s", words[1])
		}
	}
}

func readFields(r *bufio.Reader) (fields, error) {
	f := fields{length: -1}
	for {
		line, err := readLine(r)
		if err != nil || line == "" {
			return f, err
		}
		name, value, ok := strings.Cut(line, ":")
		value = strings.TrimSpace(value)
		switch strings.ToLower(name) {
		case "transfer-encoding":
			if f.chunked = strings.EqualFold(value, "chunked"); !f.chunked {
				return f, fmt.Errorf("a reply in the encoding %.40q", value)
			}
		case "content-encoding":
			if !strings.EqualFold(value, "identity") {
				return f, fmt.Errorf("a reply in the encoding %.40q", value)
			}
		case "content-length":
			if f.length, err = strconv.ParseInt(value, 10, 63); err != nil || f.length < 0 {
				return f, errors.New("a reply without a good length")
			}
		}
		if !ok {
			return f, fmt.Errorf("a reply that is not HTTP: %.40q", line)
		}
	}
}

// readChunks reads a body in chunks (RFC 9112 section 7.1) up to its last one.
func readChunks(r *bufio.Reader) ([]byte, error) {
	var body []byte
	for {
		line, err := readLine(r)
		if err != nil {
			return nil, err
		}
		digits, _, _ := strings.Cut(line, ";")
		size, err := strconv.ParseUint(strings.TrimSpace(digits), 16, 32)
		switch {
		case err != nil:
			return nil, fmt.Errorf("a reply with a chunk of %.40q bytes", digits)
		case size == 0:
			return body, nil
		}
		chunk := make([]byte, min(size, maxReply+1))
		if _, err := io.ReadFull(r, chunk); err != nil {
			return nil, err
		}
		if body = append(body, chunk...); len(body) > maxReply {
			return body[:maxReply+1], nil // it is too long as it is
		}
		if line, err = readLine(r); err != nil || line != "" {
			return nil, errors.New("a reply whose chunks are longer than they say")
		}
	}
}

// readLine reads a line that ends as HTTP has it; the reader bounds it.
func readLine(r *bufio.Reader) (string, error) {
	line, err := r.ReadString('\n')
	if err == io.EOF {
		err = io.ErrUnexpectedEOF
	}
	return strings.TrimRight(line, "\r\n"), err
}
