package login

// DecodeAssertion reads a signed challenge.
func DecodeAssertion(compact string) error {
	_, _, err := decodeAssertion(compact)
	return err
}

// SameURL compares as htu is compared.
func SameURL(a, b string) bool { return sameURL(a, b) }

// NormalURL is the form in which htu is compared.
func NormalURL(text string) (string, bool) { return normalURL(text) }

// MaxProofs is how many are remembered, and Window of how many tickets what was used is known.
const (
	MaxProofs = maxProofs
	Window    = window
)

// Skip makes numbers of tickets as if so many had been asked for.
func (t *Tickets) Skip(n uint64) { t.made += n }
