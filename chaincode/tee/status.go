package tee

import "slices"

// Status is how current a platform is, by Intel's TCB levels. The zero value is none
// of them.
type Status uint8

// The statuses, in the order of docs/formats/tee.md.
const (
	UpToDate Status = 1 + iota
	SWHardeningNeeded
	ConfigurationNeeded
	ConfigurationAndSWHardeningNeeded
	OutOfDate
	OutOfDateConfigurationNeeded
	RevokedLevel
)

var statusNames = []string{"", "UpToDate", "SWHardeningNeeded", "ConfigurationNeeded", "ConfigurationAndSWHardeningNeeded",
	"OutOfDate", "OutOfDateConfigurationNeeded", "Revoked"}

// String returns Intel's name of the status, "unknown" for none.
func (s Status) String() string {
	if s == 0 || int(s) >= len(statusNames) {
		return "unknown"
	}
	return statusNames[s]
}

// StatusOf returns the status of that name.
func StatusOf(name string) (Status, bool) {
	i := slices.Index(statusNames, name)
	return Status(max(i, 0)), i > 0
}

// verdict is what a level says of those who reach it.
type verdict struct {
	status     Status
	date       uint64
	advisories []string
}

// converge merges the level of a platform with that of a part of it, the QE or the
// TDX module, as Intel's library does: parts are up to date, revoked, or else out of
// date.
func converge(platform, part Status) Status {
	switch {
	case platform == RevokedLevel || part == RevokedLevel:
		return RevokedLevel
	case part == UpToDate:
		return platform
	}
	switch platform {
	case UpToDate, SWHardeningNeeded:
		return OutOfDate
	case ConfigurationNeeded, ConfigurationAndSWHardeningNeeded:
		return OutOfDateConfigurationNeeded
	}
	return platform
}

// merge adds the verdict on a part: the status converges, the date is the older one,
// advisories of both count.
func (v verdict) merge(part verdict) verdict {
	v.status = converge(v.status, part.status)
	v.date = min(v.date, part.date)
	v.advisories = append(slices.Clip(v.advisories), part.advisories...)
	slices.Sort(v.advisories)
	v.advisories = slices.Compact(v.advisories)
	return v
}
