package main

import (
	"errors"
	"net/http/httptest"
	"strings"
	"testing"
)

// MO-9: an endpoint that does not answer while enough others do is a warning of the watch,
// told of as alarms are; alarms alone decide how the program ends.
func TestWatchSilentEndpoint(t *testing.T) {
	t.Parallel()
	o := watched(t)
	ch, topic := o.chains[0], "endpoints "+o.chains[0].id
	if got := o.look(); got != "" {
		t.Fatalf("%q before", got)
	}
	ch.away = errors.New("node third.example: refused")
	for _, again := range []string{"", "in the next look", "of another process"} {
		if again == "of another process" {
			o.reopen()
			if got := o.topics(); got != topic {
				t.Errorf("%q on disk", got)
			}
		}
		if got := o.look(); got != topic {
			t.Errorf("%q %s, want %q", got, again, topic)
		}
	}
	out, err := o.report()
	if err != nil || !strings.HasPrefix(out, "warning: "+topic+" since ") || !strings.HasSuffix(out, ": node third.example: refused\nno alarm\n") {
		t.Errorf("report %q, %v", out, err)
	}
	o.measures(`killick_watch_alarms 0`, `killick_watch_warnings 1`, `killick_watch_warning{topic="`+topic+`"} 1`,
		`killick_watch_warning{topic="endpoints `+o.chains[1].id+`"} 0`, `killick_watch_alarm{topic="chain `+ch.id+`"} 0`)
	// Where too few answer nothing is known of the others, and it is an alarm.
	ch.down, ch.away = true, nil
	if got := o.look(); got != "chain "+ch.id+", "+topic {
		t.Errorf("%q while all are away", got)
	}
	if out, err := o.report(); !errors.Is(err, errAlarm) || !strings.HasPrefix(out, "chain "+ch.id+" since ") || strings.Contains(out, "no alarm") {
		t.Errorf("report %q, %v", out, err)
	}
	o.measures(`killick_watch_alarms 1`, `killick_watch_warnings 1`)
	ch.down = false
	if got := o.look(); got != "" {
		t.Errorf("%q when all are back", got)
	}
	o.measures(`killick_watch_alarms 0`, `killick_watch_warnings 0`, `killick_watch_warning{topic="`+topic+`"} 0`)
}

// measures looks for lines in the metrics.
func (o *outside) measures(lines ...string) {
	o.t.Helper()
	s := httptest.NewServer(o.m.handler())
	defer s.Close()
	_, _, body := get(o.t, s.URL+"/metrics")
	for _, line := range lines {
		if !strings.Contains(string(body), line+"\n") {
			o.t.Errorf("no %q in %s", line, body)
		}
	}
	if strings.Contains(string(body), `killick_watch_alarm{topic="endpoints `) {
		o.t.Errorf("a warning counts as an alarm: %s", body)
	}
}
