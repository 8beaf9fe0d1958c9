package certificate

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/killick-ledger/killick/chaincode/canon"
	"github.com/killick-ledger/killick/chaincode/fault"
	"github.com/killick-ledger/killick/chaincode/record"
	"github.com/killick-ledger/killick/gateway/vc"
)

// recordValid is how long a certificate about a record is valid. What it says of a block
// stays true; whoever wants to know of a later one asks anew.
const recordValid = 365 * 24 * time.Hour

// Place is where an operation stands on the ledger.
type Place struct {
	Transaction string
	Block       uint64
}

// CertifyRecord issues a certificate about a record, as it is on the ledger now: live or
// deleted. All of it is read from the ledger, and nothing can be added.
// Errors: fault.MethodUnsupported where the gateway has no issuer of such certificates,
// fault.InvalidValue and fault.NotFound for the reference, fault.Unavailable while the
// gateway has not seen the block, and those of Issue.
func (s *Service) CertifyRecord(ctx context.Context, reference, format string) (*Issued, error) {
	issuer, err := s.Registrar()
	if err != nil {
		return nil, err
	}
	v, err := s.record(ctx, reference)
	if err != nil {
		return nil, err
	}
	place, err := s.cfg.Place(v.By)
	if err != nil {
		return nil, err
	}
	now := s.now().Truncate(time.Second)
	if format == SDJWT {
		return nil, fault.New(fault.InvalidValue, "options: a certificate about a record hides nothing; its format is %s or %s", DataIntegrity, JWT)
	}
	subject := canon.Object{}.With("id", "urn:killick:record:"+v.Reference).With("type", vc.LedgerRecord).
		With("network", s.cfg.Network).With("reference", v.Reference).With("owner", v.Owner).With("commitment", v.Commitment).
		With("recordStatus", v.Status).With("version", float64(v.Version)).With("operation", v.By).
		With("transaction", place.Transaction).With("block", strconv.FormatUint(place.Block, 10)).
		With("bundle", s.cfg.URL+"/v1/proofs?operation="+v.By)
	document := canon.Object{}.With("@context", []any{vc.BaseContext, vc.LedgerContext}).
		With("type", []any{"VerifiableCredential", vc.RecordCertificate}).With("issuer", issuer.DID).
		With("validFrom", now.UTC().Format(time.RFC3339)).With("validUntil", now.Add(recordValid).UTC().Format(time.RFC3339)).
		With("credentialSubject", subject)
	return s.Issue(ctx, issuer, Request{Credential: document, Format: format, Schema: issuer.Records, Evidence: "on-chain", Endorser: issuer.DID})
}

// Registrar returns the issuer of certificates about records. Errors:
// fault.MethodUnsupported.
func (s *Service) Registrar() (*Issuer, error) {
	for i := range s.cfg.Issuers {
		if issuer := &s.cfg.Issuers[i]; issuer.Records != "" && s.isOurs(issuer.DID) {
			return issuer, nil
		}
	}
	return nil, fault.New(fault.MethodUnsupported, "this gateway issues no certificates about records")
}

func (s *Service) record(ctx context.Context, reference string) (*record.View, error) {
	answer, err := s.cfg.Ledger.Evaluate(ctx, "record:Read", []byte(reference))
	if err != nil {
		return nil, err
	}
	v := new(record.View)
	if err := json.Unmarshal(answer, v, json.RejectUnknownMembers(true)); err != nil {
		return nil, fmt.Errorf("answer of record:Read: %w", err)
	}
	return v, nil
}
