package submit

import "time"

// strikes are the conflicts that actors caused: two transactions that came through
// different gateways and changed the same state, of which one voids the other with
// all that it carries. An actor that caused one travels apart from others for a
// minute, and one that caused two alone, so that who sends the same account's
// operations through two gateways voids his own batches only. The penalty doubles
// with each further conflict, and is forgiven an hour after it has ended.
type strikes map[[20]byte]strike

type strike struct {
	count int
	until time.Time
}

const (
	penalty    = time.Minute
	maxPenalty = time.Hour
	forgiven   = time.Hour
	// maxStrikes bounds the memory of conflicts, about 6 MB.
	maxStrikes = 50_000
)

// of returns how many conflicts the actor is to answer for now.
func (s strikes) of(actor [20]byte, now time.Time) int {
	if len(s) == 0 {
		return 0
	}
	if k, ok := s[actor]; ok && now.Before(k.until) {
		return k.count
	}
	return 0
}

// add notes a conflict and returns how many the actor has caused.
func (s strikes) add(actor [20]byte, now time.Time) int {
	k := s[actor]
	if now.After(k.until.Add(forgiven)) {
		k.count = 0
	}
	k.count++
	k.until = now.Add(min(penalty<<min(k.count-1, 16), maxPenalty))
	if len(s) >= maxStrikes {
		s.prune(now)
	}
	s[actor] = k
	return k.count
}

// prune makes room: what is forgiven goes, and when all are fresh, some of them.
func (s strikes) prune(now time.Time) {
	for actor, k := range s {
		if now.After(k.until.Add(forgiven)) {
			delete(s, actor)
		}
	}
	for actor := range s {
		if len(s) < maxStrikes*9/10 {
			break
		}
		delete(s, actor)
	}
}
