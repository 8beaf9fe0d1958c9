package campaign_test

import (
	"bufio"
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"modernc.org/sqlite"

	"github.com/killick-ledger/killick/anchor/evm"
	"github.com/killick-ledger/killick/anchor/send"
	"github.com/killick-ledger/killick/anchor/signer/signertest"
	"github.com/killick-ledger/killick/anchor/tron"
)

var every = flag.Int("each", 15, "of the moments to die and of the calls to fail, each so many-th is played; 1: all of them, and all scenes")

const childEnv = "KILLICK_CAMPAIGN_CHILD"

// leaving begins a child's line about a transaction that its wire takes to a node.
const leaving = "leaving"

// task is what a child process is told.
type task struct {
	EVM     []string
	Tron    *tron.Config
	Journal string
	Intent  send.Intent
	Commit  int    // the process dies before the journal's so many-th commit
	Call    int    // or at its so many-th call of a node, where the wire is its own,
	At      string // before or after it
	Room    uint64 // bytes that a file may have; 0 for no limit
}

// child is the process that is killed: the sender as killick-anchor runs it, a round
// for each line that it reads. It says how far the intent has come, and what it counted.
func child(text string) error {
	var k task
	if err := json.Unmarshal([]byte(text), &k); err != nil {
		return err
	}
	die := func() { // as kill -9 has it: nothing is put in order
		_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
		select {}
	}
	commits := 0
	sqlite.RegisterConnectionHook(func(c sqlite.ExecQuerierContext, _ string) error {
		c.(sqlite.HookRegisterer).RegisterCommitHook(func() int32 {
			if commits++; commits == k.Commit {
				die()
			}
			return 0
		})
		return nil
	})
	// What leaves is told before it does; the pipe keeps it when the process dies.
	w := newWire(func(raw []byte) { fmt.Printf("%s %x\n", leaving, raw) })
	w.kill = func(call int, at string) bool {
		if call == k.Call && at == k.At {
			die()
		}
		return false
	}
	ctx := context.Background()
	var c send.Chain
	var err error
	if k.Tron == nil {
		c, err = evm.Dial(ctx, evm.Config{Chain: evmChain, URLs: k.EVM, Key: signertest.Key(keyOf("ours"))})
	} else {
		k.Tron.Key = signertest.Key(keyOf("ours"))
		k.Tron.Dial = []grpc.DialOption{grpc.WithTransportCredentials(insecure.NewCredentials()), grpc.WithUnaryInterceptor(w.intercept)}
		c, err = tron.Dial(ctx, *k.Tron)
	}
	if err != nil {
		return err
	}
	now := time.Now()
	s, err := send.Open(k.Journal, map[string]send.Chain{c.ID(): c}, send.Config{
		Policy: policy, Now: func() time.Time { return now }, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		return err
	}
	if k.Room > 0 {
		signal.Ignore(syscall.SIGXFSZ)
		if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &syscall.Rlimit{Cur: k.Room, Max: k.Room}); err != nil {
			return err
		}
	}
	if err := s.Plan(ctx, c.ID(), k.Intent); err != nil {
		return err
	}
	for lines := bufio.NewScanner(os.Stdin); lines.Scan(); {
		ms, err := strconv.ParseInt(lines.Text(), 10, 64)
		if err != nil {
			return err
		}
		now = time.UnixMilli(ms)
		if err := s.Step(ctx); err != nil {
			return err
		}
		st, err := s.Status(ctx, k.Intent.ID)
		if err != nil {
			return err
		}
		fmt.Println(st.Phase, commits, w.calls)
	}
	return s.Close()
}

// victim is a child process under the test's hand.
type victim struct {
	cmd   *exec.Cmd
	in    io.WriteCloser
	lines *bufio.Scanner
}

func start(t *testing.T, k task) *victim {
	t.Helper()
	text, err := json.Marshal(k)
	if err != nil {
		t.Fatal(err)
	}
	v := &victim{cmd: exec.Command(os.Args[0])}
	v.cmd.Env = append(os.Environ(), childEnv+"="+string(text))
	if k.Room == 0 { // else it says what is expected
		v.cmd.Stderr = os.Stderr
	}
	in, err := v.cmd.StdinPipe()
	out, err2 := v.cmd.StdoutPipe()
	if err := errors.Join(err, err2, v.cmd.Start()); err != nil {
		t.Fatal(err)
	}
	v.in, v.lines = in, bufio.NewScanner(out)
	return v
}

// step has the child do a round; false when it died. see is told what leaves.
func (v *victim) step(now time.Time, see func(raw []byte)) (phase string, commits, calls int, alive bool) {
	_, _ = fmt.Fprintln(v.in, now.UnixMilli()) // it may be dead already
	for v.lines.Scan() {
		f := strings.Fields(v.lines.Text())
		if f[0] != leaving {
			commits, _ = strconv.Atoi(f[1])
			calls, _ = strconv.Atoi(f[2])
			return f[0], commits, calls, true
		}
		if raw, err := hex.DecodeString(f[1]); err == nil { // else it died while it said so
			see(raw)
		}
	}
	return "", 0, 0, false
}

// end lets the child end by itself, or collects it.
func (v *victim) end() { _ = errors.Join(v.in.Close(), v.cmd.Wait()) }

// moment is where a process dies: before a commit, before or after a call, or when its
// disk is full.
type moment struct {
	commit, call int
	at           string
	room         uint64
}

// TestKilled kills the process before each commit of its journal, and before and after
// each call of a node; another takes over, and the invariants hold.
func TestKilled(t *testing.T) {
	t.Parallel()
	grounds := map[string]func(*testing.T) ground{
		"evm":  func(t *testing.T) ground { return newEVM(t, 1) },
		"tron": func(t *testing.T) ground { return newTron(t, true) },
	}
	for name, make := range grounds {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g := make(t)
			runs := 0
			commits, calls := killed(t, g, runs, moment{}) // nobody dies: how much is there to do
			if commits < 8 || calls < 20 {
				t.Fatalf("%d commits and %d calls: too few", commits, calls)
			}
			var all []moment
			for n := range commits {
				all = append(all, moment{commit: n + 1})
			}
			for n := 1; n <= calls; n++ {
				all = append(all, moment{call: n, at: "before"}, moment{call: n, at: "after"})
			}
			for i := 0; i < len(all); i += *every {
				runs++
				killed(t, g, runs, all[i])
				if t.Failed() {
					t.Fatalf("killed at %+v", all[i])
				}
			}
			t.Logf("killed %d times; %d commits and %d calls for an intent", runs, commits, calls)
		})
	}
}

// TestDiskFull: the journal cannot be written any more, at each size that its file can
// have; the process ends, nothing leaves that is not on disk, and another one goes on
// when there is room again.
func TestDiskFull(t *testing.T) {
	t.Parallel()
	g := newEVM(t, 1)
	for n, kib := range []uint64{1, 4, 8, 16, 28, 33, 37, 41, 45, 50} {
		killed(t, g, n, moment{room: kib << 10})
	}
}

// killed plays one payment by processes of which the first dies at a moment.
func killed(t *testing.T, g ground, n int, m moment) (commits, calls int) {
	k := task{Journal: filepath.Join(t.TempDir(), "send.db"), Intent: payment(g, n), Commit: m.commit, Room: m.room}
	w := g.ledger().wires[0]
	switch g := g.(type) {
	case *evmGround:
		k.EVM = g.urls
	case *tronGround:
		cfg := g.cfg
		k.Tron, k.Call, k.At = &cfg, m.call, m.at
	}
	var v *victim
	w.mu.Lock()
	w.calls = 0
	w.kill = func(call int, at string) bool {
		if call != m.call || at != m.at {
			return false
		}
		_ = v.cmd.Process.Kill()
		_, _ = v.cmd.Process.Wait() // it is dead before the node hears any more
		return true
	}
	w.mu.Unlock()
	v = start(t, k)
	died := false
	for rounds := 0; ; rounds++ {
		phase, c, n, alive := v.step(g.now(), w.sees)
		if !alive {
			v.end()
			if died || m == (moment{}) {
				t.Fatal("the process ended by itself")
			}
			died = true
			w.mu.Lock()
			w.kill = func(int, string) bool { return false }
			w.mu.Unlock()
			k.Commit, k.Call, k.Room = 0, 0, 0
			v = start(t, k)
			continue
		}
		commits, calls = c, max(n, w.calls)
		g.block(true)
		if phase == "final" {
			break
		}
		if rounds == 40 {
			t.Fatalf("%s after %d rounds", phase, rounds)
		}
	}
	v.end()
	if !died && m != (moment{}) {
		t.Errorf("nobody died at %+v", m)
	}
	p := &play{ended: map[string]bool{}, t: t, g: g, path: k.Journal, timeout: time.Minute, mutate: func(c send.Chain) send.Chain { return c }, commits: durable}
	p.open()
	p.plan(k.Intent)
	p.sound()
	p.close()
	g.ledger().turn(g.landed())
	return commits, calls
}
