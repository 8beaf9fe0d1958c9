package api

import (
	"errors"
	"mime"
	"strconv"
	"strings"

	"github.com/killick-ledger/killick/gateway/resolver"
)

// media is a media type with the profile that tells those of JSON-LD apart.
type media struct{ name, profile string }

// The media types of DID Resolution and of the universal resolver.
var (
	mediaResolution      = media{name: "application/did-resolution"}
	mediaDereferencing   = media{name: "application/did-url-dereferencing"}
	mediaLDResolution    = media{"application/ld+json", "https://w3id.org/did-resolution"}
	mediaLDDereferencing = media{"application/ld+json", "https://w3id.org/did-url-dereferencing"}
	mediaDID             = media{name: "application/did"}
	mediaDIDLD           = media{name: "application/did+ld+json"}
	mediaDIDJSON         = media{name: "application/did+json"}
	mediaLD              = media{name: "application/ld+json"}
	mediaJSON            = media{name: "application/json"}
	mediaURIs            = media{name: "text/uri-list"}
	mediaProblem         = media{name: "application/problem+json"}
)

// String returns the value for Content-Type.
func (m media) String() string {
	if m.profile == "" {
		return m.name
	}
	return m.name + `;profile="` + m.profile + `"`
}

// dereferences says that the type is that of a DID URL dereferencing result.
func (m media) dereferences() bool { return m == mediaDereferencing || m == mediaLDDereferencing }

// resolves says that the type is that of a DID resolution result.
func (m media) resolves() bool { return m == mediaResolution || m == mediaLDResolution }

// offers are the media types of an answer, the best first: of what an Accept header
// likes equally the first is taken. A request that was not understood has none of
// its own; its refusal comes as any that its client may have meant.
func offers(q *resolver.Request, identifier string) []media {
	documents := []media{mediaDID, mediaDIDLD, mediaDIDJSON, mediaLD, mediaJSON}
	switch {
	case q == nil && !strings.ContainsAny(identifier, "/?#"), q != nil && q.Form() == resolver.Whole:
		return append(append([]media{mediaResolution}, documents...), mediaLDResolution, mediaDereferencing, mediaLDDereferencing)
	case q == nil:
		return append(append([]media{mediaDereferencing, mediaResolution}, documents...), mediaLDResolution, mediaLDDereferencing, mediaURIs)
	case q.Form() == resolver.Part:
		return append(append([]media{mediaDereferencing}, documents...), mediaLDDereferencing)
	case q.RelativeRef != nil: // only an address can be relative to another
		return append(append([]media{mediaURIs, mediaDereferencing}, documents...), mediaLDDereferencing)
	}
	return append(append([]media{mediaDereferencing}, documents...), mediaLDDereferencing, mediaURIs)
}

var (
	errAccept        = errors.New("the Accept header is no list of media ranges (RFC 9110, section 12.5.1)")
	errNotAcceptable = errors.New("no representation that is served is acceptable")
)

// mediaRange is one range of an Accept header.
type mediaRange struct {
	media
	thousandths int // of quality
}

// choose returns the offer that an Accept header likes best; without a header the
// first. Errors: errAccept, errNotAcceptable.
func choose(accept []string, offered []media) (media, error) {
	ranges, err := parseAccept(strings.Join(accept, ","))
	if err != nil {
		return media{}, err
	}
	if ranges == nil {
		return offered[0], nil
	}
	best, quality := media{}, 0
	for _, m := range offered {
		if q := m.quality(ranges); q > quality {
			best, quality = m, q
		}
	}
	if quality == 0 {
		return media{}, errNotAcceptable
	}
	return best, nil
}

// quality is what the most specific of the ranges that a type falls into gives it.
func (m media) quality(ranges []mediaRange) int {
	quality, specific := 0, -1
	for _, r := range ranges {
		how := -1
		family, isFamily := strings.CutSuffix(r.name, "/*")
		switch {
		case r.name == m.name && r.profile != "" && r.profile == m.profile:
			how = 3
		case r.profile != "":
		case r.name == m.name:
			how = 2
		case r.name == "*/*":
			how = 0
		case isFamily && strings.HasPrefix(m.name, family+"/"):
			how = 1
		}
		if how > specific || how == specific && how >= 0 && r.thousandths > quality {
			quality, specific = r.thousandths, how
		}
	}
	return quality
}

// parseAccept reads an Accept header; an empty one has no ranges. Parameters other
// than q and profile tell none of our types apart and are not looked at.
func parseAccept(header string) ([]mediaRange, error) {
	var ranges []mediaRange
	for _, element := range split(header) {
		if strings.TrimSpace(element) == "" {
			continue
		}
		name, parameters, err := mime.ParseMediaType(element)
		kind, sub, ok := strings.Cut(name, "/")
		if err != nil || !ok || kind == "*" && sub != "*" || strings.Trim(name, "!#$&^_.+-*/abcdefghijklmnopqrstuvwxyz0123456789") != "" {
			return nil, errAccept
		}
		r := mediaRange{media{name, parameters["profile"]}, 1000}
		if text, has := parameters["q"]; has {
			q, err := strconv.ParseFloat(text, 64)
			if err != nil || q < 0 || q > 1 || len(text) > 5 || strings.Trim(text, "0123456789.") != "" {
				return nil, errAccept
			}
			r.thousandths = int(q*1000 + 0.5)
		}
		ranges = append(ranges, r)
	}
	return ranges, nil
}

// split splits a list at its commas, but not within quotes.
func split(header string) []string {
	quoted, escaped := false, false
	return strings.FieldsFunc(header, func(r rune) bool {
		switch {
		case escaped:
			escaped = false
		case quoted && r == '\\':
			escaped = true
		case r == '"':
			quoted = !quoted
		case r == ',':
			return !quoted
		}
		return false
	})
}
