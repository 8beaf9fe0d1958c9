package main

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/killick-ledger/killick/network/cluster"
)

// generator is the kind of this process.
const generator = "load generator"

// usage is CPU time by kind of program.
type usage map[string]time.Duration

func (u usage) total() time.Duration {
	var sum time.Duration
	for _, d := range u {
		sum += d
	}
	return sum
}

// since is what was used after an earlier sample. A program that is new counts
// whole, one that is gone not at all.
func (u usage) since(before usage) usage {
	used := usage{}
	for kind, d := range u {
		used[kind] = max(0, d-before[kind])
	}
	return used
}

// program is one process that is measured.
type program struct {
	name string // peer.org1
	kind string // peer
	pid  int
}

// programs are the network's processes and this one.
func programs(c *cluster.Cluster) []program {
	list := []program{{generator, generator, os.Getpid()}}
	for _, p := range c.Processes() {
		if p.Alive {
			list = append(list, program{p.Name, kindOf(p.Name), p.PID})
		}
	}
	return list
}

// kindOf is the part of a program's name before the organisation.
func kindOf(name string) string {
	kind, _, _ := strings.Cut(name, ".")
	return kind
}

// cpuOf is the CPU time that the programs have used so far.
func cpuOf(list []program) (usage, error) {
	used := usage{}
	for _, p := range list {
		text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", p.pid))
		if err != nil {
			return nil, fmt.Errorf("CPU time of %s: %w", p.kind, err)
		}
		d, err := cpuTime(string(text))
		if err != nil {
			return nil, fmt.Errorf("CPU time of %s: %w", p.kind, err)
		}
		used[p.kind] += d
	}
	return used, nil
}

// cpuTime reads user and system time from /proc/<pid>/stat.
func cpuTime(stat string) (time.Duration, error) {
	// The name in brackets may hold blanks; fields are counted behind it.
	fields := strings.Fields(stat[strings.LastIndexByte(stat, ')')+1:])
	if len(fields) < 13 {
		return 0, fmt.Errorf("%d fields of a process's state", len(fields))
	}
	sum := 0
	for _, f := range fields[11:13] { // utime, stime in ticks of 10 ms
		ticks, err := strconv.Atoi(f)
		if err != nil {
			return 0, err
		}
		sum += ticks
	}
	return time.Duration(sum) * 10 * time.Millisecond, nil
}

// resetPeaks makes the kernel forget the largest resident memory that the
// programs had so far. Where it cannot, peaks are those since a program's start.
func resetPeaks(list []program) {
	for _, p := range list {
		_ = os.WriteFile(fmt.Sprintf("/proc/%d/clear_refs", p.pid), []byte("5"), 0)
	}
}

// peaks is the largest resident memory that each program had, in bytes.
func peaks(list []program) map[string]uint64 { return memoryOf(list, "VmHWM:") }

// resident is the resident memory now.
func resident(list []program) map[string]uint64 { return memoryOf(list, "VmRSS:") }

func memoryOf(list []program, field string) map[string]uint64 {
	found := map[string]uint64{}
	for _, p := range list {
		text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.pid))
		if err != nil {
			continue // it has just ended
		}
		found[p.name] = statusField(string(text), field)
	}
	return found
}

// largest is the memory of the largest program of a kind.
func largest(memory map[string]uint64, kind string) (size uint64) {
	for name, m := range memory {
		if kindOf(name) == kind {
			size = max(size, m)
		}
	}
	return size
}

// statusField reads a field in kB of /proc/<pid>/status, in bytes; 0 when it is
// not there.
func statusField(status, field string) uint64 {
	for line := range strings.Lines(status) {
		if rest, ok := strings.CutPrefix(line, field); ok {
			kb, err := strconv.ParseUint(strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(rest), "kB")), 10, 64)
			if err != nil {
				return 0
			}
			return kb << 10
		}
	}
	return 0
}
