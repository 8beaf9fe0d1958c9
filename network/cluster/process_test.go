package cluster_test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/killick-ledger/killick/network/cluster"
	"github.com/killick-ledger/killick/network/topology"
)

const helperEnv = "KILLICK_TEST_HELPER_DIR"

// TestMain is also the helper that starts a child and waits to be killed.
func TestMain(m *testing.M) {
	if dir := os.Getenv(helperEnv); dir != "" {
		p := cluster.NewProcs(dir, dir, true)
		if _, err := p.Start("child", "/bin/sleep", "300"); err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
		pid, _ := p.Find("child")
		fmt.Println(pid)
		tool := exec.Command("/bin/sh", "-c", "echo $$; exec sleep 300")
		tool.Stdout = os.Stdout
		if err := p.Run(tool); err != nil {
			fmt.Println(err)
		}
		os.Exit(1)
	}
	os.Exit(m.Run())
}

func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	deadline := time.After(time.Minute)
	for !ok() {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("not within a minute: %s", what)
		}
	}
}

func TestProcess(t *testing.T) {
	for _, attached := range []bool{false, true} {
		t.Run(fmt.Sprintf("attached=%t", attached), func(t *testing.T) {
			dir := t.TempDir()
			p := cluster.NewProcs(dir, dir, attached)
			began, err := p.Start("a", "/bin/sleep", "300")
			if err != nil || !began {
				t.Fatalf("start = %t, %v", began, err)
			}
			first, alive := p.Find("a")
			if !alive {
				t.Fatal("it is not alive")
			}
			if began, err := p.Start("a", "/bin/sleep", "300"); err != nil || began {
				t.Errorf("second start = %t, %v; want it left alone", began, err)
			}
			// Another value over the same directory sees the same process.
			if pid, alive := cluster.NewProcs(dir, dir, attached).Find("a"); pid != first || !alive {
				t.Errorf("found %d, %t", pid, alive)
			}
			if err := p.Kill("a"); err != nil {
				t.Error(err)
			}
			if err := p.Kill("a"); err == nil {
				t.Error("a dead process was killed")
			}
			if began, err := p.Start("a", "/bin/sleep", "300"); err != nil || !began {
				t.Errorf("start after kill = %t, %v", began, err)
			}
			second, _ := p.Find("a")
			if err := p.Stop("a"); err != nil {
				t.Error(err)
			}
			if cluster.Alive(first) || cluster.Alive(second) || len(p.Names()) != 0 {
				t.Errorf("left: %t %t %v", cluster.Alive(first), cluster.Alive(second), p.Names())
			}
		})
	}
}

func TestReusedPID(t *testing.T) {
	dir := t.TempDir()
	p := cluster.NewProcs(dir, dir, false)
	// Our own pid with another start time: a process that got the pid later.
	if err := p.Record("a", os.Getpid(), 1); err != nil {
		t.Fatal(err)
	}
	if _, alive := p.Find("a"); alive {
		t.Error("another process was taken for ours")
	}
	if err := p.Kill("a"); err == nil {
		t.Error("kill of another process succeeded")
	}
	if err := p.Stop("a"); err != nil { // ends this test if it is wrong
		t.Error(err)
	}
	for name, content := range map[string]string{"b": "", "c": "{", "d": `{"pid":-1}`} {
		if err := os.WriteFile(filepath.Join(dir, name+".json"), []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
		if _, alive := p.Find(name); alive {
			t.Errorf("run file %q counts as alive", content)
		}
	}
}

// What nobody recorded, because whoever started it was killed at that moment, is ended
// all the same; so is what a recorded process left behind, and nothing else.
func TestStrays(t *testing.T) {
	dir, other := t.TempDir(), t.TempDir()
	p, q := cluster.NewProcs(dir, dir, false), cluster.NewProcs(other, other, false)
	start := func(p *cluster.Procs, name, path string, args ...string) int {
		t.Helper()
		if _, err := p.Start(name, path, args...); err != nil {
			t.Fatal(err)
		}
		pid, _ := p.Find(name)
		return pid
	}
	stray, known := start(p, "a", "/bin/sleep", "300"), start(p, "b", "/bin/sleep", "300")
	elsewhere := start(q, "a", "/bin/sleep", "300")
	parent := start(p, "c", "/bin/sh", "-c", "sleep 300 & echo $! >"+filepath.Join(dir, "pid")+"; wait")
	child := 0
	eventually(t, "the child's pid", func() bool {
		text, _ := os.ReadFile(filepath.Join(dir, "pid"))
		var err error
		child, err = strconv.Atoi(strings.TrimSpace(string(text)))
		return err == nil
	})
	t.Cleanup(func() {
		if err := errors.Join(p.Stop(p.Names()...), p.EndStrays(), q.Stop("a")); err != nil {
			t.Error(err)
		}
	})
	if err := os.Remove(filepath.Join(dir, "a.json")); err != nil {
		t.Fatal(err)
	}
	if err := p.EndStrays(); err != nil {
		t.Fatal(err)
	}
	for what, c := range map[string]struct {
		pid   int
		alive bool
	}{"the stray": {stray, false}, "a recorded process": {known, true}, "its child": {child, true}, "another directory's": {elsewhere, true}} {
		if cluster.Alive(c.pid) != c.alive {
			t.Errorf("%s is alive: %t", what, !c.alive)
		}
	}
	if err := errors.Join(p.Kill("c"), p.EndStrays()); err != nil || cluster.Alive(parent) || cluster.Alive(child) {
		t.Errorf("%v; the child of a process that was killed is alive: %t", err, cluster.Alive(child))
	}
}

func TestAttachedDiesWithParent(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(self)
	cmd.Env = append(os.Environ(), helperEnv+"="+t.TempDir())
	out, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewReader(out)
	var pids []int
	for range 2 {
		line, err := lines.ReadString('\n')
		if err != nil {
			t.Fatal(err)
		}
		pid, err := strconv.Atoi(strings.TrimSpace(line))
		if err != nil || !cluster.Alive(pid) {
			t.Fatalf("helper says %q", line)
		}
		pids = append(pids, pid)
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait() // killed, so it reports an error
	eventually(t, "the child and the tool ended after their parent was killed", func() bool {
		return !cluster.Alive(pids[0]) && !cluster.Alive(pids[1])
	})
}

func TestSteps(t *testing.T) {
	var mu sync.Mutex
	var ran []string
	do := func(name string) func(context.Context) error {
		return func(context.Context) error {
			mu.Lock()
			defer mu.Unlock()
			ran = append(ran, name)
			return nil
		}
	}
	steps := []cluster.Step{
		{"c", cluster.Fabric, []string{"a", "b"}, do("c")},
		{"d", cluster.Ledger, []string{"c", "not wanted"}, do("d")},
		{"not wanted", cluster.Chains, []string{"a"}, do("not wanted")},
		{"b", cluster.Fabric, []string{"a"}, do("b")},
		{"a", cluster.Fabric, nil, do("a")},
	}
	var out bytes.Buffer
	if err := cluster.RunSteps(t.Context(), steps, cluster.Fabric|cluster.Ledger, &out); err != nil {
		t.Fatal(err)
	}
	if want := []string{"a", "b", "c", "d"}; !slices.Equal(ran, want) {
		t.Errorf("order = %v; want %v", ran, want)
	}
	if n := strings.Count(out.String(), "\n"); n != 4 {
		t.Errorf("progress:\n%s", out.String())
	}
}

func TestStepsStopAtTheFirstError(t *testing.T) {
	broken := errors.New("broken")
	var later bool
	err := cluster.RunSteps(t.Context(), []cluster.Step{
		{"fails", cluster.Fabric, nil, func(context.Context) error { return broken }},
		{"waits", cluster.Fabric, nil, func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }},
		{"later", cluster.Fabric, []string{"fails"}, func(context.Context) error { later = true; return nil }},
	}, cluster.All, &bytes.Buffer{})
	if !errors.Is(err, broken) || !strings.HasPrefix(err.Error(), "fails: ") || later {
		t.Errorf("error = %v, later step ran: %t", err, later)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := cluster.RunSteps(ctx, nil, cluster.All, &bytes.Buffer{}); !errors.Is(err, context.Canceled) {
		t.Errorf("with a cancelled context: %v", err)
	}
}

func TestBusyPort(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	c := topology.Default()
	// The peer of the first organisation listens on base + 20.
	c.Ports = topology.Ports(l.Addr().(*net.TCPAddr).Port - 20)
	if c.Check() != nil {
		t.Skip("the kernel gave a port at the end of the range")
	}
	_, err = cluster.Start(t.Context(), cluster.Options{Consortium: c, Dir: t.TempDir(), Parts: cluster.Fabric})
	want := fmt.Sprintf("port %d of peer.org1 is taken", int(c.Ports)+20)
	if err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "setting ports") {
		t.Errorf("error = %v; want %q and the setting's name", err, want)
	}

	// A port that becomes free a moment later, as a killed process's does, is no
	// obstacle; that the programs are missing is, or a port that others have.
	time.AfterFunc(200*time.Millisecond, func() { l.Close() })
	_, err = cluster.Start(t.Context(), cluster.Options{Consortium: c, Dir: t.TempDir(), Parts: cluster.Fabric})
	if err == nil || strings.Contains(err.Error(), want) {
		t.Errorf("error = %v; want none about that port", err)
	}
}

func TestStateIsKept(t *testing.T) {
	dir := t.TempDir()
	if _, err := cluster.Open(cluster.Options{Dir: dir}); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("open of nothing = %v", err)
	}
	c := topology.Default()
	c.Ports = 0
	opts := cluster.Options{Consortium: c, Dir: dir, Parts: cluster.Fabric}
	// There are no programs, so it fails after it drew name and ports.
	if _, err := cluster.Start(t.Context(), opts); err == nil || !strings.Contains(err.Error(), "run make build") {
		t.Errorf("start without programs = %v", err)
	}
	first, err := cluster.Open(opts)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := cluster.Start(t.Context(), opts); err == nil {
		t.Error("start without programs succeeded")
	}
	second, err := cluster.Open(opts)
	if err != nil {
		t.Fatal(err)
	}
	if first.Network != second.Network || first.Base != second.Base || !strings.HasPrefix(first.Network, "main-") {
		t.Errorf("%v, then %v", first.Place, second.Place)
	}
	opts.Consortium.Ports = 20000
	if _, err := cluster.Start(t.Context(), opts); err == nil || !strings.Contains(err.Error(), "take it down first") {
		t.Errorf("start with other ports = %v", err)
	}
	if err := first.Remove(); err != nil {
		t.Fatal(err)
	}
	if entries, err := os.ReadDir(dir); err != nil || len(entries) != 0 {
		t.Errorf("left: %v, %v", entries, err)
	}
}
