package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"
	"unicode"
)

// writeAlarms prints what the anchor at url finds wrong now. One that does not
// answer is in the table of processes already, or is about to be.
func writeAlarms(w io.Writer, url string) {
	web := http.Client{Timeout: 5 * time.Second}
	response, err := web.Get(url + "/status")
	if err != nil {
		return
	}
	defer response.Body.Close()
	var status struct {
		Organisation string
		Alarms       []string
	}
	if json.NewDecoder(io.LimitReader(response.Body, 1<<20)).Decode(&status) != nil {
		return
	}
	for _, alarm := range status.Alarms {
		fmt.Fprintf(w, "alarm    %s, says the anchor of %s\n", plain(alarm), plain(status.Organisation))
	}
}

// plain makes one line of a text that other organisations may have put words into, and
// takes out what a terminal would obey.
func plain(text string) string {
	return strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return ' '
		}
		return r
	}, text)
}
