package tee_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/killick-ledger/killick/chaincode/tee"
	"github.com/killick-ledger/killick/chaincode/tee/simulated"
)

// TE-7: the platform's level and those of its parts converge as in Intel's library.
func TestConverge(t *testing.T) {
	const (
		up, sw, conf, confSW, old, oldConf, revoked = tee.UpToDate, tee.SWHardeningNeeded, tee.ConfigurationNeeded, tee.ConfigurationAndSWHardeningNeeded,
			tee.OutOfDate, tee.OutOfDateConfigurationNeeded, tee.RevokedLevel
	)
	for _, tt := range []struct{ platform, part, want tee.Status }{
		{up, up, up}, {sw, up, sw}, {conf, up, conf}, {confSW, up, confSW}, {old, up, old}, {oldConf, up, oldConf}, {revoked, up, revoked},
		{up, old, old}, {sw, old, old}, {conf, old, oldConf}, {confSW, old, oldConf}, {old, old, old}, {oldConf, old, oldConf}, {revoked, old, revoked},
		{up, revoked, revoked}, {sw, revoked, revoked}, {conf, revoked, revoked}, {confSW, revoked, revoked}, {old, revoked, revoked}, {oldConf, revoked, revoked}, {revoked, revoked, revoked},
		{up, sw, old}, {conf, conf, oldConf}, // a part that is neither up to date nor revoked is out of date
	} {
		if got := tee.Converge(tt.platform, tt.part); got != tt.want {
			t.Errorf("%s with a part that is %s: %s, want %s", tt.platform, tt.part, got, tt.want)
		}
	}
}

// Every level that a platform, its QE and its TDX module can have comes out with its
// status, its advisories and its date.
func TestLevels(t *testing.T) {
	const day = 86400
	for _, tt := range []struct {
		name       string
		do         func(s *simulated.Spec)
		status     tee.Status
		date       uint64
		advisories []string
	}{
		{"up to date", func(s *simulated.Spec) {}, tee.UpToDate, now - 60*day, nil},
		{"newer than all levels", func(s *simulated.Spec) { s.Components[0], s.PCESVN = 99, 99 }, tee.UpToDate, now - 60*day, nil},
		{"one component lower", func(s *simulated.Spec) { s.Components[0] = 5 }, tee.OutOfDate, now - 200*day, []string{"SIM-SA-00002"}},
		{"one component higher, one lower", func(s *simulated.Spec) { s.Components[0], s.Components[1] = 9, 5 }, tee.OutOfDate, now - 200*day, []string{"SIM-SA-00002"}},
		{"PCE lower", func(s *simulated.Spec) { s.PCESVN = 12 }, tee.RevokedLevel, now - 900*day, []string{"SIM-SA-00001", "SIM-SA-00002"}},
		{"software hardening", status("SWHardeningNeeded"), tee.SWHardeningNeeded, now - 60*day, nil},
		{"configuration", status("ConfigurationNeeded"), tee.ConfigurationNeeded, now - 60*day, nil},
		{"configuration and software", status("ConfigurationAndSWHardeningNeeded"), tee.ConfigurationAndSWHardeningNeeded, now - 60*day, nil},
		{"out of date and configuration", status("OutOfDateConfigurationNeeded"), tee.OutOfDateConfigurationNeeded, now - 60*day, nil},
		{"QE out of date", func(s *simulated.Spec) { s.QE.SVN = 7 }, tee.OutOfDate, now - 300*day, []string{"SIM-SA-00004"}},
		{"QE out of date, platform too", func(s *simulated.Spec) { s.QE.SVN, s.PCESVN, s.Components[0] = 7, 13, 5 }, tee.OutOfDate, now - 300*day, []string{"SIM-SA-00002", "SIM-SA-00004"}},
		{"QE out of date, configuration", both(status("ConfigurationNeeded"), func(s *simulated.Spec) { s.QE.SVN = 7 }), tee.OutOfDateConfigurationNeeded, now - 300*day, []string{"SIM-SA-00004"}},
		{"QE revoked", func(s *simulated.Spec) { s.QE.SVN = 5 }, tee.RevokedLevel, now - 800*day, nil},
	} {
		for _, m := range makers {
			s := m.spec()
			tt.do(s)
			r, err := appraise(s)
			if err != nil {
				t.Errorf("%s, %s: %v", m.name, tt.name, err)
				continue
			}
			if r.Status != tt.status || r.TCBDate != tt.date || cmp.Diff(tt.advisories, r.Advisories) != "" {
				t.Errorf("%s, %s: %s of %d with %v, want %s of %d with %v", m.name, tt.name, r.Status, r.TCBDate, r.Advisories, tt.status, tt.date, tt.advisories)
			}
		}
	}
}

// A TDX module has levels of its own; its version in the platform's level counts only
// for modules of version 0.
func TestModuleLevels(t *testing.T) {
	const day = 86400
	for _, tt := range []struct {
		name   string
		svn    [16]byte
		status tee.Status
		date   uint64
	}{
		{"module 1 up to date", [16]byte{6, 1, 4}, tee.UpToDate, now - 60*day},
		{"module 1 out of date", [16]byte{5, 1, 4}, tee.OutOfDate, now - 400*day},
		{"module 3 up to date", [16]byte{3, 3, 4}, tee.UpToDate, now - 60*day},
		{"module 0 up to date", [16]byte{5, 0, 4}, tee.UpToDate, now - 60*day},
		{"module 0 revoked", [16]byte{4, 0, 4}, tee.RevokedLevel, now - 900*day},
		{"microcode out of date", [16]byte{6, 1, 3}, tee.OutOfDate, now - 200*day},
	} {
		for _, m := range makers[1:] {
			s := m.spec()
			s.TDX.TCBSVN = tt.svn
			r, err := appraise(s)
			if err != nil || r.Status != tt.status || r.TCBDate != tt.date {
				t.Errorf("%s, %s: %+v, %v; want %s of %d", m.name, tt.name, r, err, tt.status, tt.date)
			}
		}
	}
}

// Where the module has levels of its own, what the platform's level says of it counts
// for nothing, whatever it is.
func TestModuleInPlatformLevel(t *testing.T) {
	s := makers[1].spec()
	s.Levels[0].TDX = [16]uint8{99, 99, 4}
	if r, err := appraise(s); err != nil || r.Status != tee.UpToDate {
		t.Errorf("module 1: %+v, %v", r, err)
	}
	s.TDX.TCBSVN = [16]byte{5, 0, 4}
	if r, err := appraise(s); err != nil || r.Status != tee.OutOfDate {
		t.Errorf("module 0: %+v, %v", r, err)
	}
}

// Intel adds members and modules within a version; its signature covers them.
func TestUnknownMembersArePassedOver(t *testing.T) {
	s := makers[1].spec()
	s.Modules = append(s.Modules, simulated.Module{ID: "TDX_NEXT"})
	s.Text[tee.InQEIdentity] = func(text string) string { return `{"new":[null,1.5,{"a":"b"}],` + text[1:] }
	if _, err := appraise(s); err != nil {
		t.Error(err)
	}
}

func status(name string) func(*simulated.Spec) {
	return func(s *simulated.Spec) { s.Levels[0].Status = name }
}

func TestStatusNames(t *testing.T) {
	for s := tee.UpToDate; s <= tee.RevokedLevel; s++ {
		if got, ok := tee.StatusOf(s.String()); !ok || got != s {
			t.Errorf("%s is read as %s", s, got)
		}
	}
	for _, name := range []string{"", "unknown", "uptodate", "Splendid"} {
		if got, ok := tee.StatusOf(name); ok || got != 0 {
			t.Errorf("%q is read as %s", name, got)
		}
	}
	if got := tee.Status(99).String(); got != "unknown" {
		t.Errorf("99 is %q", got)
	}
}

// Dates are those that package time reads, in their one form.
func TestParseDate(t *testing.T) {
	for day := time.Unix(0, 0).UTC(); day.Year() < 2120; day = day.Add(86399 * time.Second) {
		text := day.Format(time.RFC3339)
		if got, ok := tee.ParseDate(text); !ok || got != uint64(day.Unix()) {
			t.Fatalf("%s is %d %v, want %d", text, got, ok, day.Unix())
		}
	}
	for _, text := range []string{"", "2025-02-29T00:00:00Z", "2100-02-29T00:00:00Z", "1969-12-31T23:59:59Z", "2025-13-01T00:00:00Z", "2025-00-01T00:00:00Z", "2025-01-00T00:00:00Z",
		"2025-04-31T00:00:00Z", "2025-01-01T24:00:00Z", "2025-01-01T00:60:00Z", "2025-01-01T00:00:60Z", "2025-01-01 00:00:00Z", "2025-01-01T00:00:00z", "2025-01-01T00:00:00+00:00",
		"2025-01-01T00:00:00.0Z", "2025-01-01T00:00:0:Z", "+025-01-01T00:00:00Z"} {
		if got, ok := tee.ParseDate(text); ok {
			t.Errorf("%q was read as %d", text, got)
		}
	}
	if got, ok := tee.ParseDate("9999-12-31T23:59:59Z"); !ok || got != 253402300799 {
		t.Errorf("the last date is %d %v", got, ok)
	}
}
