package block

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/x509"
	"encoding/asn1"
	"encoding/pem"
	"fmt"
	"hash"
	"math/big"
	"slices"

	"google.golang.org/protobuf/encoding/protowire"
)

// Consenter is an orderer of a BFT channel, as the channel's configuration names
// it.
type Consenter struct {
	ID  uint32
	MSP string

	member  identity
	refused error // why it is no member of its organisation, and none of its signatures counts
}

// Consenters are the orderers whose signatures blocks carry from the block after
// their configuration block on.
type Consenters []Consenter

// Quorum returns how many of them must sign a block: ceil((n + f + 1) / 2) with
// f = (n - 1) / 3, as Fabric's BlockValidation policy has it for BFT.
func (c Consenters) Quorum() int {
	n := len(c)
	f := (n - 1) / 3
	return (n + f + 2) / 2
}

// Signers are those whose signatures blocks carry from the block after a configuration
// block on. The configuration says which kind they are, never a reader's settings.
type Signers interface {
	// Check verifies that enough of them signed the block, and that it has the
	// envelopes that they saw. Block 0 has no signatures: it is what the log id pins.
	// Certificates are taken whatever their dates: the configuration is in charge.
	Check(*Block) error
}

// Signers returns who signs from the block after a configuration block on: Consenters
// on a BFT channel, Organisations on a Raft channel. ok is false for other blocks. It
// fails when the channel has another ordering service.
func (b *Block) Signers() (s Signers, ok bool, err error) {
	if len(b.Txs) != 1 || b.Txs[0].Type != TypeConfig || b.Txs[0].Code != CodeValid {
		return nil, false, nil
	}
	t := b.Txs[0]
	config, err := t.headers()
	if err == nil {
		s, err = signers(config)
	}
	if err != nil {
		return nil, true, fmt.Errorf("configuration in block %d: %w", b.Number, err)
	}
	return s, true, nil
}

// LastConfig returns the number of the newest configuration block up to this one,
// as the orderers signed it (OrdererBlockMetadata.last_config); ok is false for
// block 0 and for blocks that do not say.
func (b *Block) LastConfig() (number uint64, ok bool) {
	if b.Number == 0 {
		return 0, false
	}
	err := into(b.Orderers.Value, sink{1: toMessage(&ok, sink{1: func(v value) error {
		if v.isVarint() {
			number = v.u
		}
		return nil
	}})})
	return number, ok && err == nil && number <= b.Number
}

// signers reads ConfigEnvelope.config.channel_group.groups["Orderer"].
func signers(envelope []byte) (Signers, error) {
	groups, root, organisations, values := entries{}, entries{}, entries{}, entries{}
	err := into(envelope, sink{1: toMessage(nil, sink{2: toMessage(nil, sink{2: groups.add, 3: root.add})})})
	if err != nil {
		return nil, err
	}
	modern, err := hasV3(root)
	if err != nil {
		return nil, err
	}
	if err := into(groups["Orderer"], sink{2: organisations.add, 3: values.add}); err != nil {
		return nil, err
	}
	var consensus []byte
	var kind string
	if err := into(values["ConsensusType"], sink{2: toBytes(&consensus)}); err != nil {
		return nil, err
	}
	if err := into(consensus, sink{1: toString(&kind)}); err != nil {
		return nil, err
	}
	switch kind {
	case "BFT":
		members, err := membersOf(organisations, modern)
		if err != nil {
			return nil, err
		}
		return consenters(values["Orderers"], members)
	case "etcdraft":
		return ordererOrganisations(organisations, modern)
	}
	return nil, fmt.Errorf("consensus type %q", kind)
}

// consenters reads ConfigValue.value, an Orderers message, and its consenter_mapping. Peers
// take the signatures of those whose certificates their organisations have issued and not
// revoked, whatever role they have (bccspmsp.satisfiesPrincipalInternalPreV13).
func consenters(value []byte, of Organisations) (Signers, error) {
	var orderers []byte
	var mapping [][]byte
	if err := into(value, sink{2: toBytes(&orderers)}); err != nil {
		return nil, err
	}
	if err := into(orderers, sink{1: toList(&mapping)}); err != nil {
		return nil, err
	}
	if len(mapping) == 0 {
		return nil, fmt.Errorf("no consenters")
	}
	var out Consenters
	seen := map[uint32]bool{}
	for _, m := range mapping {
		var c Consenter
		var certificate []byte
		err := into(m, sink{1: toNumber(&c.ID), 4: toString(&c.MSP), 5: toBytes(&certificate)})
		if err != nil {
			return nil, err
		}
		if seen[c.ID] {
			return nil, fmt.Errorf("consenter %d is named twice", c.ID)
		}
		seen[c.ID] = true
		c.member, c.refused = of.member(c.MSP, certificate)
		out = append(out, c)
	}
	return out, nil
}

// entries collects a protobuf map with messages as values; the last entry of a
// key wins.
type entries map[string][]byte

func (e entries) add(v value) error {
	if !v.isBytes() {
		return nil
	}
	var key string
	var content []byte
	if err := into(v.b, sink{1: toString(&key), 2: toBytes(&content)}); err != nil {
		return err
	}
	e[key] = content
	return nil
}

// parse reads a certificate in PEM.
func parse(certificate []byte) (*x509.Certificate, error) {
	p, _ := pem.Decode(certificate)
	if p == nil {
		return nil, fmt.Errorf("identity is not PEM")
	}
	return x509.ParseCertificate(p.Bytes)
}

// Check verifies that a quorum of the consenters signed the block. Two with one certificate
// are one.
func (c Consenters) Check(b *Block) error {
	signed := map[[32]byte]bool{}
	var refused error
	for _, s := range b.Orderers.Signatures {
		if !s.ByID {
			continue
		}
		by := slices.IndexFunc(c, func(o Consenter) bool { return o.ID == s.Identifier })
		switch {
		case by < 0:
		case c[by].refused != nil:
			refused = fmt.Errorf("consenter %d: %w", s.Identifier, c[by].refused)
		case signedBy(c[by].member.key, c[by].member.hash, s.Bytes, b.Orderers.Value, s.Signed, b.Header):
			signed[c[by].member.id] = true
		}
	}
	if len(c) == 0 || len(signed) < c.Quorum() {
		err := fmt.Errorf("block %d: %d of %d orderers signed, want %d", b.Number, len(signed), len(c), c.Quorum())
		if refused != nil {
			err = fmt.Errorf("%w: %w", err, refused)
		}
		return err
	}
	return b.wellFormed()
}

// wellFormed checks that the bytes which the data hash covers are these envelopes and no
// others: it is over all of them without a mark between, so that two together, or the
// parts of one, have it too. Orderers sign, and peers take, none but envelopes that begin
// with their payload and have one, and one signature (Fabric's
// VerifyTransactionsAreWellFormed): then each payload's tag begins an envelope.
func (b *Block) wellFormed() error {
	for i := range b.Txs {
		fields := 0
		err := walk(b.Txs[i].Envelope, func(num protowire.Number, v value) error {
			fields++
			known := num <= 2 && v.isBytes()
			if known != (fields <= 2) || known && (int(num) != fields || len(v.b) == 0) {
				return errWire
			}
			return nil
		})
		if err != nil || fields < 2 {
			return fmt.Errorf("block %d: transaction %d is not one envelope as orderers take them, a payload and a signature", b.Number, i)
		}
	}
	return nil
}

// signedBy checks a signature of parts one after the other: by Ed25519 of themselves, by
// ECDSA of their hash. Fabric refuses those with a high s, and does not look at what
// stands behind r and s (fabric-lib-go's utils.UnmarshalECDSASignature); to be stricter would
// be to hold any client's signature against those who took its transaction.
func signedBy(by crypto.PublicKey, hash func() hash.Hash, signature []byte, parts ...[]byte) bool {
	if key, ok := by.(ed25519.PublicKey); ok {
		return ed25519.Verify(key, bytes.Join(parts, nil), signature)
	}
	key, ok := by.(*ecdsa.PublicKey)
	if !ok || hash == nil {
		return false
	}
	h := hash()
	for _, p := range parts {
		h.Write(p)
	}
	var rs struct{ R, S *big.Int }
	if _, err := asn1.Unmarshal(signature, &rs); err != nil {
		return false
	}
	half := new(big.Int).Rsh(key.Curve.Params().N, 1)
	return rs.R.Sign() > 0 && rs.S.Sign() > 0 && rs.S.Cmp(half) <= 0 && ecdsa.Verify(key, h.Sum(nil), rs.R, rs.S)
}
