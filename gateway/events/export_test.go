package events

// Held is how many blocks are held.
func (s *Stream) Held() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.recent)
}
