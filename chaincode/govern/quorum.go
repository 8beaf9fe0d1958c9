package govern

// Quorum picks k of those who approve a proposal, in their order, beginning with the
// one at index first, modulo their number; all when they are fewer. Whoever enacts
// names no more than are needed, and each begins with another one: an approval that
// is taken back at the last moment, again and again, holds up those alone who count
// on it.
func Quorum(approvals []string, k, first int) []string {
	picked := []string{}
	n := len(approvals)
	for i, msp := range approvals {
		if (i-first%n+n)%n < k {
			picked = append(picked, msp)
		}
	}
	return picked
}
