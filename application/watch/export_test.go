package watch

// Watchers is the number of concurrent watchers of s.
func Watchers(s *Service) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.watchers)
}
