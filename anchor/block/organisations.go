package block

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/sha256"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"maps"
	"math/big"
	"slices"
	"sync"
	"time"
)

// Organisation is an organisation of a channel: whose certificates its authorities
// issue is its member.
type Organisation struct {
	MSP           string
	Roots         *x509.CertPool
	Intermediates *x509.CertPool
	Revoked       []Revoked
	PeerUnit      string // organisational unit of certificates of its peers; empty without roles
	ed25519       bool   // the channel takes such keys
	known         *certificates
}

// maxKnown bounds the certificates that are remembered of an organisation.
const maxKnown = 4096

// certificates remembers those that an organisation issued, by the hash of their PEM: to
// parse and verify one costs more than a signature. Safe for concurrent use.
type certificates struct {
	mu     sync.Mutex
	chains map[[32]byte][]*x509.Certificate // from the certificate to its root
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
		var by identity
		if by, err = o.identify(s.Creator); err == nil {
			if verifies(by.key, b, s) {
				return b.wellFormed()
			}
			err = fmt.Errorf("the signature does not match")
		}
	}
	return fmt.Errorf("block %d: signed by no orderer: %w", b.Number, err)
}

// identity is a member of an organisation.
type identity struct {
	msp   string
	key   crypto.PublicKey // ECDSA or Ed25519
	peer  bool
	units []string // organisational units of the certificate
}

// identify returns who a serialized identity (msp.SerializedIdentity) is.
func (o Organisations) identify(creator []byte) (identity, error) {
	var msp string
	var certificate []byte
	if err := into(creator, sink{1: toString(&msp), 2: toBytes(&certificate)}); err != nil {
		return identity{}, err
	}
	i := slices.IndexFunc(o, func(o Organisation) bool { return o.MSP == msp })
	if i < 0 {
		return identity{}, fmt.Errorf("%q is no organisation of the configuration", msp)
	}
	cert, err := o[i].certificate(certificate)
	if err != nil {
		return identity{}, fmt.Errorf("member of %s: %w", msp, err)
	}
	switch cert.PublicKey.(type) {
	case *ecdsa.PublicKey:
	case ed25519.PublicKey:
		// As Fabric's bccspmsp.setupV3 takes them, and older ones do not.
		if !o[i].ed25519 {
			return identity{}, fmt.Errorf("member of %s: the channel takes no Ed25519 keys", msp)
		}
	default:
		return identity{}, fmt.Errorf("member of %s: key is neither ECDSA nor Ed25519", msp)
	}
	return identity{msp: msp, key: cert.PublicKey, peer: o[i].hasPeer(cert), units: cert.Subject.OrganizationalUnit}, nil
}

// certificate reads one that the organisation's authorities issued and did not take back.
func (o Organisation) certificate(encoded []byte) (*x509.Certificate, error) {
	hash := sha256.Sum256(encoded)
	o.known.mu.Lock()
	chain, ok := o.known.chains[hash]
	o.known.mu.Unlock()
	if !ok {
		cert, err := parse(encoded)
		if err == nil {
			chain, err = o.issued(cert)
		}
		if err != nil {
			return nil, err
		}
		o.known.mu.Lock()
		if len(o.known.chains) >= maxKnown {
			clear(o.known.chains)
		}
		o.known.chains[hash] = chain
		o.known.mu.Unlock()
	}
	for _, c := range chain {
		for _, r := range o.Revoked {
			if c.SerialNumber.Cmp(r.Serial) == 0 && bytes.Equal(c.RawIssuer, r.Issuer) {
				return nil, fmt.Errorf("certificate %x was revoked", c.SerialNumber)
			}
		}
	}
	return chain[0], nil
}

// issued verifies that the organisation's authorities issued the certificate, and returns
// the chain to the root.
func (o Organisation) issued(cert *x509.Certificate) ([]*x509.Certificate, error) {
	if cert.IsCA {
		return nil, fmt.Errorf("certificate of an authority")
	}
	chains, err := cert.Verify(x509.VerifyOptions{
		Roots: o.Roots, Intermediates: o.Intermediates, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageAny},
		// As Fabric does; expiry decides what orderers take, not what they signed.
		CurrentTime: cert.NotBefore.Add(time.Second),
	})
	if err != nil {
		return nil, err
	}
	return chains[0], nil
}

// hasPeer reports whether a certificate has the role of a peer. An organisation
// without roles has no peer that counts.
func (o Organisation) hasPeer(cert *x509.Certificate) bool {
	return o.PeerUnit != "" && slices.Contains(cert.Subject.OrganizationalUnit, o.PeerUnit)
}

// ordererOrganisations are those of the groups under Orderer.
func ordererOrganisations(groups entries, modern bool) (Signers, error) {
	out, err := membersOf(groups, modern)
	if err != nil {
		return nil, err
	}
	if len(out) == 0 {
		return nil, fmt.Errorf("no organisation runs an orderer")
	}
	return out, nil
}

// membersOf reads of each group values["MSP"], an MSPConfig, and returns the
// organisations in the order of their groups' names. modern is as hasV3 has it.
func membersOf(groups entries, modern bool) (out Organisations, err error) {
	for _, name := range slices.Sorted(maps.Keys(groups)) {
		o, err := organisation(groups[name])
		if err != nil {
			return nil, fmt.Errorf("organisation %q: %w", name, err)
		}
		o.ed25519 = modern
		out = append(out, o)
	}
	return out, nil
}

// hasV3 reports whether a channel has the capability V3_0, by the values of its root group:
// common.Capabilities is a map by name.
func hasV3(values entries) (bool, error) {
	var capabilities []byte
	names := entries{}
	err := into(values["Capabilities"], sink{2: toBytes(&capabilities)})
	if err == nil {
		err = into(capabilities, sink{1: names.add})
	}
	_, has := names["V3_0"]
	return has, err
}

func organisation(group []byte) (Organisation, error) {
	o := Organisation{
		Roots: x509.NewCertPool(), Intermediates: x509.NewCertPool(), known: &certificates{chains: map[[32]byte][]*x509.Certificate{}},
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
	if err := into(config, sink{1: toInt32(&kind), 2: toBytes(&fabric)}); err != nil {
		return o, err
	}
	if kind != 0 {
		return o, fmt.Errorf("its identities are of type %d, not X.509", kind)
	}
	var roots, intermediates, lists [][]byte
	peers := sink{2: toString(&o.PeerUnit)} // FabricOUIdentifier
	err := into(fabric, sink{
		1: toString(&o.MSP), 2: toList(&roots), 3: toList(&intermediates), 5: toList(&lists), 11: toMessage(nil, sink{3: toMessage(nil, peers)}),
	})
	if err != nil {
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
