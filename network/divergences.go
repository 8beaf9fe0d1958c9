package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"
)

// writeDivergences prints which organisations the gateway at url has found to
// differ from the others. A gateway that does not answer is in the table of
// processes already, or is about to be.
func writeDivergences(w io.Writer, url string) {
	web := http.Client{Timeout: 5 * time.Second}
	response, err := web.Get(url + "/healthz")
	if err != nil {
		return
	}
	defer response.Body.Close()
	var status struct {
		Divergences []struct {
			Organisation string
			Count        uint64
			Time         time.Time
			Operations   []string
			Text         string
		}
	}
	if json.NewDecoder(io.LimitReader(response.Body, 1<<20)).Decode(&status) != nil {
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
