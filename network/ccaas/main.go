// Command ccaas is Fabric's external builder for chaincode that runs as a service.
// A peer calls it as bin/detect, bin/build and bin/release (one program under three
// names) with the directories that Fabric's external builder contract gives. It
// accepts packages of type ccaas, and hands the peer the connection.json of the
// package, completed with the client key pair that KILLICK_CCAAS_CLIENT points to
// (a directory with server.crt and server.key). It never starts a process.
package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
)

// clientEnv names the directory of the peer's own TLS key pair.
const clientEnv = "KILLICK_CCAAS_CLIENT"

const usage = `killick-ccaas is an external builder of Hyperledger Fabric for chaincode as a
service. A peer calls it under the names detect, build and release:
  detect  SOURCE METADATA          exit 0 when METADATA/metadata.json says type ccaas
  build   SOURCE METADATA OUTPUT   check SOURCE/connection.json and copy it to OUTPUT
  release OUTPUT RELEASE           write RELEASE/chaincode/server/connection.json, with
                                   the client key pair from $` + clientEnv + `
`

func main() {
	if err := run(filepath.Base(os.Args[0]), os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(name string, args []string) error {
	switch {
	case name == "detect" && len(args) == 2:
		return detect(args[1])
	case name == "build" && len(args) == 3:
		return build(args[0], args[2])
	case name == "release" && len(args) == 2:
		return release(args[0], args[1])
	case len(args) == 1 && (args[0] == "--help" || args[0] == "-h"):
		_, err := io.WriteString(os.Stdout, usage)
		return err
	default:
		return fmt.Errorf("%s with %d arguments\n%s", name, len(args), usage)
	}
}

func detect(metadata string) error {
	data, err := os.ReadFile(filepath.Join(metadata, "metadata.json"))
	if err != nil {
		return fmt.Errorf("detect: %w", err)
	}
	var m struct {
		Type string `json:"type"`
	}
	if err := json.Unmarshal(data, &m); err != nil {
		return fmt.Errorf("detect: metadata.json: %w", err)
	}
	if m.Type != "ccaas" {
		return fmt.Errorf("detect: package type %q is not ccaas", m.Type)
	}
	return nil
}

// connection is the peer's connection.json. Fabric reads these fields and no other.
type connection struct {
	Address            string `json:"address"`
	Domain             string `json:"domain,omitempty"`
	DialTimeout        string `json:"dial_timeout,omitempty"`
	TLSRequired        bool   `json:"tls_required"`
	ClientAuthRequired bool   `json:"client_auth_required,omitempty"`
	ClientKey          string `json:"client_key,omitempty"`
	ClientCert         string `json:"client_cert,omitempty"`
	RootCert           string `json:"root_cert,omitempty"`
}

func read(dir string) (connection, error) {
	var c connection
	f, err := os.Open(filepath.Join(dir, "connection.json"))
	if err != nil {
		return c, err
	}
	defer f.Close()
	d := json.NewDecoder(f)
	d.DisallowUnknownFields()
	if err := d.Decode(&c); err != nil {
		return c, fmt.Errorf("connection.json: %w", err)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return c, errors.New("connection.json: data after the object")
	}
	if c.Address == "" {
		return c, errors.New("connection.json: address is missing")
	}
	return c, nil
}

func write(dir string, c connection) error {
	data, err := json.Marshal(c)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, "connection.json"), data, 0o600)
}

func build(source, output string) error {
	c, err := read(source)
	if err != nil {
		return fmt.Errorf("build: %w", err)
	}
	if err := write(output, c); err != nil {
		return fmt.Errorf("build: %w", err)
	}
	return nil
}

func release(output, dir string) error {
	c, err := read(output)
	if err != nil {
		return fmt.Errorf("release: %w", err)
	}
	if c.ClientAuthRequired && c.ClientKey == "" {
		if err := addClient(&c, os.Getenv(clientEnv)); err != nil {
			return fmt.Errorf("release: %w", err)
		}
	}
	if err := write(filepath.Join(dir, "chaincode", "server"), c); err != nil {
		return fmt.Errorf("release: %w", err)
	}
	return nil
}

func addClient(c *connection, dir string) error {
	if dir == "" {
		return fmt.Errorf("the service asks for a client certificate and %s is not set", clientEnv)
	}
	cert, err := os.ReadFile(filepath.Join(dir, "server.crt"))
	if err != nil {
		return err
	}
	key, err := os.ReadFile(filepath.Join(dir, "server.key"))
	if err != nil {
		return err
	}
	c.ClientCert, c.ClientKey = string(cert), string(key)
	return nil
}
