package block

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"math/big"
	"slices"
	"time"
)

// Organisation is an organisation that runs orderers of a Raft channel: whose
// certificates its authorities issue is its member.
type Organisation struct {
	MSP           string
	Roots         *x509.CertPool
	Intermediates *x509.CertPool
	Revoked       []Revoked
}

// Revoked is one certificate that an authority took back.
type Revoked struct {
	Issuer []byte // DER of the issuer's name
	Serial *big.Int
}

// Organisations are those whose members sign the blocks of a Raft channel. Each
// orderer signs its own copy of a block, so a block carries one signature, and peers
// that had it from different orderers have different ones.
type Organisations []Organisation

// Check verifies that a member of one of the organisations signed the block. One that
// lies is enough to sign anything: Raft bears none.
func (o Organisations) Check(b *Block) error {
	err := fmt.Errorf("no signature")
	for _, s := range b.Orderers.Signatures {
		if s.ByID {
			continue
		}
		var key *ecdsa.PublicKey
		if key, err = o.key(s.Creator); err == nil {
			if verifies(key, b, s) {
				return nil
			}
			err = fmt.Errorf("the signature does not match")
		}
	}
	return fmt.Errorf("block %d: signed by no orderer: %w", b.Number, err)
}

// key is the public key of a serialized identity (msp.SerializedIdentity).
func (o Organisations) key(creator []byte) (*ecdsa.PublicKey, error) {
	var msp string
	var certificate []byte
	if err := into(creator, sink{1: toString(&msp), 2: toBytes(&certificate)}); err != nil {
		return nil, err
	}
	i := slices.IndexFunc(o, func(o Organisation) bool { return o.MSP == msp })
	if i < 0 {
		return nil, fmt.Errorf("%q is no organisation of the configuration", msp)
	}
	cert, err := parse(certificate)
	if err != nil {
		return nil, fmt.Errorf("member of %s: %w", msp, err)
	}
	if err := o[i].issued(cert); err != nil {
		return nil, fmt.Errorf("member of %s: %w", msp, err)
	}
	key, ok := cert.PublicKey.(*ecdsa.PublicKey)
	if !ok {
		return nil, fmt.Errorf("member of %s: key is not ECDSA", msp)
	}
	return key, nil
}

// issued verifies that the organisation's authorities issued the certificate and did
// not take it back.
func (o Organisation) issued(cert *x509.Certificate) error {
	if cert.IsCA {
		return fmt.Errorf("certificate of an authority")
	}
	chains, err := cert.Verify(x509.VerifyOptions{
		Roots: o.Roots, Intermediates: o.Intermediates, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageAny},
		// As Fabric does; expiry decides what orderers take, not what they signed.
		CurrentTime: cert.NotBefore.Add(time.Second),
	})
	if err != nil {
		return err
	}
	for _, c := range chains[0] {
		for _, r := range o.Revoked {
			if c.SerialNumber.Cmp(r.Serial) == 0 && bytes.Equal(c.RawIssuer, r.Issuer) {
				return fmt.Errorf("certificate %x was revoked", c.SerialNumber)
			}
		}
	}
	return nil
}

// organisationsOf reads of each group values["MSP"], an MSPConfig.
func organisationsOf(groups entries) (Organisations, error) {
	var out Organisations
	for name, group := range groups {
		o, err := organisation(group)
		if err != nil {
			return nil, fmt.Errorf("organisation %q: %w", name, err)
		}
		out = append(out, o)
	}
	if len(out) == 0 {
		return nil, fmt.Errorf("no organisations")
	}
	slices.SortFunc(out, func(a, b Organisation) int { return bytes.Compare([]byte(a.MSP), []byte(b.MSP)) })
	return out, nil
}

func organisation(group []byte) (Organisation, error) {
	o := Organisation{Roots: x509.NewCertPool(), Intermediates: x509.NewCertPool()}
	values := entries{}
	if err := into(group, sink{3: values.add}); err != nil {
		return o, err
	}
	var config, fabric []byte
	var kind int32
	if err := into(values["MSP"], sink{2: toBytes(&config)}); err != nil {
		return o, err
	}
	if err := into(config, sink{1: toInt32(&kind), 2: toBytes(&fabric)}); err != nil {
		return o, err
	}
	if kind != 0 {
		return o, fmt.Errorf("its identities are of type %d, not X.509", kind)
	}
	var roots, intermediates, lists [][]byte
	if err := into(fabric, sink{1: toString(&o.MSP), 2: toList(&roots), 3: toList(&intermediates), 5: toList(&lists)}); err != nil {
		return o, err
	}
	if o.MSP == "" || len(roots) == 0 {
		return o, fmt.Errorf("no name or no authority")
	}
	for pool, certificates := range map[*x509.CertPool][][]byte{o.Roots: roots, o.Intermediates: intermediates} {
		for _, c := range certificates {
			cert, err := parse(c)
			if err != nil {
				return o, fmt.Errorf("authority: %w", err)
			}
			pool.AddCert(cert)
		}
	}
	for _, l := range lists {
		p, _ := pem.Decode(l)
		if p == nil {
			return o, fmt.Errorf("revocation list is not PEM")
		}
		list, err := x509.ParseRevocationList(p.Bytes)
		if err != nil {
			return o, fmt.Errorf("revocation list: %w", err)
		}
		for _, e := range list.RevokedCertificateEntries {
			o.Revoked = append(o.Revoked, Revoked{Issuer: list.RawIssuer, Serial: e.SerialNumber})
		}
	}
	return o, nil
}
