//go:build !cgo

package main

import (
	"errors"

	"github.com/killick-ledger/killick/anchor/signer"
)

// openToken says that this program cannot: PKCS#11 modules are C libraries.
func openToken(tokenConfig) (*signer.Key, error) {
	return nil, errors.New("this killick-signer was built without PKCS#11: build it with `make signer`, which needs a C compiler")
}
