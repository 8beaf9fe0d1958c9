package ledger

// IsName says whether s is 1 to max of the characters that names in state keys
// may have: A-Z a-z 0-9 . _ -
func IsName(s string, max int) bool {
	if len(s) < 1 || len(s) > max {
		return false
	}
	for i := range len(s) {
		c := s[i]
		if c != '.' && c != '_' && c != '-' && (c < '0' || c > '9') && (c < 'A' || c > 'Z') && (c < 'a' || c > 'z') {
			return false
		}
	}
	return true
}
