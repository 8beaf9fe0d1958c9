package main

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"

	"gopkg.in/yaml.v3"
)

// Config is the configuration file. Every member is required.
type Config struct {
	// Listen is the address at which the peer finds this service, host:port.
	Listen string `yaml:"listen"`
	// PackageID is the id that the peer gave to the installed package.
	PackageID string `yaml:"package_id"`
	// TLS are the files of mutual TLS.
	TLS TLS `yaml:"tls"`
	// Organisation is the MSP id of the organisation that runs this service. It
	// appears in logs and decides nothing.
	Organisation string `yaml:"organisation"`
}

// TLS names PEM files. ClientCA issued the certificate with which the peer
// introduces itself.
type TLS struct {
	Cert     string `yaml:"cert"`
	Key      string `yaml:"key"`
	ClientCA string `yaml:"client_ca"`
}

func readConfig(path string) (*Config, error) {
	if path == "" {
		return nil, errors.New("say --config FILE (--help for more)")
	}
	file, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("read configuration: %w", err)
	}
	defer file.Close()
	decoder := yaml.NewDecoder(file)
	decoder.KnownFields(true)
	c := new(Config)
	if err := decoder.Decode(c); err != nil && !errors.Is(err, io.EOF) { // which leaves all to be missing
		return nil, fmt.Errorf("read configuration %s: %w", path, err)
	}
	if err := decoder.Decode(new(any)); !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("read configuration %s: more than one document", path)
	}
	if err := c.Check(); err != nil {
		return nil, fmt.Errorf("configuration %s:\n%w", path, err)
	}
	return c, nil
}

// Check reports every mistake at once.
func (c *Config) Check() error {
	var mistakes []error
	required := []struct{ name, value string }{
		{"package_id", c.PackageID}, {"organisation", c.Organisation},
		{"tls.cert", c.TLS.Cert}, {"tls.key", c.TLS.Key}, {"tls.client_ca", c.TLS.ClientCA},
	}
	for _, r := range required {
		if r.value == "" {
			mistakes = append(mistakes, fmt.Errorf("%s is missing", r.name))
		}
	}
	if _, port, err := net.SplitHostPort(c.Listen); err != nil || port == "" {
		mistakes = append(mistakes, fmt.Errorf("listen %q is not host:port", c.Listen))
	}
	return errors.Join(mistakes...)
}
