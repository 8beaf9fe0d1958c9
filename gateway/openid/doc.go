// Package openid lets ordinary wallets receive credentials from a gateway and show
// theirs to partner apps: OpenID for Verifiable Credential Issuance 1.0 by the
// pre-authorized code flow, and OpenID for Verifiable Presentations 1.0 with DCQL and
// the response mode direct_post. The token endpoint, DPoP, nonces and the login of
// partner apps are those of gateway/login.
//
// A partner app that logs in as the gateway's issuer makes an offer of credentials that
// the operator has configured, and shows it to a user; the user's wallet redeems it,
// and gets credentials bound to its key. A partner app that the operator lists makes a
// request for presentations, shows it, and reads what the wallet answered once it was
// verified.
//
// Offers, requests and answers hold personal data. They are kept in memory only, for
// the time that they state, and in bounded number and size; they are never written to a
// disk, a log or the ledger, and a restart forgets them.
//
// docs/formats/openid.md says what is served, taken and refused.
package openid
