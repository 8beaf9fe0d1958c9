package main_test

import (
	"os/exec"
	"testing"
)

// What releases and the page leave out is still there to be left out, and nothing else is.
func TestSmall(t *testing.T) {
	if out, err := exec.Command("../small", t.TempDir()).CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}
