package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"maps"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/killick-ledger/killick/anchor/log"
	"github.com/killick-ledger/killick/chaincode/canon"
)

// monitorState is the state file of watch, as JSON.
type monitorState struct {
	Log    string          `json:"log"`    // id of the log that all this is about
	Looked int64           `json:"looked"` // end of the last look, in seconds since 1970
	Began  int64           `json:"began"`  // when a checkpoint was seen first
	Ledger seen            `json:"ledger"` // newest checkpoint that K members signed
	Chains map[string]seen `json:"chains"` // by chain: the newest in AnchorLog
	Wanted map[string]seen `json:"wanted"` // by chain: what another one had first that it has not; without a root
	Alarms []raised        `json:"alarms"` // and warnings, by topic
}

// seen is a checkpoint that a look saw. Hashes are hex.
type seen struct {
	Size uint64 `json:"size"`
	Root string `json:"root"`
	Time uint64 `json:"time"`
	Note string `json:"note,omitempty"` // with its signatures: evidence, if it turns out to be of a fork
}

// raised is an alarm that stands, or a warning.
type raised struct {
	Topic    string    `json:"topic"`
	Warning  bool      `json:"warning,omitempty"`
	Text     string    `json:"text"`
	Since    time.Time `json:"since"`
	Evidence []string  `json:"evidence,omitempty"` // signed notes
}

// lasts reports whether an alarm stays when its cause is no longer seen: whoever shows
// a fork once may hide it afterwards.
func lasts(topic string) bool { return topic == "fork" || strings.HasPrefix(topic, "fork ") }

// warns reports whether a topic is that of a warning: everything was looked at, and would
// not be if one thing more went wrong.
func warns(topic string) bool { return strings.HasPrefix(topic, "endpoints ") }

// log tells of it where it begins.
func (a raised) log() {
	if a.Warning {
		slog.Warn("warning", "topic", a.Topic, "text", a.Text)
	} else {
		slog.Error("alarm", "topic", a.Topic, "error", a.Text)
	}
}

// over tells of its end.
func (a raised) over() {
	if a.Warning {
		slog.Info("warning is over", "topic", a.Topic)
	} else {
		slog.Info("alarm is over", "topic", a.Topic)
	}
}

// monitorStore holds the state, in memory and on disk.
type monitorStore struct {
	path string

	mu    sync.Mutex
	state monitorState
}

func openMonitorStore(path string, p *log.Policy) (*monitorStore, error) {
	id := p.LogID()
	s := &monitorStore{path: path, state: monitorState{Log: canon.Hex(id[:]), Chains: map[string]seen{}, Wanted: map[string]seen{}}}
	data, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return s, nil
	}
	var had monitorState
	if err == nil {
		err = json.Unmarshal(data, &had)
	}
	if err == nil && had.Log != s.state.Log {
		err = fmt.Errorf("it is about log %.64s", had.Log)
	}
	if err != nil {
		return nil, fmt.Errorf("state %s: %w", path, err)
	}
	if had.Chains == nil {
		had.Chains = map[string]seen{}
	}
	if had.Wanted == nil {
		had.Wanted = map[string]seen{}
	}
	s.state = had
	return s, nil
}

// copy returns the state as the last look left it.
func (s *monitorStore) copy() monitorState {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := s.state
	out.Chains, out.Wanted, out.Alarms = maps.Clone(out.Chains), maps.Clone(out.Wanted), slices.Clone(out.Alarms)
	return out
}

// alarms returns those that stand, and the warnings, by topic.
func (s *monitorStore) alarms() []raised { return s.copy().Alarms }

// alarmed reports whether more than warnings stand.
func (s *monitorStore) alarmed() bool {
	return slices.ContainsFunc(s.alarms(), func(a raised) bool { return !a.Warning })
}

// commit takes over what a finished look saw. Alarms go to the log first: after a crash
// between the two the next look, which begins from the old state, logs them again.
func (s *monitorStore) commit(l *monitorLook, now time.Time) error {
	next := l.seen
	next.Looked = now.Unix()
	standing := map[string]raised{}
	for _, a := range next.Alarms {
		if _, again := l.raised[a.Topic]; !again && l.cleared[a.Topic] { // never a fork
			a.over()
			continue
		}
		standing[a.Topic] = a
	}
	for topic, text := range l.raised {
		a, stands := standing[topic]
		switch {
		case !stands:
			a = raised{Topic: topic, Warning: warns(topic), Text: text, Since: now.UTC(), Evidence: l.evidence[topic]}
			a.log()
			standing[topic] = a
		case !lasts(topic) || len(a.Evidence) == 0 && len(l.evidence[topic]) > 0: // the first proof of a fork is kept
			a.Text, a.Evidence = text, l.evidence[topic]
			standing[topic] = a
		}
	}
	next.Alarms = slices.SortedFunc(maps.Values(standing), func(a, b raised) int { return strings.Compare(a.Topic, b.Topic) })
	return s.save(next)
}

// forget removes an alarm. Whoever removes the one that a contract lost what it had wants
// to go on from what it has now.
func (s *monitorStore) forget(topic string) error {
	next := s.copy()
	kept := slices.DeleteFunc(slices.Clone(next.Alarms), func(a raised) bool { return a.Topic == topic })
	if len(kept) == len(next.Alarms) {
		return fmt.Errorf("no alarm %q stands", topic)
	}
	next.Alarms = kept
	if chain, ok := strings.CutPrefix(topic, "back "); ok {
		delete(next.Chains, chain)
	}
	return s.save(next)
}

func (s *monitorStore) save(next monitorState) error {
	if next.Alarms == nil {
		next.Alarms = []raised{}
	}
	data, err := json.MarshalIndent(next, "", "  ")
	if err != nil {
		return err
	}
	if err := replaceFile(s.path, append(data, '\n')); err != nil {
		return fmt.Errorf("state %s: %w", s.path, err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.state = next
	return nil
}
