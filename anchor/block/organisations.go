package block

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"errors"
	"fmt"
	"hash"
	"maps"
	"math/big"
	"slices"
	"sync"
)

// Organisation is an organisation of a channel: whose certificates its authorities
// issue is its member.
type Organisation struct {
	MSP           string
	Roots         *x509.CertPool
	Intermediates *x509.CertPool

	anonymous bool // its members are (idemix): nothing below is there
	revoked   []*pkix.CertificateList
	above     map[string]bool   // DER of authorities that certified others, which certify nobody else
	roles     []unit            // a certificate has one of these, when the organisation tells roles apart
	units     []unit            // and one of these, when there are any
	admins    map[[32]byte]bool // its administrators by name, whatever their role
	ed25519   bool              // the channel takes such keys
	hash      func() hash.Hash
	known     *certificates
}

// ErrUnchecked is in the errors for what Fabric checks and this program cannot: it says
// nothing against anybody.
var ErrUnchecked = errors.New("this program cannot check that")

// maxKnown bounds the certificates that are remembered of an organisation.
const maxKnown = 4096

// certificates remembers those that an organisation issued, by the hash of their PEM: to
// parse and verify one costs more than a signature. Safe for concurrent use.
type certificates struct {
	mu     sync.Mutex
	issued map[[32]byte]certificate
}

// certificate is one that an organisation issued.
type certificate struct {
	chain []*x509.Certificate // from it to its root
	id    [32]byte
}

// certified names the certificate so that all that Fabric takes for the same one has the
// same id (bccspmsp.sanitizeCert): the armour of PEM does not count, nor which of its two
// values s of an ECDSA signature has, which anybody can change.
func certified(chain []*x509.Certificate) certificate {
	signature := chain[0].Signature
	if key, ok := chain[1].PublicKey.(*ecdsa.PublicKey); ok {
		var rs struct{ R, S *big.Int }
		if _, err := asn1.Unmarshal(signature, &rs); err == nil {
			if other := new(big.Int).Sub(key.Params().N, rs.S); other.Cmp(rs.S) < 0 {
				rs.S = other
			}
			signature = fmt.Appendf(nil, "%x %x", rs.R, rs.S)
		}
	}
	return certificate{chain, sha256.Sum256(slices.Concat(chain[0].RawTBSCertificate, signature))}
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
			if signedBy(by.key, by.hash, s.Bytes, b.Orderers.Value, s.Signed, b.Header) {
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
	id    [32]byte
	key   crypto.PublicKey // ECDSA or Ed25519
	hash  func() hash.Hash // of what is signed by ECDSA
	roles Roles
	units []string // organisational units of the certificate
}

// identify returns who a serialized identity (msp.SerializedIdentity) is.
func (o Organisations) identify(creator []byte) (identity, error) {
	var msp string
	var certificate []byte
	if err := into(creator, sink{1: toString(&msp), 2: toBytes(&certificate)}); err != nil {
		return identity{}, err
	}
	return o.member(msp, certificate)
}

// member returns who a certificate of an organisation is.
func (o Organisations) member(msp string, certificate []byte) (identity, error) {
	i := slices.IndexFunc(o, func(o Organisation) bool { return o.MSP == msp })
	if i < 0 {
		return identity{}, fmt.Errorf("%q is no organisation of the configuration", msp)
	}
	if o[i].anonymous {
		return identity{}, fmt.Errorf("the members of %s are anonymous (idemix): %w", msp, ErrUnchecked)
	}
	by, err := o[i].certificate(certificate)
	if err != nil {
		return identity{}, fmt.Errorf("member of %s: %w", msp, err)
	}
	cert := by.chain[0]
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
	return identity{msp, by.id, cert.PublicKey, o[i].hash, o[i].rolesOf(by), cert.Subject.OrganizationalUnit}, nil
}

// certificate reads one that the organisation's authorities issued and did not take back.
func (o Organisation) certificate(encoded []byte) (c certificate, err error) {
	hash := sha256.Sum256(encoded)
	o.known.mu.Lock()
	c, ok := o.known.issued[hash]
	o.known.mu.Unlock()
	if !ok {
		cert, err := parse(encoded)
		if err == nil {
			c.chain, err = o.issued(cert)
		}
		if err != nil {
			return c, err
		}
		c = certified(c.chain)
		o.known.mu.Lock()
		if len(o.known.issued) >= maxKnown {
			clear(o.known.issued)
		}
		o.known.issued[hash] = c
		o.known.mu.Unlock()
	}
	return c, o.accepts(c.chain)
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
