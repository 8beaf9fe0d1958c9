package main

import (
	"bytes"
	"fmt"

	"github.com/killick-ledger/killick/anchor/log"
)

// forgery changes one thing in a bundle. All but the first keep its form, as whoever
// forges bundles would.
type forgery struct {
	Name  string `json:"name"`
	Text  string `json:"text"`  // what it changes
	Fails string `json:"fails"` // the check that finds it
	Chain bool   `json:"chain"` // whether only a public chain can tell
	edit  func(b *log.Bundle) error
}

// forgeries are those that the page offers.
var forgeries = []forgery{
	{"claim", "one character of what the bundle claims", "form", false, nil},
	{"record", "one bit of the transaction's record", "transaction", false, func(b *log.Bundle) error {
		b.Tx.EnvelopeHash[0] ^= 1
		return nil
	}},
	{"path", "one bit of the block's path to the root of the log", "block", false, func(b *log.Bundle) error {
		if len(b.Path) == 0 {
			return fmt.Errorf("the log has one block, which needs no path")
		}
		b.Path[0][0] ^= 1
		return nil
	}},
	{"signature", "one bit of a member's signature", "cosignatures", false, func(b *log.Bundle) error {
		if len(b.Note.Lines) == 0 {
			return fmt.Errorf("nobody signed the checkpoint")
		}
		b.Note.Lines[0].Ed25519[40] ^= 1
		return nil
	}},
	{"root", "one bit of the root that the members signed", "cosignatures", false, func(b *log.Bundle) error {
		b.Note.Root[0] ^= 1
		return nil
	}},
	{"anchor", "one bit of the transaction on the public chain", "chain", true, func(b *log.Bundle) error {
		if len(b.Anchors) == 0 {
			return fmt.Errorf("the bundle names no public chain")
		}
		b.Anchors[0].Tx[0] ^= 1
		return nil
	}},
}

// tamper returns the bundle with one of the forgeries in it.
func tamper(name string, data []byte) ([]byte, error) {
	for _, f := range forgeries {
		switch {
		case f.Name != name:
		case f.edit == nil:
			return misstate(data)
		default:
			b, err := log.ParseBundle(data)
			if err == nil {
				err = f.edit(b)
			}
			if err != nil {
				return nil, err
			}
			return b.Marshal()
		}
	}
	return nil, fmt.Errorf("no forgery %q", name)
}

// misstate changes the last character of the claim.
func misstate(data []byte) ([]byte, error) {
	parts := bytes.SplitN(data, []byte("\n\n"), 3)
	if len(parts) != 3 || len(parts[1]) == 0 {
		return nil, fmt.Errorf("the file has no claim")
	}
	out := bytes.Clone(data)
	last := &out[len(parts[0])+2+len(parts[1])-1]
	if *last == '1' {
		*last = '2'
	} else {
		*last = '1'
	}
	return out, nil
}
