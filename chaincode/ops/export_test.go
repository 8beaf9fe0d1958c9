package ops

// StoppedBy is stoppedBy, for tests.
var StoppedBy = stoppedBy

// Together says how many keys signatures were verified with in batches: single
// verification remembers none.
func (e *Engine) Together() int {
	e.verifier.keys.mu.Lock()
	defer e.verifier.keys.mu.Unlock()
	return len(e.verifier.keys.new) + len(e.verifier.keys.old)
}
