// Command killick-verify checks a bundle against a pinned policy and public
// chains. It trusts no member, no partner and no server of the consortium: it
// needs the file, the policy and RPC endpoints, and nothing else. It holds no
// keys and writes nothing.
package main

import (
	"fmt"
	"time"

	"github.com/killick-ledger/killick/anchor/log"
)

// Exit codes. Nothing but exitVerified means that the claim holds.
const (
	exitVerified = 0
	exitInvalid  = 2
	exitPartly   = 3
)

type urls []string

func (u *urls) String() string     { return fmt.Sprint(*u) }
func (u *urls) Set(s string) error { *u = append(*u, s); return nil }

// options are what the auditor says: by the command line, or on the page.
type options struct {
	bundle, policy string
	evm, tron      urls
	oneEndpoint    bool
	json, offline  bool
	headers        heads
	block          string
	config         urls
	blocks         string
	memory         uint
	timeout        time.Duration

	deeper func(*log.Bundle, *log.Policy) []log.Check // nil: no depth beyond L1
	net    transport
}
