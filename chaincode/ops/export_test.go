package ops

// StoppedBy is stoppedBy, for tests.
var StoppedBy = stoppedBy

// Follows are the prefixes of keys that state names and an operation reads.
func (o *Operation) Follows() []string { return o.kind.follows }
