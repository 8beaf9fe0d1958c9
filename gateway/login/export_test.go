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

// MaxSpent is how many are remembered.
const MaxSpent = maxSpent
