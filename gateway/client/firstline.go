package client

import (
	"bytes"
	"fmt"
	"os"
)

// FirstLine reads a secret, a passphrase or a token, from a file: what is before the first
// line feed or, without one, before the end of the file. One carriage return at the end of
// that belongs to the line's end. Nothing else is cut, so a passphrase may begin and end with
// white space. A first line with nothing in it is an error. All programs that read
// passphrases from files read them here: what opens a key file in one opens it in all.
func FirstLine(path string) ([]byte, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("read first line: %w", err)
	}
	line, _, _ := bytes.Cut(data, []byte("\n"))
	if line = bytes.TrimSuffix(line, []byte("\r")); len(line) == 0 {
		return nil, fmt.Errorf("the first line of %s is empty", path)
	}
	return line, nil
}
