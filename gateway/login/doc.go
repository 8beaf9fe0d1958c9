// Package login lets the holder of a DID's key log in at a gateway's HTTP service: a
// challenge, signed by a key that the DID's document lists under authentication, is
// exchanged for a short access token, which is bound to a key of the client's by DPoP
// (RFC 9449). It is the gateway's OAuth 2.0 token endpoint; other grants can be added to
// it (Service.Grant). Handlers that want to know who asks call Authenticate or Protect.
//
// Nothing is stored. What the gateway hands out and wants to see again (challenges, DPoP
// nonces, access tokens) is sealed under a key that the process draws when it starts and
// never shows, and what may be used once is remembered in memory until it has expired. A
// restart therefore ends every session: nothing that was handed out before it is taken
// after it, so nothing can be replayed either, and clients log in again. Each gateway has
// an audience of its own, its URL.
//
// A login gives no rights on the ledger, where signed operations decide. It is only as
// good as the key: with each use of a token the DID's document is read again, so that a
// DID that was deactivated and a key that was replaced are refused at once.
//
// Memory is bounded: see window and maxProofs. Times are compared with the machine's clock.
// docs/formats/login.md has the messages byte by byte.
package login
