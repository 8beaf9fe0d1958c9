package certificate

import (
	"errors"

	"github.com/killick-ledger/killick/chaincode/fault"
	"github.com/killick-ledger/killick/gateway/resolver"
)

// unresolved gives an error of the resolver a code.
func unresolved(err error) error {
	var known *resolver.Error
	if !errors.As(err, &known) {
		return err
	}
	code := fault.Unavailable
	switch known.Reason {
	case resolver.InvalidDID, resolver.InvalidDIDURL, resolver.InvalidOptions:
		code = fault.KidMismatch
	case resolver.InvalidDIDDocument:
		code = fault.InvalidValue
	case resolver.NotFound:
		code = fault.DIDUnknown
	case resolver.MethodNotSupported, resolver.FeatureNotSupported:
		code = fault.MethodUnsupported
	}
	return fault.New(code, "%s", known.Detail)
}
