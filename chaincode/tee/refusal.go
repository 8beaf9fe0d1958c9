package tee

import (
	"fmt"

	"github.com/killick-ledger/killick/chaincode/fault"
)

// Part is what a refusal is about. The names are part of the format.
type Part string

// The parts of a quote, of its collateral, and of what is asked of it.
const (
	InQuote      Part = "quote"       // its layout, and the signature over header and body
	InKey        Part = "key"         // the attestation key, bound by the QE's report
	InQE         Part = "qe"          // the report of the quoting enclave
	InChain      Part = "chain"       // the certificates in the quote above the PCK certificate
	InPCK        Part = "pck"         // the platform's certificate
	InBody       Part = "body"        // the report of the enclave or trust domain
	InRoot       Part = "root"        // the pinned root
	InRootCRL    Part = "root_crl"    //
	InPCKCA      Part = "pck_ca"      // the CA that signed the PCK CRL
	InPCKCRL     Part = "pck_crl"     //
	InTCBSigner  Part = "tcb_signer"  // the certificate below the root that signed the TCB info
	InTCBInfo    Part = "tcb_info"    //
	InQESigner   Part = "qe_signer"   // the one that signed the QE identity
	InQEIdentity Part = "qe_identity" //
	InCollateral Part = "collateral"  // its encoding
	InTCB        Part = "tcb"         // the platform's security versions
	InModule     Part = "module"      // the TDX module
	InPolicy     Part = "policy"      // a policy or set of roots that asks for what cannot be
)

// Why is what is wrong with a part. The names are part of the format.
type Why string

// The reasons.
const (
	Form        Why = "form"        // it does not follow its layout
	Size        Why = "size"        // larger than is read
	Trailing    Why = "trailing"    // bytes behind its end
	Version     Why = "version"     // a version or type that is not read here
	Issuer      Why = "issuer"      // nobody who is trusted issued it
	Signature   Why = "signature"   // the signature is not its issuer's
	Early       Why = "early"       // not yet valid
	Expired     Why = "expired"     // not valid any more
	Revoked     Why = "revoked"     // on its issuer's list, or its level is withdrawn
	Mismatch    Why = "mismatch"    // it belongs to something else
	Unsupported Why = "unsupported" // no level covers it
	Debug       Why = "debug"       // its secrets can be read from outside
	Attributes  Why = "attributes"  // it runs with what is not allowed
	Level       Why = "level"       // its status is not among those that the policy accepts
	Evaluation  Why = "evaluation"  // the collateral is older than the policy asks for
	Unlisted    Why = "unlisted"    // the policy does not list what runs
)

// Refusal says what failed. Its fault code is Malformed, TrailingData or TooLarge
// for what cannot be read, and BadProof for the rest.
type Refusal struct {
	In   Part
	Why  Why
	Text string // for people
}

func refuse(in Part, why Why, format string, args ...any) error {
	return &Refusal{in, why, fmt.Sprintf(format, args...)}
}

// Reason is the stable name of the refusal, for example "tcb_info/expired".
func (r *Refusal) Reason() string { return string(r.In) + "/" + string(r.Why) }

// Error is the text of the fault that the refusal is.
func (r *Refusal) Error() string { return r.Unwrap().Error() }

// Unwrap returns the refusal as a fault: code, reason and text.
func (r *Refusal) Unwrap() error {
	code := fault.BadProof
	switch r.Why {
	case Form, Version:
		code = fault.Malformed
	case Trailing:
		code = fault.TrailingData
	case Size:
		code = fault.TooLarge
	}
	return fault.New(code, "%s: %s", r.Reason(), r.Text)
}

// OfCollateral says that the quote could not be judged with this collateral: another
// one, or a later one, may do. It is false for what is wrong with the quote itself,
// what it measures, or the policy.
func (r *Refusal) OfCollateral() bool {
	switch r.In {
	case InRoot, InRootCRL, InPCKCA, InPCKCRL, InTCBSigner, InTCBInfo, InQESigner, InQEIdentity, InCollateral:
		return true
	}
	return r.Why == Evaluation
}
