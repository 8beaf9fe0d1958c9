package api

import (
	"context"
	"fmt"
	"strconv"

	"github.com/go-json-experiment/json"
	"github.com/killick-ledger/killick/chaincode/canon"
	"github.com/killick-ledger/killick/chaincode/did"
	"github.com/killick-ledger/killick/chaincode/fault"
	"github.com/killick-ledger/killick/gateway/resolver"
)

// resolvers are the methods of the server's DID resolver.
func (s *Server) resolvers(web *resolver.Web) resolver.Resolver {
	r := resolver.Resolver{"killick": s.resolveKillick, "key": resolver.Key}
	if web != nil {
		r["web"] = web.Resolve
	}
	return r
}

// resolveKillick reads a DID of this ledger, as the organisation's peer has it
// after its last block.
func (s *Server) resolveKillick(ctx context.Context, u resolver.URL, at resolver.Version) (*resolver.Resolution, error) {
	network, _, err := did.Parse(u.DID)
	if err != nil {
		return nil, &resolver.Error{Reason: resolver.InvalidDID, Detail: fault.Text(err)}
	}
	if network != s.cfg.Network {
		return nil, &resolver.Error{Reason: resolver.NotFound, Detail: fmt.Sprintf("the DID is of the network %.80q, this is %s", network, s.cfg.Network)}
	}
	question, err := versionQuery(u.DID, at)
	if err != nil {
		return nil, err
	}
	var v did.Resolution
	err = s.query(ctx, &v, "did:Resolve", question)
	switch fault.Of(err) {
	case fault.OK:
	case fault.DIDUnknown:
		return nil, &resolver.Error{Reason: resolver.NotFound, Detail: "the ledger has no such DID"}
	case fault.NotFound:
		return nil, &resolver.Error{Reason: resolver.NotFound, Detail: "the DID has no such version"}
	case fault.Unavailable:
		return nil, &resolver.Error{Reason: resolver.InternalError, Detail: "the ledger cannot be read now", Cause: err}
	default:
		return nil, err
	}
	document, err := json.Marshal(v.Document)
	return &resolver.Resolution{Document: document, Metadata: resolver.Metadata{
		Created: instant(v.Metadata.Created), Updated: instant(v.Metadata.Updated), Deactivated: v.Metadata.Deactivated,
		NextUpdate: instant(v.Metadata.NextUpdate), VersionID: v.Metadata.VersionID, NextVersionID: v.Metadata.NextVersionID,
	}}, err
}

// versionQuery is the argument of did:Resolve. Versions are numbered from 1.
func versionQuery(name string, at resolver.Version) ([]byte, error) {
	q := did.Query{DID: name}
	if at.ID != "" {
		n, err := strconv.ParseUint(at.ID, 10, 32)
		if err != nil || n == 0 || strconv.FormatUint(n, 10) != at.ID {
			return nil, &resolver.Error{Reason: resolver.NotFound, Detail: fmt.Sprintf("the DID has no version %.40q", at.ID)}
		}
		q.VersionID = uint32(n)
	}
	if !at.Time.IsZero() {
		if at.Time.Unix() <= 0 {
			return nil, &resolver.Error{Reason: resolver.NotFound, Detail: "no DID was there before 1970"}
		}
		q.VersionTime = uint64(at.Time.Unix())
	}
	return canon.Marshal(q)
}
