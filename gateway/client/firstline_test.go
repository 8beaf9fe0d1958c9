package client_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/killick-ledger/killick/gateway/client"
)

// A secret is the first line of a file, byte for byte, but for the line's end.
func TestFirstLine(t *testing.T) {
	for name, tt := range map[string]struct{ text, want string }{
		"a line":                       {"correct horse\n", "correct horse"},
		"without an end":               {"correct horse", "correct horse"},
		"more lines":                   {"correct horse\nbattery\n", "correct horse"},
		"an end of two bytes":          {"correct horse\r\nbattery\r\n", "correct horse"},
		"a carriage return at last":    {"correct horse\r", "correct horse"},
		"two of them":                  {"correct horse\r\r\n", "correct horse\r"},
		"one within":                   {"correct\rhorse\n", "correct\rhorse"},
		"white space around":           {" \tcorrect horse\t \n", " \tcorrect horse\t "},
		"white space alone":            {"  \n", "  "},
		"a byte order mark":            {"\ufeffcorrect horse\n", "\ufeffcorrect horse"},
		"other line breaks of Unicode": {"correct\u2028horse\u0085\n", "correct\u2028horse\u0085"},
		"nothing":                      {"", ""},
		"an empty line":                {"\ncorrect horse\n", ""},
		"an empty line of two bytes":   {"\r\ncorrect horse\n", ""},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "pass")
			if err := os.WriteFile(path, []byte(tt.text), 0o600); err != nil {
				t.Fatal(err)
			}
			got, err := client.FirstLine(path)
			if string(got) != tt.want {
				t.Errorf("%q, want %q", got, tt.want)
			}
			if empty := tt.want == ""; empty != (err != nil) || empty && !strings.Contains(err.Error(), "the first line of "+path+" is empty") {
				t.Errorf("error %v", err)
			}
		})
	}
	missing := filepath.Join(t.TempDir(), "none")
	if _, err := client.FirstLine(missing); !errors.Is(err, os.ErrNotExist) || !strings.Contains(err.Error(), missing) {
		t.Errorf("no file: %v", err)
	}
}
