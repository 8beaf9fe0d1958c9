package client

import (
	"context"
	"fmt"
	"time"

	"github.com/killick-ledger/killick/chaincode/ops"
	"github.com/killick-ledger/killick/gateway/api/killickv1"
)

// The questions and answers of lists. A page's token, with the same question, gives
// the next one; its block says as of which block it is.
type (
	ListRecords   = killickv1.ListRecordsRequest
	RecordPage    = killickv1.RecordPage
	RecordHistory = killickv1.RecordHistory
	ListOffers    = killickv1.ListOffersRequest
	OfferPage     = killickv1.OfferPage
	ListGrants    = killickv1.ListGrantsRequest
	GrantPage     = killickv1.GrantPage
	ListUses      = killickv1.ListUsesRequest
	UsePage       = killickv1.UsePage
	Grant         = killickv1.Grant
	Use           = killickv1.Use
)

// Records lists records by owner, schema, status and time, in the order in which the
// ledger created them.
func (c *Client) Records(ctx context.Context, q *ListRecords) (*RecordPage, error) {
	v, err := c.api.ListRecords(ctx, q)
	return v, refusal(err)
}

// History reads the versions of a record, oldest first; token is that of the page
// before, empty for the first.
func (c *Client) History(ctx context.Context, record, token string) (*RecordHistory, error) {
	v, err := c.api.GetRecordHistory(ctx, &killickv1.GetRecordHistoryRequest{Id: record, PageToken: token})
	return v, refusal(err)
}

// Offers browses the catalogue.
func (c *Client) Offers(ctx context.Context, q *ListOffers) (*OfferPage, error) {
	v, err := c.api.ListOffers(ctx, q)
	return v, refusal(err)
}

// Grant reads a grant by its reference.
func (c *Client) Grant(ctx context.Context, id string) (*Grant, error) {
	v, err := c.api.GetGrant(ctx, &killickv1.GetGrantRequest{Id: id})
	return about(id, v, v.GetId(), err)
}

// Grants lists grants by owner, client or record.
func (c *Client) Grants(ctx context.Context, q *ListGrants) (*GrantPage, error) {
	v, err := c.api.ListGrants(ctx, q)
	return v, refusal(err)
}

// Use reads the receipt of a use by its reference.
func (c *Client) Use(ctx context.Context, id string) (*Use, error) {
	v, err := c.api.GetUse(ctx, &killickv1.GetUseRequest{Id: id})
	return about(id, v, v.GetId(), err)
}

// Uses lists receipts of uses by owner, client or grant.
func (c *Client) Uses(ctx context.Context, q *ListUses) (*UsePage, error) {
	v, err := c.api.ListUses(ctx, q)
	return v, refusal(err)
}

// Use signs a use of a grant on a version of its record, for one path: what the grant
// says of owner and price is what the signer agrees to pay. purpose may be empty; it
// sets apart uses that are otherwise equal, and everybody can read it. It fails for a
// grant that has ended.
func (s Signer) Use(g *Grant, version uint32, path, purpose string) (jws, reference string, err error) {
	body := &ops.AttestUse{
		Grant: g.GetId(), Record: g.GetRecord(), Version: uint64(version), Owner: g.GetOwner(), Operation: g.GetOperation(), Path: path,
		Asset: g.GetAsset(), For: purpose,
	}
	if err := body.Price.UnmarshalText([]byte(g.GetPrice())); err != nil {
		return "", "", fmt.Errorf("price of the grant: %w", err)
	}
	now := time.Now()
	until := min(uint64(now.Add(Lifetime).Unix()), g.GetExpires())
	if until <= uint64(now.Unix()) {
		return "", "", fmt.Errorf("the grant ended at %s", time.Unix(int64(until), 0).UTC().Format(time.RFC3339))
	}
	return signUntil(s, s.Algorithm(), s.network, body, "", uint64(now.Unix()), until)
}
