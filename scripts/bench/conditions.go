package main

import (
	"debug/buildinfo"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"

	"github.com/killick-ledger/killick/gateway/submit"
)

// conditions say what a run ran on and with which settings.
func (r *results) conditions() string {
	var b strings.Builder
	fmt.Fprintf(&b, "Run of %s, %.0f minutes, on %s; %s. %d accounts; each row %.1f s of warm-up and %s measured; state in LevelDB.\n",
		r.begun.UTC().Format("2006-01-02 15:04 UTC"), r.took.Minutes(), machine(), versions(r.bin), r.accounts, warmUp.Seconds(), r.window)
	fmt.Fprintf(&b, "\nGateway: batches of at most %d, held for at most %s, %d in flight. %s.\n", submit.DefaultBatch, submit.DefaultHold, submit.DefaultInFlight, tuned(r.tuning))
	fmt.Fprintf(&b, "\nPrimitives on one core in this run, CPU time: %s.\n", r.prices)
	return b.String()
}

// setup says how a network that runs cuts blocks and what it endorses by.
func (n *network) setup() string {
	c := n.Consortium
	return fmt.Sprintf("Orderers cut a block at %d messages or after %s; endorsement policy `%s`", c.Block.Messages, c.Block.Interval, n.EndorsementPolicy())
}

// tuning is what each program's environment says of Go's garbage collector: empty
// where it says nothing.
func tuning(list []program) map[string]string {
	found := map[string]string{}
	for _, p := range list {
		text, err := os.ReadFile(fmt.Sprintf("/proc/%d/environ", p.pid))
		if err != nil {
			continue // it has just ended
		}
		found[p.name] = collector(string(text))
	}
	return found
}

// collector picks the garbage collector's settings out of an environment.
func collector(environ string) string {
	var set []string
	for entry := range strings.SplitSeq(environ, "\x00") {
		if strings.HasPrefix(entry, "GOGC=") || strings.HasPrefix(entry, "GOMEMLIMIT=") {
			set = append(set, entry)
		}
	}
	slices.Sort(set)
	return strings.Join(set, " ")
}

// tuned says which programs ran with which settings of the collector.
func tuned(tuning map[string]string) string {
	var parts []string
	for _, name := range slices.Sorted(maps.Keys(tuning)) {
		if set := tuning[name]; set != "" {
			parts = append(parts, fmt.Sprintf("%s in %s", set, name))
		}
	}
	if len(parts) == 0 {
		return "GOGC and GOMEMLIMIT: set in no program, so 100 and none"
	}
	return strings.Join(parts, ", ") + "; otherwise GOGC and GOMEMLIMIT are 100 and none"
}

// machine describes what the run ran on.
func machine() string {
	field := func(path, name string) string {
		text, err := os.ReadFile(path)
		if err != nil {
			return "unknown"
		}
		for line := range strings.Lines(string(text)) {
			if value, ok := strings.CutPrefix(line, name); ok {
				return strings.TrimSpace(strings.TrimLeft(value, " \t:"))
			}
		}
		return "unknown"
	}
	kernel, err := os.ReadFile("/proc/sys/kernel/osrelease")
	if err != nil {
		kernel = []byte("unknown")
	}
	return fmt.Sprintf("%s, %d cores, %s of memory, %s %s", field("/proc/cpuinfo", "model name"), runtime.NumCPU(),
		field("/proc/meminfo", "MemTotal"), runtime.GOOS, strings.TrimSpace(string(kernel)))
}

// versions names what was measured.
func versions(bin string) string {
	return fmt.Sprintf("%s, %s, Killick %s", fabricVersion(filepath.Join(bin, "peer")), runtime.Version(), commit())
}

// fabricVersion names Fabric's release and the module that the peer was built from.
func fabricVersion(peer string) string {
	const release = "Fabric 3.1.1"
	info, err := buildinfo.ReadFile(peer)
	if err != nil || info.Main.Version == "" {
		return release
	}
	text := release + " (module " + info.Main.Version
	if info.Main.Replace != nil {
		text += " with the patches of network/tools"
	}
	return text + ")"
}

// commit is the one that this program was built from, as the compiler noted it or
// else as git says of the folder that it runs in.
func commit() string {
	revision, changed := "", false
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, s := range info.Settings {
			switch s.Key {
			case "vcs.revision":
				revision = s.Value
			case "vcs.modified":
				changed = s.Value == "true"
			}
		}
	}
	if revision == "" {
		head, err := exec.Command("git", "rev-parse", "HEAD").Output()
		if err != nil {
			return "unknown"
		}
		revision = strings.TrimSpace(string(head))
		status, err := exec.Command("git", "status", "--porcelain", "--untracked-files=no").Output()
		changed = err != nil || len(status) > 0
	}
	text := revision[:min(12, len(revision))]
	if changed {
		text += " with changes"
	}
	return text
}
