package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/killick-ledger/killick/anchor/log"
	"github.com/killick-ledger/killick/chaincode/canon"
	"github.com/killick-ledger/killick/network/configuration"
)

// monitorConfig is watch.yaml. Zero values stand for the defaults.
type monitorConfig struct {
	Policy  string        `yaml:"policy"`  // policy.json: the log, a member set, the contracts
	State   string        `yaml:"state"`   // file of its own: what the last look saw, and the alarms
	Listen  string        `yaml:"listen"`  // host:port of /metrics and /alarms; empty: none
	Anchors []string      `yaml:"anchors"` // URLs of members' anchors, best of several members
	Chains  []chainConfig `yaml:"chains"`  // id, kind, rpc, grpc, solidity; the contracts are the policy's
	Every   time.Duration `yaml:"every"`   // pause between two looks; 15 s
	Late    time.Duration `yaml:"late"`    // how old the newest checkpoint may be; 3 min, three heartbeats
	Lag     time.Duration `yaml:"lag"`     // how long a chain may be without what another has; 45 min
	Stale   time.Duration `yaml:"stale"`   // how old the newest anchor on a chain may be while the ledger goes on; 24 h
}

func readMonitorConfig(path string) (*monitorConfig, *log.Policy, error) {
	c := &monitorConfig{}
	if err := configuration.Unchecked(path, c); err != nil {
		return nil, nil, err
	}
	c.defaults()
	data, err := os.ReadFile(c.Policy)
	if err != nil {
		return nil, nil, fmt.Errorf("configuration %s: policy: %w", path, err)
	}
	p, err := log.ParsePolicy(data)
	if err == nil {
		err = c.check(p)
	}
	if err != nil {
		return nil, nil, fmt.Errorf("configuration %s: %w", path, err)
	}
	return c, p, nil
}

func (c *monitorConfig) defaults() {
	for d, v := range map[*time.Duration]time.Duration{
		&c.Every: 15 * time.Second, &c.Late: 3 * time.Minute, &c.Lag: 45 * time.Minute, &c.Stale: 24 * time.Hour,
	} {
		if *d == 0 {
			*d = v
		}
	}
}

// check reports all mistakes at once and takes the contracts from the policy.
func (c *monitorConfig) check(p *log.Policy) error {
	var errs []error
	if c.State == "" {
		errs = append(errs, errors.New("state is needed"))
	}
	if c.Listen != "" {
		if _, _, err := net.SplitHostPort(c.Listen); err != nil {
			errs = append(errs, fmt.Errorf("listen: %w", err))
		}
	}
	if c.Every < 0 || c.Late < 0 || c.Lag < 0 || c.Stale < 0 {
		errs = append(errs, errors.New("every, late, lag and stale must be positive"))
	}
	if len(c.Anchors) == 0 {
		errs = append(errs, errors.New("anchors: at least one is needed"))
	}
	for _, a := range c.Anchors {
		if u, err := url.Parse(a); err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
			errs = append(errs, fmt.Errorf("anchors: %q is no http or https URL", a))
		}
	}
	if len(c.Chains) != len(p.Chains) {
		errs = append(errs, fmt.Errorf("chains: the policy has %d, here are %d", len(p.Chains), len(c.Chains)))
	}
	for i := range c.Chains {
		ch := &c.Chains[i]
		errs = append(errs, ch.check(i)...)
		if slices.ContainsFunc(c.Chains[:i], func(o chainConfig) bool { return o.ID == ch.ID }) {
			errs = append(errs, fmt.Errorf("chains[%d]: %q is stated twice", i, ch.ID))
		}
		account, ok := p.AnchorLog(ch.ID)
		if !ok || ch.AnchorLog != "" && ch.AnchorLog != account.String() {
			errs = append(errs, fmt.Errorf("chains[%d]: the policy has no such AnchorLog on %q", i, ch.ID))
		}
		ch.AnchorLog = account.String()
	}
	return errors.Join(errs...)
}

// errAlarm ends the program with exitAlarm: the watch worked, and something is wrong.
var errAlarm = errors.New("alarms stand")

// exitAlarm is the exit code of watch while an alarm stands.
const exitAlarm = 2

func watchCommand() *cobra.Command {
	var once bool
	var forget string
	c := command("watch", "follow the checkpoints and both contracts from outside, and raise alarms", func(ctx context.Context, path string) error {
		cfg, policy, err := readMonitorConfig(path)
		if err != nil {
			return err
		}
		unlock, err := lock(cfg.State + ".lock") // before the state is read
		if err != nil {
			return err
		}
		defer unlock()
		m, shut, err := startMonitor(cfg, policy)
		if err != nil {
			return err
		}
		defer shut()
		switch {
		case forget != "":
			return m.state.forget(forget)
		case once:
			if err := m.step(ctx); err != nil {
				return err
			}
			return m.report(os.Stdout)
		}
		return m.run(ctx)
	})
	c.Long = `Follows the ledger's checkpoints, as members' anchors serve them, and the AnchorLog
contracts, as chain nodes serve them, from a policy file. It has no key and trusts no
anchor and no node: checkpoints must have the signatures of K members, and every root
is compared with every other one. An alarm is a line in the log, a metric, and an entry
in the state file, and it lasts as long as its cause. An alarm "fork" lasts until
somebody has looked and removes it with --forget. A warning is told of in the same
ways: of several endpoints of a chain one does not answer, and enough others do. One
process at a time has the state file: --once beside another one needs a file of its own,
--forget that the other stops.

Exit codes: 0 no alarm stands when it ends, 1 it could not do its work (the
configuration, or its state file), 2 alarms stand. Warnings do not count.`
	c.Flags().BoolVar(&once, "once", false, "look once, print alarms and warnings and exit")
	c.Flags().StringVar(&forget, "forget", "", "remove the alarm with this `topic`, which lasts otherwise, and exit")
	return c
}

// monitor follows the log from outside. A look changes its state at its end, all of it
// in one step; before that nothing that it found is forgotten by a crash, since the next
// look begins where this one did.
type monitor struct {
	cfg    *monitorConfig
	policy *log.Policy
	chains []*publicChain
	http   *http.Client
	now    func() time.Time
	state  *monitorStore
	sets   log.Sets // from the policy's on

	rotations []log.Rotation // to the sets after it
}

// startMonitor opens a monitor with the chains of its configuration; shut lets go of them.
func startMonitor(cfg *monitorConfig, p *log.Policy) (m *monitor, shut func(), err error) {
	var chains []*publicChain
	shut = func() {
		for _, c := range chains {
			c.close()
		}
	}
	for _, ch := range cfg.Chains {
		chains = append(chains, newPublicChain(ch, nil))
	}
	m, err = openMonitor(cfg, p, chains)
	return m, shut, err
}

func openMonitor(cfg *monitorConfig, p *log.Policy, chains []*publicChain) (*monitor, error) {
	s, err := openMonitorStore(cfg.State, p)
	if err != nil {
		return nil, err
	}
	m := &monitor{
		cfg: cfg, policy: p, chains: chains, now: time.Now, state: s, sets: log.Sets{p.Set()},
		http: &http.Client{Timeout: chainTimeout},
	}
	// What is no longer in the configuration is looked at by nobody, and could never end.
	topics := m.topics()
	s.state.Alarms = slices.DeleteFunc(s.state.Alarms, func(a raised) bool { return !lasts(a.Topic) && !slices.Contains(topics, a.Topic) })
	return m, nil
}

// run looks again and again until ctx ends.
func (m *monitor) run(ctx context.Context) error {
	if m.cfg.Listen != "" {
		l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", m.cfg.Listen)
		if err != nil {
			return fmt.Errorf("listen: %w", err)
		}
		s := &http.Server{Handler: m.handler(), ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 10 * time.Second,
			WriteTimeout: time.Minute, MaxHeaderBytes: 16 << 10}
		served := make(chan error, 1)
		go func() { served <- s.Serve(l) }()
		defer func() {
			_ = s.Close() // what is cut off are reads
			<-served
		}()
	}
	slog.Info("watch runs", "network", m.policy.Network, "anchors", len(m.cfg.Anchors), "chains", len(m.chains))
	for {
		if err := m.step(ctx); err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			if m.state.alarmed() {
				return errAlarm
			}
			return nil
		case <-time.After(m.cfg.Every):
		}
	}
}

// step looks once and writes down what it saw. The error is that of the own state.
func (m *monitor) step(ctx context.Context) error {
	l := newLook(m)
	l.look(ctx)
	if ctx.Err() != nil {
		return nil // cut off: what it found not to be there means nothing
	}
	return m.state.commit(l, m.now())
}

// report prints the alarms and warnings; errAlarm says that there are alarms.
func (m *monitor) report(w io.Writer) error {
	for _, a := range m.state.alarms() {
		kind := ""
		if a.Warning {
			kind = "warning: "
		}
		fmt.Fprintf(w, "%s%s since %s: %s\n", kind, a.Topic, a.Since.UTC().Format(time.RFC3339), log.Plain(a.Text))
	}
	if m.state.alarmed() {
		return errAlarm
	}
	fmt.Fprintln(w, "no alarm")
	return nil
}

func (m *monitor) handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /alarms", func(w http.ResponseWriter, _ *http.Request) { reply(w, m.state.alarms()) })
	mux.HandleFunc("GET /metrics", func(w http.ResponseWriter, _ *http.Request) { m.measure().reply(w) })
	return mux
}

func (m *monitor) measure() *metrics {
	out := &metrics{}
	state := m.state.copy()
	out.add("watch_looked", "When the last look was finished, in seconds since 1970.", state.Looked)
	m.measureAlarms(out, state.Alarms)
	out.add("watch_checkpoint_size", "Size of the newest checkpoint seen.", state.Ledger.Size)
	out.add("watch_checkpoint_time", "Its time, in seconds since 1970.", state.Ledger.Time)
	for _, c := range m.chains {
		out.add("watch_chain_size", "Size of the newest checkpoint in AnchorLog at the final head.", state.Chains[c.cfg.ID].Size, "chain", c.cfg.ID)
	}
	for _, c := range m.chains {
		out.add("watch_chain_time", "Its time, in seconds since 1970.", state.Chains[c.cfg.ID].Time, "chain", c.cfg.ID)
	}
	return out
}

// measureAlarms shows which alarms and warnings stand, and those that do not.
func (m *monitor) measureAlarms(out *metrics, alarms []raised) {
	stand := map[string]int{}
	count := map[bool]int{}
	for _, a := range alarms {
		stand[a.Topic] = 1
		count[a.Warning]++
	}
	topics := slices.AppendSeq(m.topics(), maps.Keys(stand)) // a fork lasts longer than the configuration
	slices.Sort(topics)
	topics = slices.Compact(topics)
	out.add("watch_alarms", "Alarms that stand.", count[false])
	for _, topic := range topics {
		if !warns(topic) {
			out.add("watch_alarm", "1 while the alarm of the topic stands.", stand[topic], "topic", topic)
		}
	}
	out.add("watch_warnings", "Warnings that stand.", count[true])
	for _, topic := range topics {
		if warns(topic) {
			out.add("watch_warning", "1 while the warning of the topic stands.", stand[topic], "topic", topic)
		}
	}
}

// topics are those of all alarms and warnings that there may be.
func (m *monitor) topics() []string {
	all := []string{"clock", "fork", "heartbeat", "tiles"}
	for i := range m.cfg.Anchors {
		all = append(all, anchorTopic(i))
	}
	for _, c := range m.chains {
		for _, kind := range chainTopics {
			all = append(all, kind+" "+c.cfg.ID)
		}
	}
	return all
}

func anchorTopic(i int) string { return fmt.Sprintf("anchor %d", i+1) }

// chainTopics are what alarms of one chain begin with.
var chainTopics = []string{"ahead", "back", "behind", "chain", "endpoints", "fork", "frozen", "members", "stale"}

// root parses a stored root, which this program wrote.
func (s seen) root() log.Hash {
	h, _ := canon.UnHex32(s.Root)
	return h
}

// host names an anchor in errors: a URL may hold a password.
func host(text string) string {
	u, err := url.Parse(text)
	if err != nil {
		return "(url)"
	}
	return strings.TrimSuffix(u.Host, "/")
}
