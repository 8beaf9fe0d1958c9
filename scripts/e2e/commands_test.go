//go:build e2e

package e2e_test

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// left lists the processes whose command line or environment names a folder.
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

// noneLeft wants every process of a folder to be gone soon.
func noneLeft(t *testing.T, dir string) {
	t.Helper()
	until(t, time.Minute, "processes end", func() error {
		if l := left(t, dir); len(l) > 0 {
			return fmt.Errorf("%d are left: %q", len(l), l)
		}
		return nil
	})
}

// interrupt starts a program, sends it a signal once it has printed so many
// lines, and waits for its end. It returns what was printed and how it ended.
func interrupt(t *testing.T, cmd *exec.Cmd, lines int, signal syscall.Signal) (string, error) {
	t.Helper()
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	// One that does not end is a failure, and must not outlive the test.
	watchdog := time.AfterFunc(5*time.Minute, func() { _ = cmd.Process.Kill() })
	defer watchdog.Stop()
	var printed strings.Builder
	out := bufio.NewReader(stdout)
	for range lines {
		line, err := out.ReadString('\n')
		printed.WriteString(line)
		if err != nil {
			break
		}
	}
	if err := cmd.Process.Signal(signal); err != nil {
		t.Fatalf("%v\n%s%s", err, printed.String(), stderr.String())
	}
	rest, _ := io.ReadAll(out)
	err = cmd.Wait()
	return printed.String() + string(rest) + stderr.String(), err
}

// Interrupted or killed anywhere, the demo leaves no process behind; interrupted,
// no file either.
func TestDemoInterrupted(t *testing.T) {
	bin := programs(t)
	const bringUp, story = 15, 45 // lines: while the network comes up, and in the story
	for _, tt := range []struct {
		signal   syscall.Signal
		from, to int
	}{
		{syscall.SIGINT, 1, bringUp}, {syscall.SIGINT, bringUp, story}, {syscall.SIGKILL, 1, bringUp}, {syscall.SIGKILL, bringUp, story},
	} {
		lines := tt.from + rand.IntN(tt.to-tt.from)
		t.Run(fmt.Sprintf("%s after %d lines", tt.signal, lines), func(t *testing.T) {
			dir := t.TempDir()
			cmd := exec.Command(filepath.Join(bin, "killick-demo"), "--bin", bin)
			cmd.Dir = repository
			cmd.Env = append(os.Environ(), "TMPDIR="+dir)
			printed, err := interrupt(t, cmd, lines, tt.signal)
			ended := time.Now()
			if err == nil {
				t.Errorf("it went on to its end:\n%s", printed)
			}
			if tt.signal == syscall.SIGKILL {
				// What it had started for one question at a time ends once it is answered, or
				// cannot be.
				noneLeft(t, dir)
				t.Logf("nothing was left after %.1f s", time.Since(ended).Seconds())
				return
			}
			if l := left(t, dir); len(l) > 0 {
				t.Errorf("processes are left: %q\n%s", l, printed)
			}
			if entries, err := os.ReadDir(dir); err != nil || len(entries) > 0 {
				t.Errorf("files are left: %v, %v\n%s", entries, err, printed)
			}
		})
	}
}

// up is a network on a state folder of its own, by the commands that make up,
// make status and make down run.
type up struct {
	t               *testing.T
	bin, state, dir string
}

func (u up) command(args ...string) *exec.Cmd {
	args = append(args, "--dir", u.state, "--bin", u.bin, "--file", filepath.Join(u.dir, "consortium.yaml"))
	return exec.Command(filepath.Join(u.bin, "killick-network"), args...)
}

func (u up) run(args ...string) string {
	u.t.Helper()
	out, err := u.command(args...).CombinedOutput()
	if err != nil {
		u.t.Fatalf("%v: %v\n%s", args, err, out)
	}
	return string(out)
}

// pids reads the table that status prints.
func (u up) pids() map[string]string {
	u.t.Helper()
	pids := map[string]string{}
	_, table, _ := strings.Cut(u.run("status"), "NAME ")
	for _, line := range strings.Split(strings.TrimSpace(table), "\n")[1:] {
		f := strings.Fields(line)
		pids[f[0]] = f[1]
	}
	return pids
}

// The whole consortium by its commands: interrupted anywhere up leaves no process,
// up twice is harmless, up restarts what has died, a busy port is named, down
// removes everything.
func TestUpAndDown(t *testing.T) {
	u := up{t: t, bin: programs(t), dir: t.TempDir()}
	u.state = filepath.Join(u.dir, "state")
	configure := func(ports string) {
		if err := os.WriteFile(filepath.Join(u.dir, "consortium.yaml"), []byte("ports: "+ports+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	configure("auto")
	t.Cleanup(func() {
		if out, err := u.command("down").CombinedOutput(); err != nil {
			t.Errorf("down: %v\n%s", err, out)
		}
		if l := left(t, u.state); len(l) > 0 {
			t.Errorf("processes are left: %q", l)
		}
	})
	for _, signal := range []syscall.Signal{syscall.SIGINT, syscall.SIGTERM} {
		lines := rand.IntN(12)
		printed, err := interrupt(t, u.command("up"), lines, signal)
		if l := left(t, u.state); err == nil || len(l) > 0 {
			t.Errorf("up, %s after %d lines: %v, processes left: %q\n%s", signal, lines, err, l, printed)
		}
	}
	u.run("up")
	first := u.pids()
	if len(first) != 4*4+2+2 {
		t.Errorf("%d processes: %v", len(first), first)
	}
	u.run("up")
	for name, pid := range u.pids() {
		if first[name] != pid {
			t.Errorf("a second up started %s again", name)
		}
	}

	victims := []string{"gateway.org1", "anchor.org3", "peer.org2"}
	for _, name := range victims {
		pid, err := strconv.Atoi(first[name])
		if err != nil {
			t.Fatal(err)
		}
		if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
	}
	until(t, time.Minute, "status names the dead", func() error {
		out, err := u.command("status").CombinedOutput()
		if err == nil || !strings.Contains(string(out), "not running: anchor.org3, gateway.org1, peer.org2") {
			return fmt.Errorf("%v: %s", err, out)
		}
		return nil
	})
	u.run("up")
	after := u.pids()
	for name, pid := range first {
		restarted := after[name] != pid
		if killed := name == victims[0] || name == victims[1] || name == victims[2]; restarted != killed {
			t.Errorf("%s: killed %v, restarted %v", name, killed, restarted)
		}
	}

	// Another network on the same ports.
	other := up{t: t, bin: u.bin, dir: t.TempDir()}
	other.state = filepath.Join(other.dir, "state")
	base := u.base()
	if err := os.WriteFile(filepath.Join(other.dir, "consortium.yaml"), fmt.Appendf(nil, "ports: %d\n", base), 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := other.command("up").CombinedOutput()
	if err == nil || !strings.Contains(string(out), fmt.Sprintf("port %d of peer.org1 is taken", base+20)) || !strings.Contains(string(out), "setting ports") {
		t.Errorf("up on busy ports: %v\n%s", err, out)
	}
	if l := left(t, other.state); len(l) > 0 {
		t.Errorf("processes are left: %q", l)
	}

	u.run("down")
	if l := left(t, u.state); len(l) > 0 {
		t.Errorf("down left %q", l)
	}
	if entries, err := os.ReadDir(u.state); err != nil || len(entries) > 0 {
		t.Errorf("down left %v, %v", entries, err)
	}
}

// base is the first port of the network.
func (u up) base() int {
	u.t.Helper()
	data, err := os.ReadFile(filepath.Join(u.state, "network.json"))
	if err != nil {
		u.t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(data), `"base":`)
	var base int
	if _, err := fmt.Sscan(strings.TrimRight(strings.TrimSpace(rest), "}"), &base); err != nil {
		u.t.Fatalf("%s: %v", data, err)
	}
	return base
}
