package api

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/go-json-experiment/json"
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
	var v did.Resolution
	err = s.query(ctx, &v, "did:Resolve", []byte(u.DID))
	switch fault.Of(err) {
	case fault.OK:
	case fault.DIDUnknown:
		return nil, &resolver.Error{Reason: resolver.NotFound, Detail: "the ledger has no such DID"}
	case fault.Unavailable:
		return nil, &resolver.Error{Reason: resolver.InternalError, Detail: "the ledger cannot be read now", Cause: err}
	default:
		return nil, err
	}
	if err := current(v.Metadata.VersionID, at); err != nil {
		return nil, err
	}
	document, err := json.Marshal(v.Document)
	return &resolver.Resolution{
		Document: document, Metadata: resolver.Metadata{
			VersionID: v.Metadata.VersionID, Deactivated: v.Metadata.Deactivated, Created: instant(v.Metadata.Created), Updated: instant(v.Metadata.Updated),
		},
	}, err
}

// current refuses every version but the one that the ledger gives. Versions are
// numbered from 1.
func current(id string, at resolver.Version) error {
	if at.ID != "" && at.ID != id {
		asked, err := strconv.ParseUint(at.ID, 10, 32)
		newest, _ := strconv.ParseUint(id, 10, 32)
		if err != nil || asked < 1 || asked > newest || strconv.FormatUint(asked, 10) != at.ID {
			return &resolver.Error{Reason: resolver.NotFound, Detail: fmt.Sprintf("the DID has no version %.40q", at.ID)}
		}
		return &resolver.Error{Reason: resolver.FeatureNotSupported, Detail: "this ledger gives the current version only, which is " + id}
	}
	if !at.Time.IsZero() && at.Time.Before(time.Now()) {
		return &resolver.Error{Reason: resolver.FeatureNotSupported, Detail: "this ledger gives the current version only, and not the one of a time that has passed"}
	}
	return nil
}
