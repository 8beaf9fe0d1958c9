package cluster

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

// spec is one process to run.
type spec struct {
	name  string // also of its log and run file
	path  string
	args  []string
	env   []string // added to PATH, HOME and TMPDIR
	ports []int    // everything it listens on
}

// record is what is on disk of a process. Start is the kernel's start time of the
// process: a pid that was given to another process since is never touched.
type record struct {
	Name  string `json:"name"`
	PID   int    `json:"pid"`
	Start uint64 `json:"start"`
	Ports []int  `json:"ports"`
}

// processes starts, finds and ends the processes of one state directory.
type processes struct {
	runDir, logDir string
	attached       bool

	mu      sync.Mutex
	spawner chan func() // runs on one thread for ever, see spawn
	started []string    // by this value, in order
}

// start runs s unless it is alive, and reports whether it did. It returns once the
// process exists; whether it is ready is for the caller to find out.
func (p *processes) start(s spec) (bool, error) {
	if _, alive := p.find(s.name); alive {
		return false, nil
	}
	if err := os.MkdirAll(p.logDir, 0o755); err != nil {
		return false, fmt.Errorf("start %s: %w", s.name, err)
	}
	log, err := os.OpenFile(p.logFile(s.name), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return false, fmt.Errorf("start %s: %w", s.name, err)
	}
	defer log.Close()
	cmd := exec.Command(s.path, s.args...)
	cmd.Env = append([]string{"PATH=" + os.Getenv("PATH"), "HOME=" + os.Getenv("HOME"), "TMPDIR=" + os.TempDir(), p.mark()}, s.env...)
	cmd.Stdout, cmd.Stderr = log, log
	// A group of its own, so that Ctrl-C at the terminal reaches only us.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if p.attached {
		cmd.SysProcAttr.Pdeathsig = syscall.SIGKILL
	} else {
		cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	}
	// If we die between the start and the record, a detached process stays that no
	// run file names; endStrays finds it by its mark.
	if err := p.spawn(cmd); err != nil {
		return false, fmt.Errorf("start %s: %w", s.name, err)
	}
	p.mu.Lock()
	p.started = append(p.started, s.name)
	p.mu.Unlock()
	started, err := stat(cmd.Process.Pid)
	if err == nil {
		err = p.write(record{Name: s.name, PID: cmd.Process.Pid, Start: started.start, Ports: s.ports})
	}
	go cmd.Wait() // reaps it; what became of it is read from /proc
	if err != nil {
		return true, errors.Join(fmt.Errorf("start %s: %w", s.name, err), cmd.Process.Kill())
	}
	return true, nil
}

// run runs a tool to its end, which is at the latest that of this process.
func (p *processes) run(cmd *exec.Cmd) error {
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := p.spawn(cmd); err != nil {
		return err
	}
	return cmd.Wait()
}

// spawn starts cmd. Children that end with this process are started from one thread
// that lives as long as it: the kernel ends them when the thread that started them ends.
func (p *processes) spawn(cmd *exec.Cmd) error {
	if cmd.SysProcAttr.Pdeathsig == 0 {
		return cmd.Start()
	}
	p.mu.Lock()
	if p.spawner == nil {
		p.spawner = make(chan func())
		go func() {
			runtime.LockOSThread()
			for f := range p.spawner {
				f()
			}
		}()
	}
	p.mu.Unlock()
	result := make(chan error)
	p.spawner <- func() { result <- cmd.Start() }
	return <-result
}

func (p *processes) logFile(name string) string { return filepath.Join(p.logDir, name+".log") }
func (p *processes) runFile(name string) string { return filepath.Join(p.runDir, name+".json") }

func (p *processes) write(r record) error {
	if err := os.MkdirAll(p.runDir, 0o755); err != nil {
		return err
	}
	data, err := json.Marshal(r)
	if err != nil {
		return err
	}
	return writeFile(p.runFile(r.Name), data, 0o644)
}

// find returns what is known of a process, and whether it is alive.
func (p *processes) find(name string) (record, bool) {
	var r record
	data, err := os.ReadFile(p.runFile(name))
	if err != nil || json.Unmarshal(data, &r) != nil || r.PID <= 1 {
		return record{Name: name}, false
	}
	return r, runs(r.PID, r.Start)
}

// runs says whether the process that got the pid at that time is alive.
func runs(pid int, start uint64) bool {
	s, err := stat(pid)
	return err == nil && s.start == start && s.state != 'Z' && s.state != 'X'
}

// names lists all processes that were ever started and not taken down.
func (p *processes) names() []string {
	entries, err := os.ReadDir(p.runDir)
	if err != nil {
		return nil
	}
	var out []string
	for _, e := range entries {
		if name, ok := strings.CutSuffix(e.Name(), ".json"); ok {
			out = append(out, name)
		}
	}
	slices.Sort(out)
	return out
}

// kill ends one process at once.
func (p *processes) kill(name string) error {
	r, alive := p.find(name)
	if !alive {
		return fmt.Errorf("%s is not running", name)
	}
	if err := end(r.PID, r.Start); err != nil {
		return fmt.Errorf("kill %s: %w", name, err)
	}
	return nil
}

// stopGrace is how long a process may take to end after SIGTERM.
const stopGrace = 8 * time.Second

// stop ends the named processes: SIGTERM to all, and SIGKILL to those that are left
// after the grace. Their run files go once they are gone.
func (p *processes) stop(names []string) error {
	for _, name := range names {
		if r, alive := p.find(name); alive {
			// It may be gone by now, which is what we want.
			_ = syscall.Kill(r.PID, syscall.SIGTERM)
		}
	}
	deadline := time.Now().Add(stopGrace)
	var errs []error
	for _, name := range names {
		for {
			r, alive := p.find(name)
			if !alive {
				break
			}
			if time.Now().After(deadline) {
				if err := p.kill(r.Name); err != nil {
					errs = append(errs, err)
				}
				break
			}
			time.Sleep(10 * time.Millisecond)
		}
		if err := os.Remove(p.runFile(name)); err != nil && !errors.Is(err, os.ErrNotExist) {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

// mark is in the environment of every process that start has started for the state
// directory.
func (p *processes) mark() string { return "KILLICK_RUN=" + p.runDir }

// endStrays ends the processes that bear the mark and have no run file, which are left
// when whoever started them was killed. What a process that has one started itself is
// left alone. It is for the holder of the lock: nobody starts any meanwhile.
func (p *processes) endStrays() error {
	recorded := map[int]bool{}
	for _, name := range p.names() {
		if r, alive := p.find(name); alive {
			recorded[r.PID] = true
		}
	}
	environs, err := filepath.Glob("/proc/[0-9]*/environ")
	if err != nil {
		return err
	}
	var errs []error
	for _, path := range environs {
		pid, err := strconv.Atoi(filepath.Base(filepath.Dir(path)))
		if err != nil || recorded[pid] {
			continue
		}
		s, err := stat(pid)
		environ, unreadable := os.ReadFile(path)
		if err != nil || unreadable != nil || recorded[s.parent] || !slices.Contains(strings.Split(string(environ), "\x00"), p.mark()) {
			continue
		}
		if err := end(pid, s.start); err != nil {
			errs = append(errs, fmt.Errorf("end process %d: %w", pid, err))
		}
	}
	return errors.Join(errs...)
}

// end kills a process and waits until it is gone.
func end(pid int, start uint64) error {
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil && !errors.Is(err, syscall.ESRCH) {
		return err
	}
	for runs(pid, start) {
		time.Sleep(5 * time.Millisecond)
	}
	return nil
}

// tail returns the end of a process's log, for messages: what it says of its death, or
// its last lines.
func (p *processes) tail(name string) string {
	data, err := os.ReadFile(p.logFile(name))
	if err != nil {
		return ""
	}
	lines := strings.Split(strings.TrimSpace(string(data)), "\n")
	const shown = 5
	from := max(0, len(lines)-shown)
	for i := len(lines) - 1; i >= 0; i-- {
		if strings.HasPrefix(lines[i], "panic: ") || strings.HasPrefix(lines[i], "fatal error: ") {
			from = i
			break
		}
	}
	return strings.Join(lines[from:min(len(lines), from+shown)], "\n")
}

// status is what the kernel says of a process.
type status struct {
	start  uint64 // time
	state  byte
	parent int // pid
}

// stat reads the status of a process from /proc.
func stat(pid int) (s status, err error) {
	data, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		return s, err
	}
	// The name, in parentheses, may hold anything; fields count from behind it.
	i := bytes.LastIndexByte(data, ')')
	fields := strings.Fields(string(data[i+1:]))
	const stateField, parentField, startField = 0, 1, 19
	if i < 0 || len(fields) <= startField {
		return s, fmt.Errorf("process %d: cannot read its state", pid)
	}
	s.state = fields[stateField][0]
	if s.parent, err = strconv.Atoi(fields[parentField]); err != nil {
		return s, err
	}
	s.start, err = strconv.ParseUint(fields[startField], 10, 64)
	return s, err
}

// Resident is the resident memory of a process in bytes, 0 when it cannot be read.
func Resident(pid int) uint64 {
	data, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/statm")
	if err != nil {
		return 0
	}
	fields := strings.Fields(string(data))
	if len(fields) < 2 {
		return 0
	}
	pages, err := strconv.ParseUint(fields[1], 10, 64)
	if err != nil {
		return 0
	}
	return pages * uint64(os.Getpagesize())
}
