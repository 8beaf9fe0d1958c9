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

// ask reads the JSON at url into v, and reports whether there was any. What does not
// answer is in the table of processes already, or is about to be.
func ask(url string, v any) bool {
	web := http.Client{Timeout: 5 * time.Second}
	response, err := web.Get(url)
	if err != nil {
		return false
	}
	defer response.Body.Close()
	return json.NewDecoder(io.LimitReader(response.Body, 1<<20)).Decode(v) == nil
}

// writeAlarms prints what the anchor at url finds wrong now.
func writeAlarms(w io.Writer, url string) {
	var status struct {
		Organisation string
		Alarms       []string
	}
	if !ask(url+"/status", &status) {
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

// lines is plain for each line of a text.
func lines(text string) string {
	all := strings.Split(text, "\n")
	for i, line := range all {
		all[i] = plain(line)
	}
	return strings.Join(all, "\n")
}
