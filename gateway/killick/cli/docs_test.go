package cli_test

import (
	"bytes"
	"context"
	"os"
	"strings"
	"testing"

	"github.com/killick-ledger/killick/gateway/killick/cli"
)

// The commands that docs/partners.md shows are there, with the flags that it gives them.
func TestCommandsOfTheGuide(t *testing.T) {
	guide, err := os.ReadFile("../../../docs/partners.md")
	if err != nil {
		t.Fatal(err)
	}
	shown := 0
	for line := range strings.Lines(string(guide)) {
		line, _, _ = strings.Cut(line, " #")
		if !strings.HasPrefix(line, "killick ") {
			continue
		}
		shown++
		var out, errOut bytes.Buffer
		args := append(strings.Fields(line)[1:], "--help")
		if exit := cli.Run(context.Background(), args, strings.NewReader(""), &out, &errOut); exit != 0 {
			t.Errorf("%s: exit %d, %s", line, exit, errOut.String())
		}
		// The help of a group answers for a command that it does not have.
		group := "\n  killick " + args[0] + " "
		if help := out.String(); strings.Contains(help, group+"[flags]\n") && strings.Contains(help, group+"[command]\n") {
			t.Errorf("there is no such command: %s", line)
		}
	}
	if shown < 10 {
		t.Errorf("%d commands were found", shown)
	}
}
