package configuration_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/killick-ledger/killick/network/configuration"
)

type config struct {
	Name  string `yaml:"name"`
	Depth int    `yaml:"depth"`
	Flag  bool   `yaml:"flag"`
}

// Check has a value receiver: what it sees is what was read all the same.
func (c config) Check() error {
	var errs []error
	if c.Name == "" {
		errs = append(errs, errors.New("name: it is needed"))
	}
	if c.Depth < 0 {
		errs = append(errs, errors.New("depth: it is negative"))
	}
	return errors.Join(errs...)
}

func TestRead(t *testing.T) {
	for name, tt := range map[string]struct {
		text string
		want []string // none: it is read
	}{
		"all":                {text: "name: a\ndepth: 2\nflag: true\n"},
		"with a default":     {text: "---\nname: a\n...\n"},
		"unknown key":        {"name: a\ndeepth: 3\n", []string{"line 2: field deepth not found"}},
		"two unknown keys":   {"name: a\ndeepth: 3\nx: 1\n", []string{"line 2: field deepth", "line 3: field x"}},
		"key twice":          {"name: a\nname: b\n", []string{"line 2", `"name" already defined at line 1`}},
		"another type":       {"name: a\ndepth: deep\n", []string{"line 2: cannot unmarshal"}},
		"no YAML":            {"name: a\n\tdepth: 3\n", []string{"line 2"}},
		"second document":    {"name: a\n---\nname: b\n", []string{"line 2: more than one document"}},
		"empty second":       {"name: a\n---\n", []string{"line 2: more than one document"}},
		"no YAML second":     {"name: a\n---\nb: \"\n", []string{"more than one document: yaml: line 3"}},
		"nothing":            {"", []string{"no settings are in it: it is empty"}},
		"comments":           {"# only this\n", []string{"no settings are in it: it is empty"}},
		"what Check refuses": {"depth: -1\n", []string{"name: it is needed", "depth: it is negative"}},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "x.yaml")
			if err := os.WriteFile(path, []byte(tt.text), 0o600); err != nil {
				t.Fatal(err)
			}
			c := config{Depth: 2}
			err := configuration.Read(path, &c)
			if tt.want == nil {
				if err != nil || c.Name != "a" || c.Depth != 2 {
					t.Errorf("%+v, %v", c, err)
				}
				return
			}
			if alone := configuration.Unchecked(path, new(config)); name == "what Check refuses" && alone != nil || name != "what Check refuses" && (alone == nil || alone.Error() != err.Error()) {
				t.Errorf("without the check: %v", alone)
			}
			for _, want := range append(tt.want, "configuration "+path+": ") {
				if err == nil || !strings.Contains(err.Error(), want) {
					t.Errorf("%v, without %q", err, want)
				}
			}
		})
	}
	missing := filepath.Join(t.TempDir(), "none.yaml")
	if err := configuration.Read(missing, new(config)); !errors.Is(err, os.ErrNotExist) || !strings.Contains(err.Error(), missing) {
		t.Errorf("no file: %v", err)
	}
	if err := configuration.Decode(nil, new(config)); !errors.Is(err, configuration.ErrEmpty) {
		t.Errorf("no document: %v", err)
	}
}
