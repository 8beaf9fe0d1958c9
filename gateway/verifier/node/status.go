package node

import (
	"fmt"
	"io"

	"github.com/killick-ledger/killick/chaincode/attest"
)

// Status is what a node has done since its start.
type Status struct {
	DID             string                       `json:"did"`
	Following       int                          `json:"following"` // rounds, and jobs that may become one
	Ballots         [attest.Malicious + 1]uint64 `json:"ballots"`   // by attest.Verdict
	Revealed        uint64                       `json:"revealed"`  // rounds that ended so
	Unrevealed      uint64                       `json:"unrevealed"`
	Abstained       uint64                       `json:"abstained"`
	WrongCommittees uint64                       `json:"wrongCommittees"`
	Disagreements   uint64                       `json:"disagreements"` // of gateways
	Errors          uint64                       `json:"errors"`
}

// count changes the status.
func (n *Node) count(change func(*Status)) {
	n.mu.Lock()
	defer n.mu.Unlock()
	change(&n.status)
}

// Status returns what the node has done.
func (n *Node) Status() Status {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.status
}

// attributes are the status as a line of the log has it.
func (s Status) attributes() []any {
	return []any{
		"following", s.Following, "valid", s.Ballots[attest.Valid], "invalid", s.Ballots[attest.Invalid], "malicious", s.Ballots[attest.Malicious],
		"revealed", s.Revealed, "unrevealed", s.Unrevealed, "abstained", s.Abstained, "disagreements", s.Disagreements, "errors", s.Errors,
	}
}

// Metrics writes the status in the Prometheus text format. Labels are bounded.
func (s Status) Metrics(w io.Writer) {
	metric := func(name, kind, help string, values ...any) {
		fmt.Fprintf(w, "# HELP killick_verifier_%s %s\n# TYPE killick_verifier_%s %s\n", name, help, name, kind)
		for i := 0; i < len(values); i += 2 {
			fmt.Fprintf(w, "killick_verifier_%s%s %d\n", name, values[i], values[i+1])
		}
	}
	metric("following", "gauge", "Rounds that are attended to, and jobs that may become one.", "", s.Following)
	metric("ballots_total", "counter", "Ballots that were written, by what they say.", `{ballot="valid"}`, s.Ballots[attest.Valid],
		`{ballot="invalid"}`, s.Ballots[attest.Invalid], `{ballot="malicious"}`, s.Ballots[attest.Malicious])
	metric("rounds_total", "counter", "Rounds that are over, by what became of the ballot.", `{end="revealed"}`, s.Revealed,
		`{end="unrevealed"}`, s.Unrevealed, `{end="abstained"}`, s.Abstained)
	metric("wrong_committees_total", "counter", "Looks at a round with a committee that its seed does not draw.", "", s.WrongCommittees)
	metric("disagreements_total", "counter", "Questions that gateways answered differently.", "", s.Disagreements)
	metric("errors_total", "counter", "Steps of a round that did not come to an end and go again.", "", s.Errors)
}
