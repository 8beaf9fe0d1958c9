package certificate

import "time"

// At returns a service whose clock stands still.
func At(cfg Config, now time.Time) *Service {
	s := New(cfg)
	s.now = func() time.Time { return now }
	return s
}
