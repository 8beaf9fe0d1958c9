package main

import (
	"fmt"
	"io"
	"strings"
	"time"
)

// writeDivergences prints which organisations the gateway at url has found to
// differ from the others.
func writeDivergences(w io.Writer, url string) {
	var status struct {
		Divergences []struct {
			Organisation string
			Count        uint64
			Time         time.Time
			Operations   []string
			Text         string
		}
	}
	if !ask(url+"/healthz", &status) {
		return
	}
	for _, d := range status.Divergences {
		fmt.Fprintf(w, "differs  %s on %d batches, says the gateway %s; last %s: %s", plain(d.Organisation), d.Count, url, d.Time.UTC().Format(time.RFC3339), plain(d.Text))
		if len(d.Operations) > 0 {
			fmt.Fprintf(w, " (operations %s)", plain(strings.Join(d.Operations, ", ")))
		}
		fmt.Fprintln(w)
	}
}
