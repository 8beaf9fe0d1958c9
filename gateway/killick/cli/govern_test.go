package cli_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/killick-ledger/killick/gateway/killick/cli"
)

// What stands behind govern reaches the operators' program as it is, and its exit
// code comes back.
func TestGovernRunsTheOperatorsProgram(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("PATH", dir+string(os.PathListSeparator)+os.Getenv("PATH"))
	var out, errOut strings.Builder
	run := func(args ...string) int {
		out.Reset()
		errOut.Reset()
		return cli.Run(t.Context(), args, strings.NewReader(""), &out, &errOut)
	}
	if code := run("govern", "show"); code != 1 || !strings.Contains(errOut.String(), "make build") {
		t.Errorf("without the program: exit code %d, %s", code, errOut.String())
	}
	script := "#!/bin/sh\nprintf '%s|' \"$@\"\ntest \"$2\" != refused || { echo no >&2; exit 2; }\n"
	if err := os.WriteFile(filepath.Join(dir, "killick-network"), []byte(script), 0o700); err != nil {
		t.Fatal(err)
	}
	if code := run("govern", "propose", "--org", "Org2MSP", "stopped", `["reward"]`); code != 0 || out.String() != `govern|propose|--org|Org2MSP|stopped|["reward"]|` {
		t.Errorf("exit code %d, %q, %s", code, out.String(), errOut.String())
	}
	if code := run("govern", "refused"); code != 2 || errOut.String() != "no\n" {
		t.Errorf("exit code %d, %q", code, errOut.String())
	}
}
