// Package configuration reads the YAML that people write for programs, strictly: a key that
// the program does not know, a key that is there twice and a second document are mistakes, so
// nothing in a file is passed over. What the values mean it leaves to Check.
package configuration

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"

	"gopkg.in/yaml.v3"
)

// ErrEmpty says that there is nothing to be read.
var ErrEmpty = errors.New("no settings are in it: it is empty, or has comments alone")

// Read reads the file at path into c, a pointer, and checks it. What the file leaves out
// stays in c as it is. Errors name the file and, where the YAML is at fault, all lines that
// are.
func Read(path string, c interface{ Check() error }) error {
	if err := Unchecked(path, c); err != nil {
		return err
	}
	if err := c.Check(); err != nil {
		return fmt.Errorf("configuration %s: %w", path, err)
	}
	return nil
}

// Unchecked is Read without the check, for those who cannot check the settings by
// themselves, or need a part of them alone.
func Unchecked(path string, into any) error {
	data, err := os.ReadFile(path)
	if err != nil {
		return fmt.Errorf("read configuration: %w", err)
	}
	if err := Decode(data, into); err != nil {
		return fmt.Errorf("configuration %s: %w", path, err)
	}
	return nil
}

// Decode reads one document into what the pointer points at. No document at all is ErrEmpty.
func Decode(data []byte, into any) error {
	d := yaml.NewDecoder(bytes.NewReader(data))
	d.KnownFields(true)
	switch err := d.Decode(into); {
	case errors.Is(err, io.EOF):
		return ErrEmpty
	case err != nil:
		return err
	}
	var second yaml.Node
	switch err := d.Decode(&second); {
	case errors.Is(err, io.EOF):
		return nil
	case err != nil:
		return fmt.Errorf("more than one document: %w", err)
	}
	return fmt.Errorf("line %d: more than one document", second.Line)
}
