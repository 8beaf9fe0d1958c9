package block

import (
	"bytes"
	"crypto/sha256"
	"crypto/sha3"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"fmt"
	"hash"
	"math/big"
	"slices"
	"strings"
	"time"
)

// unit is an organisational unit in a certificate, the role that it stands for, if any,
// and who certifies it: the DER of an authority, nil for any.
type unit struct {
	name      string
	role      int32
	certifier []byte
}

func (u unit) in(chain []*x509.Certificate) bool {
	return slices.Contains(chain[0].Subject.OrganizationalUnit, u.name) && (u.certifier == nil || bytes.Equal(chain[1].Raw, u.certifier))
}

// chainOf returns the one chain of a certificate to a root, as Fabric builds it
// (bccspmsp.getUniqueValidationChain): expiry decides what orderers take, not what they
// signed.
func (o Organisation) chainOf(cert *x509.Certificate) ([]*x509.Certificate, error) {
	chains, err := cert.Verify(x509.VerifyOptions{Roots: o.Roots, Intermediates: o.Intermediates, CurrentTime: cert.NotBefore.Add(time.Second)})
	if err != nil {
		return nil, err
	}
	if len(chains) != 1 {
		return nil, fmt.Errorf("%d chains to a root", len(chains))
	}
	if named(chains[0]) {
		return nil, fmt.Errorf("an authority constrains names, and the certificate has the name of a host in its subject alone")
	}
	return chains[0], nil
}

// isHost reports whether Go takes a text for the name of a host.
func isHost(name string) bool {
	const letters = "-_:0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
	for i, label := range strings.Split(strings.TrimSuffix(name, "."), ".") {
		other := func(r rune) bool { return !strings.ContainsRune(letters, r) }
		if (i > 0 || label != "*") && (label == "" || label[0] == '-' || strings.ContainsFunc(label, other)) {
			return false
		}
	}
	return true
}

// named reports what Fabric refuses because Go 1.14 did (msp.verifyLegacyNameConstraints):
// an authority constrains names, and the certificate has one where the constraint does not
// reach it.
func named(chain []*x509.Certificate) bool {
	has := func(c *x509.Certificate, last int) bool {
		return slices.ContainsFunc(c.Extensions, func(e pkix.Extension) bool { return e.Id.Equal(asn1.ObjectIdentifier{2, 5, 29, last}) })
	}
	constrains := func(c *x509.Certificate) bool { return has(c, 30) }
	return !has(chain[0], 17) && isHost(chain[0].Subject.CommonName) && slices.ContainsFunc(chain[1:], constrains)
}

// issued verifies that the organisation's authorities issued the certificate, and returns
// the chain to the root.
func (o Organisation) issued(cert *x509.Certificate) ([]*x509.Certificate, error) {
	if cert.IsCA {
		return nil, fmt.Errorf("certificate of an authority")
	}
	chain, err := o.chainOf(cert)
	if err != nil {
		return nil, err
	}
	if len(chain) < 2 || o.above[string(chain[1].Raw)] {
		return nil, fmt.Errorf("certificate by an authority that certifies authorities")
	}
	return chain, nil
}

// accepts checks what Fabric checks besides the chain: lists of revoked certificates that
// the certificate's issuer signed (bccspmsp.validateCertAgainstChain), and that it has
// units as the organisation wants them, one role among them (validateIdentityOUsV142).
func (o Organisation) accepts(chain []*x509.Certificate) error {
	cert, issuer := chain[0], chain[1]
	for _, l := range o.revoked {
		id, err := authorityKeyID(l)
		if err != nil {
			return err
		}
		if !bytes.Equal(id, issuer.SubjectKeyId) {
			continue
		}
		listed := slices.ContainsFunc(l.TBSCertList.RevokedCertificates, func(r pkix.RevokedCertificate) bool {
			return r.SerialNumber.Cmp(cert.SerialNumber) == 0
		})
		//lint:ignore SA1019 as Fabric, which reads version 1 as well
		if listed && issuer.CheckCRLSignature(l) == nil {
			return fmt.Errorf("certificate %x was revoked", cert.SerialNumber)
		}
	}
	if len(o.units) > 0 && !slices.ContainsFunc(o.units, func(u unit) bool { return u.in(chain) }) {
		return fmt.Errorf("certificate without one of the units that the organisation wants")
	}
	if o.roles == nil {
		return nil
	}
	roles := 0
	for _, name := range cert.Subject.OrganizationalUnit {
		i := slices.IndexFunc(o.roles, func(u unit) bool { return u.name == name })
		if i < 0 {
			continue
		}
		if roles++; !o.roles[i].in(chain) {
			return fmt.Errorf("role %q by another authority than the one for it", name)
		}
	}
	if roles != 1 {
		return fmt.Errorf("certificate with %d roles", roles)
	}
	return nil
}

// rolesOf returns the roles of a member (bccspmsp.satisfiesPrincipalInternalV142). An
// organisation that does not tell roles apart has no peer that counts.
func (o Organisation) rolesOf(c certificate) Roles {
	roles := RolesOf(roleMember)
	if o.admins[c.id] {
		roles |= RolesOf(roleAdmin)
	}
	for _, u := range o.roles {
		if slices.Contains(c.chain[0].Subject.OrganizationalUnit, u.name) {
			roles |= RolesOf(u.role)
		}
	}
	return roles
}

// authorityKeyID is the first field of the extension of that name. With a list without
// one, or with one that is none, nobody of the organisation counts.
func authorityKeyID(l *pkix.CertificateList) ([]byte, error) {
	var id struct {
		Key    []byte  `asn1:"optional,tag:0"`
		Issuer []byte  `asn1:"optional,tag:1"`
		Serial big.Int `asn1:"optional,tag:2"`
	}
	for _, e := range l.TBSCertList.Extensions {
		if e.Id.Equal(asn1.ObjectIdentifier{2, 5, 29, 35}) {
			if _, err := asn1.Unmarshal(e.Value, &id); err != nil {
				return nil, fmt.Errorf("revocation list: %w", err)
			}
			return id.Key, nil
		}
	}
	return nil, fmt.Errorf("revocation list of nobody")
}

// signedAnew writes a list's ECDSA signature again, as Fabric does (bccspmsp.setupCRLs): what
// stands behind r and s does not matter.
func signedAnew(l *pkix.CertificateList) error {
	if !strings.HasPrefix(l.SignatureAlgorithm.Algorithm.String(), "1.2.840.10045.4.") {
		return nil
	}
	var rs struct{ R, S *big.Int }
	if _, err := asn1.Unmarshal(l.SignatureValue.RightAlign(), &rs); err != nil {
		return err
	}
	signature, err := asn1.Marshal(rs)
	l.SignatureValue = asn1.BitString{Bytes: signature, BitLength: 8 * len(signature)}
	return err
}

// Types of organisations, as in Fabric's msp.ProviderType.
const (
	kindX509   = 0
	kindIdemix = 1
)

// organisation reads values["MSP"] of a group, an MSPConfig.
func organisation(group []byte) (Organisation, error) {
	o := Organisation{
		Roots: x509.NewCertPool(), Intermediates: x509.NewCertPool(), known: &certificates{issued: map[[32]byte]certificate{}},
		above: map[string]bool{}, admins: map[[32]byte]bool{},
	}
	values := entries{}
	if err := into(group, sink{3: values.add}); err != nil {
		return o, err
	}
	var config, fabric []byte
	var kind int32
	if err := into(values["MSP"], sink{2: toBytes(&config)}); err != nil {
		return o, err
	}
	if err := into(config, sink{1: toNumber(&kind), 2: toBytes(&fabric)}); err != nil {
		return o, err
	}
	switch kind {
	case kindX509:
	case kindIdemix: // it has its name where X.509 has it
		o.anonymous = true
		return o, into(fabric, sink{1: toString(&o.MSP)})
	default:
		return o, fmt.Errorf("its identities are of type %d, neither X.509 nor idemix", kind)
	}
	var roots, intermediates, admins, lists, units [][]byte
	var told bool
	var family string
	var roles [4]role
	err := into(fabric, sink{
		1: toString(&o.MSP), 2: toList(&roots), 3: toList(&intermediates), 4: toList(&admins), 5: toList(&lists), 7: toList(&units),
		8:  toMessage(nil, sink{1: toString(&family)}),
		11: toMessage(nil, sink{1: toBool(&told), 2: roles[0].read, 3: roles[1].read, 4: roles[2].read, 5: roles[3].read}),
	})
	if err != nil {
		return o, err
	}
	if o.MSP == "" || len(roots) == 0 {
		return o, fmt.Errorf("no name or no authority")
	}
	switch family { // with another one no signature is good (Fabric's identity.getHashOpt)
	case "", "SHA2":
		o.hash = sha256.New
	case "SHA3":
		o.hash = func() hash.Hash { return sha3.New256() }
	}
	if err := o.authorities(roots, intermediates); err != nil {
		return o, err
	}
	for _, a := range admins {
		if cert, err := parse(a); err == nil {
			if chain, err := o.issued(cert); err == nil { // or else it never counts
				o.admins[certified(chain).id] = true
			}
		}
	}
	for _, l := range lists {
		//lint:ignore SA1019 as Fabric, which reads version 1 as well
		list, err := x509.ParseCRL(l)
		if err == nil {
			err = signedAnew(list)
		}
		if err != nil {
			return o, fmt.Errorf("revocation list: %w", err)
		}
		o.revoked = append(o.revoked, list)
	}
	return o, o.tellApart(units, told, roles)
}

// authorities reads certificates in PEM.
func (o *Organisation) authorities(roots, intermediates [][]byte) error {
	var between []*x509.Certificate
	for i, c := range slices.Concat(roots, intermediates) {
		cert, err := parse(c)
		if err != nil {
			return fmt.Errorf("authority: %w", err)
		}
		if i < len(roots) {
			o.Roots.AddCert(cert)
			continue
		}
		o.Intermediates.AddCert(cert)
		between = append(between, cert)
	}
	for _, cert := range between {
		chain, err := o.chainOf(cert)
		if err != nil {
			return fmt.Errorf("authority: %w", err)
		}
		for _, c := range chain[1:] {
			o.above[string(c.Raw)] = true
		}
	}
	return nil
}

// role is a FabricOUIdentifier, if there is one.
type role struct {
	there       bool
	name        string
	certificate []byte
}

func (r *role) read(v value) error {
	return toMessage(&r.there, sink{1: toBytes(&r.certificate), 2: toString(&r.name)})(v)
}

func (r *role) unit() (u unit, err error) {
	u.name = r.name
	if len(r.certificate) > 0 {
		cert, err := parse(r.certificate)
		if err != nil {
			return u, fmt.Errorf("authority of unit %q: %w", r.name, err)
		}
		u.certifier = cert.Raw
	}
	return u, nil
}

// tellApart sets which units count. roles are in the order of the configuration.
func (o *Organisation) tellApart(units [][]byte, told bool, roles [4]role) error {
	for _, msg := range units {
		var r role
		err := r.read(value{typ: 2, b: msg})
		var u unit
		if err == nil {
			u, err = r.unit()
		}
		if err != nil {
			return err
		}
		o.units = append(o.units, u)
	}
	for i := range roles {
		if !told || !roles[i].there {
			continue
		}
		u, err := roles[i].unit()
		if err != nil {
			return err
		}
		u.role = [...]int32{roleClient, rolePeer, roleAdmin, roleOrderer}[i]
		o.roles = append(o.roles, u)
	}
	return nil
}
