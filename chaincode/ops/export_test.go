package ops

// StoppedBy is stoppedBy, for tests.
var StoppedBy = stoppedBy
