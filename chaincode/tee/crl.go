package tee

import (
	"bytes"
	"crypto/x509"
)

// readCRL reads a list of revoked certificates and wants it to be the issuer's, and
// valid now.
func readCRL(in Part, der []byte, issuer *x509.Certificate, now uint64) (*x509.RevocationList, error) {
	list, err := x509.ParseRevocationList(der)
	if err != nil {
		return nil, refuse(in, Form, "not a revocation list")
	}
	if list.SignatureAlgorithm != x509.ECDSAWithSHA256 || list.NextUpdate.IsZero() {
		return nil, refuse(in, Version, "not signed with ECDSA and SHA-256, or without an end")
	}
	for _, e := range list.Extensions {
		if e.Critical { // a list of changes, or of a part of the certificates, says so here
			return nil, refuse(in, Version, "a critical extension that is not known here")
		}
	}
	if !bytes.Equal(list.RawIssuer, issuer.RawSubject) {
		return nil, refuse(in, Issuer, "the list is not of %s", name(issuer))
	}
	if list.CheckSignatureFrom(issuer) != nil {
		return nil, refuse(in, Signature, "the list is not signed by %s", name(issuer))
	}
	return list, within(in, list.ThisUpdate.Unix(), list.NextUpdate.Unix(), now)
}

// checkListed refuses a certificate that is on its issuer's list.
func checkListed(in Part, cert *x509.Certificate, list *x509.RevocationList) error {
	for i := range list.RevokedCertificateEntries {
		if list.RevokedCertificateEntries[i].SerialNumber.Cmp(cert.SerialNumber) == 0 {
			return refuse(in, Revoked, "%s, serial number %x, is revoked", name(cert), cert.SerialNumber)
		}
	}
	return nil
}
