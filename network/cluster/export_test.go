package cluster

import (
	"context"
	"io"
	"os/exec"

	"github.com/killick-ledger/killick/network/topology"
)

// What external tests need of the process layer and the step runner.

type Procs struct{ processes }

func NewProcs(runDir, logDir string, attached bool) *Procs {
	return &Procs{processes{runDir: runDir, logDir: logDir, attached: attached}}
}

func (p *Procs) Start(name, path string, args ...string) (bool, error) {
	return p.start(spec{name: name, path: path, args: args})
}

func (p *Procs) Find(name string) (pid int, alive bool) {
	r, alive := p.find(name)
	return r.PID, alive
}

func (p *Procs) Record(name string, pid int, start uint64) error {
	return p.write(record{Name: name, PID: pid, Start: start})
}

func (p *Procs) Kill(name string) error     { return p.kill(name) }
func (p *Procs) Stop(names ...string) error { return p.stop(names) }
func (p *Procs) Names() []string            { return p.names() }
func (p *Procs) EndStrays() error           { return p.endStrays() }
func (p *Procs) Run(cmd *exec.Cmd) error    { return p.run(cmd) }
func Alive(pid int) bool                    { s, err := stat(pid); return err == nil && s.state != 'Z' }

type Step struct {
	Name  string
	Part  Part
	After []string
	Run   func(context.Context) error
}

func RunSteps(ctx context.Context, steps []Step, parts Part, out io.Writer) error {
	var in []step
	for _, s := range steps {
		in = append(in, step{s.Name, s.Part, s.After, s.Run})
	}
	return runSteps(ctx, in, parts, out)
}

func SameFounding(wanted, founded, treasuries, members []byte) error {
	return sameFounding(wanted, founded, treasuries, members)
}

func Serves(ctx context.Context, n topology.Node) error { return serves(ctx, n) }
func (p *Procs) Tail(name string) string                { return p.tail(name) }
