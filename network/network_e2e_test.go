//go:build e2e

package main_test

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// commands builds the programs and returns a function that makes a command of the
// network on a state directory of its own. KILLICK_BIN is the directory of Fabric's
// programs.
func commands(t *testing.T) (state string, command func(args ...string) *exec.Cmd) {
	t.Helper()
	built := os.Getenv("KILLICK_BIN")
	if built == "" {
		t.Fatal("KILLICK_BIN does not name the directory of the programs")
	}
	dir := t.TempDir()
	for name, path := range map[string]string{"killick-network": ".", "killick-ccaas": "./ccaas", "kv": "./cluster/testdata/kv"} {
		if out, err := exec.Command("go", "build", "-o", filepath.Join(dir, name), path).CombinedOutput(); err != nil {
			t.Fatalf("build %s: %v\n%s", path, err, out)
		}
	}
	file := filepath.Join(dir, "consortium.yaml")
	if err := os.WriteFile(file, fmt.Appendf(nil, "ports: auto\nfabric: {binaries: %s}\n", built), 0o644); err != nil {
		t.Fatal(err)
	}
	state = filepath.Join(dir, "state")
	return state, func(args ...string) *exec.Cmd {
		cmd := exec.Command(filepath.Join(dir, "killick-network"), append(args, "--dir", state, "--bin", dir, "--file", file)...)
		if args[0] == "up" {
			cmd.Args = append(cmd.Args, "--only", "fabric,chaincode", "--chaincode", filepath.Join(dir, "kv"))
		}
		return cmd
	}
}

// left lists the processes whose command line or environment names the directory.
func left(t *testing.T, dir string) []string {
	t.Helper()
	var out []string
	paths, err := filepath.Glob("/proc/[0-9]*/cmdline")
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range paths {
		line, err := os.ReadFile(p)
		if err != nil {
			continue // it has ended
		}
		environ, _ := os.ReadFile(filepath.Join(filepath.Dir(p), "environ"))
		if bytes.Contains(line, []byte(dir)) || bytes.Contains(environ, []byte(dir)) {
			out = append(out, string(bytes.ReplaceAll(line, []byte{0}, []byte{' '})))
		}
	}
	return out
}

func TestCommands(t *testing.T) {
	state, command := commands(t)
	t.Cleanup(func() {
		if out, err := command("down").CombinedOutput(); err != nil {
			t.Errorf("down: %v\n%s", err, out)
		}
		if l := left(t, state); len(l) > 0 {
			t.Errorf("processes left: %q", l)
		}
		if entries, err := os.ReadDir(state); err != nil || len(entries) > 0 {
			t.Errorf("files left: %v, %v", entries, err)
		}
	})

	// Killed anywhere, up leaves what down ends.
	for _, after := range []time.Duration{20, 60, 120, 250, 400, 700, 1500} {
		cmd := command("up")
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		time.Sleep(after * time.Millisecond) // the moment is what is tested
		if err := cmd.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		_ = cmd.Wait() // killed, so it reports an error
		if out, err := command("down").CombinedOutput(); err != nil {
			t.Fatalf("down: %v\n%s", err, out)
		}
		if l := left(t, state); len(l) > 0 {
			t.Fatalf("SIGKILL after %s left %q", after*time.Millisecond, l)
		}
	}

	// Interrupted anywhere, up leaves no process behind, and the next one goes on.
	for i, after := range []time.Duration{0, 50, 150, 300, 450, 550, 650, 750, 850, 1000, 1200} {
		cmd := command("up")
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		time.Sleep(after * time.Millisecond) // the moment is what is tested
		sig := []os.Signal{os.Interrupt, syscall.SIGTERM}[i%2]
		if err := cmd.Process.Signal(sig); err != nil {
			t.Fatal(err)
		}
		if err := cmd.Wait(); err == nil {
			// It was ready before the signal came: then it stays.
			if out, err := command("down", "--keep").CombinedOutput(); err != nil {
				t.Fatalf("down --keep: %v\n%s", err, out)
			}
		}
		if l := left(t, state); len(l) > 0 {
			t.Fatalf("%s after %s left %q", sig, after*time.Millisecond, l)
		}
	}

	up := func() string {
		t.Helper()
		out, err := command("up").CombinedOutput()
		if err != nil {
			t.Fatalf("up: %v\n%s", err, out)
		}
		return string(out)
	}
	t.Log(up())
	// status returns the table of processes, which stands below the endpoints.
	status := func() (string, error) {
		out, err := command("status").CombinedOutput()
		i := max(0, strings.Index(string(out), "NAME "))
		return string(out[i:]), err
	}
	first, err := status()
	if err != nil || strings.Count(first, " up\n") != 12 {
		t.Fatalf("status: %v\n%s", err, first)
	}

	// A second up is harmless: the same processes run.
	up()
	pids := func(table string) (out []string) {
		for _, line := range strings.Split(strings.TrimSpace(table), "\n") {
			f := strings.Fields(line)
			out = append(out, f[0]+" "+f[1])
		}
		return out
	}
	second, err := status()
	if err != nil || strings.Join(pids(first), ",") != strings.Join(pids(second), ",") {
		t.Errorf("status after a second up: %v\n%s", err, second)
	}

	// What has died is shown, and started by up.
	victim := strings.Fields(strings.Split(second, "\n")[1])
	if out, err := exec.Command("kill", "-9", victim[1]).CombinedOutput(); err != nil {
		t.Fatalf("kill: %v\n%s", err, out)
	}
	for deadline := time.Now().Add(time.Minute); ; { // the kernel takes its time
		table, err := status()
		if err != nil && strings.Contains(table, "not running: "+victim[0]) {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("status after a kill: %v\n%s", err, table)
		}
	}
	up()
	if table, err := status(); err != nil {
		t.Errorf("status after up: %v\n%s", err, table)
	}

	// Stopped and started again it is the same network.
	if out, err := command("down", "--keep").CombinedOutput(); err != nil {
		t.Fatalf("down --keep: %v\n%s", err, out)
	}
	if l := left(t, state); len(l) > 0 {
		t.Fatalf("down --keep left %q", l)
	}
	t.Log(up())
}
