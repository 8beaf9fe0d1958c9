package api

import (
	"fmt"
	"io"
	"time"
)

// Divergence is the newest finding about an organisation whose chaincode answers
// differently from the others'.
type Divergence struct {
	Organisation string    `json:"organisation"` // MSP id
	Count        uint64    `json:"count"`        // batches on which it differed, since the start
	Time         time.Time `json:"time"`
	Transaction  string    `json:"transaction"`
	Operations   []string  `json:"operations,omitempty"` // ids, the first of those on which it differed
	Text         string    `json:"text"`
}

// divergences returns those organisations that differed at least once.
func (s *Server) divergences() []Divergence {
	var found []Divergence
	if s.cfg.Divergences != nil {
		for _, d := range s.cfg.Divergences() {
			if d.Count > 0 {
				found = append(found, d)
			}
		}
	}
	return found
}

func (s *Server) divergenceMetric(w io.Writer) {
	if s.cfg.Divergences == nil {
		return
	}
	const name = "killick_gateway_divergence_total"
	fmt.Fprintf(w, "# HELP %s Batches on which the organisation's chaincode answered differently from the others'.\n# TYPE %s counter\n", name, name)
	for _, d := range s.cfg.Divergences() {
		fmt.Fprintf(w, "%s{organisation=%q} %d\n", name, d.Organisation, d.Count)
	}
}
