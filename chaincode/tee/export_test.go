package tee

// Opened is collateral that was verified once, for tests that judge thousands of
// quotes with it.
type Opened struct {
	o     *opened
	roots *Roots
	now   uint64
}

// Open verifies the collateral.
func Open(c *Collateral, roots *Roots, now uint64) (*Opened, error) {
	o, err := c.open(roots, now)
	return &Opened{o, roots, now}, err
}

// Appraise does what the function does after the collateral.
func (o *Opened) Appraise(quote []byte) (*Result, error) {
	q, err := Read(quote)
	if err != nil {
		return nil, err
	}
	return o.o.appraise(q, o.roots, o.now)
}

// WithTexts returns the same with other texts, as if they were signed.
func (o *Opened) WithTexts(info, identity []byte) (*Opened, error) {
	other := *o.o
	return &Opened{&other, o.roots, o.now}, other.read(&Collateral{TCBInfo: info, QEID: identity}, o.now)
}

// ParseDate and Converge show what the appraisal is made of.
var (
	ParseDate = parseDate
	Converge  = converge
)
