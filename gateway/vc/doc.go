// Package vc makes and checks credentials and presentations: those of the W3C's VC Data
// Model 2.0, secured by Data Integrity proofs (eddsa-jcs-2022, ecdsa-jcs-2019 on P-256)
// or as vc+jwt and vp+jwt (VC-JOSE-COSE), with Bitstring Status Lists; and SD-JWT
// credentials (dc+sd-jwt, RFC 9901) for wallets.
//
// It never fetches anything, and never processes JSON-LD: contexts are those of
// an allow-list, each pinned to the digest of its file, and what is signed is the
// canonical JSON (RFC 8785), so that no term can change its meaning unseen. Proofs of
// eddsa-rdfc-2022 are verified where its caller canonicalises RDF. Keys
// come from a Resolver, those of did:key from the identifier itself. It holds no
// private key: a Signer signs.
//
// Times are compared with the time that the caller gives. All errors are of
// package fault, except those of a Resolver or Signer, which are passed on. Values
// are safe for use by several goroutines once they are built.
// docs/formats/credentials.md says what is taken and what is refused.
package vc
