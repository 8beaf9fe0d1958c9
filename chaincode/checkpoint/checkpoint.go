// Package checkpoint keeps the checkpoints of the log over blocks: the
// organisations' cosignatures, the checkpoints accepted once K of them agree,
// the receipts of anchors on public chains, the signatures by which one member
// set hands over to the next, and the draws of the ledger: seeds that members make
// together and none of them alone. Accepted checkpoints are the
// ledger's clock, draws its dice. Times are seconds since 1970. The package is pure.
//
// State (docs/formats/checkpoint.md): cosig/..., checkpoint/head,
// checkpoint/<number>, anchored/..., rotationsig/..., draw/..., element/..., published/...
package checkpoint

import (
	"crypto/ed25519"
	"fmt"
	"slices"
	"strconv"

	"github.com/go-json-experiment/json"
	"github.com/killick-ledger/killick/chaincode/canon"
	"github.com/killick-ledger/killick/chaincode/fault"
	"github.com/killick-ledger/killick/chaincode/govern"
	"github.com/killick-ledger/killick/chaincode/ledger"
)

// Point is what organisations sign: size, root (hex) and time of the log.
type Point struct {
	Size uint64 `json:"size"`
	Root string `json:"root"`
	Time uint64 `json:"time"`
}

// Checkpoint is an accepted point.
type Checkpoint struct {
	Number  uint64   `json:"number"`
	Size    uint64   `json:"size"`
	Root    string   `json:"root"`
	Time    uint64   `json:"time"`
	Elapsed uint64   `json:"elapsed"`
	Signers []string `json:"signers"`
}

// Signatures are one organisation's two signatures over a point, in base64.
type Signatures struct {
	Ed25519   string `json:"ed25519"`
	Secp256k1 string `json:"secp256k1"`
}

// HeadKey is the state key of the newest checkpoint.
const HeadKey = "checkpoint/head"

// NumberKey returns the state key of a checkpoint.
func NumberKey(number uint64) string { return "checkpoint/" + ledger.Hex64(number) }

// CosignatureKey returns the state key of one organisation's cosignature as a member of
// the set with the version. A signature says for which set it is, so that one of a set is
// never counted, nor in the way, in another.
func CosignatureKey(p Point, set uint64, msp string) string {
	return "cosig/" + ledger.Hex64(p.Size) + "/" + p.Root + "/" + ledger.Hex64(p.Time) + "/" + ledger.Hex64(set) + "/" + msp
}

// ReceiptKey returns the state key of one organisation's anchor receipt.
func ReceiptKey(chain string, size uint64, msp string) string {
	return "anchored/" + chain + "/" + ledger.Hex64(size) + "/" + msp
}

func (p Point) check() ([32]byte, error) {
	if p.Size == 0 {
		return [32]byte{}, fault.New(fault.InvalidValue, "size must be at least 1")
	}
	if p.Time == 0 {
		return [32]byte{}, fault.New(fault.InvalidValue, "time must be at least 1")
	}
	root, err := canon.UnHex32(p.Root)
	if err != nil {
		return root, fault.New(fault.InvalidValue, "root: %s", fault.Text(err))
	}
	return root, nil
}

// Cosign is the request of checkpoint:Cosign.
type Cosign struct {
	Size      uint64 `json:"size"`
	Root      string `json:"root"`
	Time      uint64 `json:"time"`
	Ed25519   string `json:"ed25519"`
	Secp256k1 string `json:"secp256k1"`
}

// Apply stores the calling organisation's signatures after checking both. It
// reads no other organisation's key, so organisations never void each other, and
// writes once: a cosignature that keeps changing would void every acceptance that
// names it. Errors: fault.NotMember, fault.InvalidValue, fault.BadSignature,
// fault.NotGrowing and fault.NotDue for sizes that are another set's.
func (c *Cosign) Apply(tx *ledger.Tx, n *govern.Network) error {
	member, err := n.CallingMember(tx)
	if err != nil {
		return err
	}
	p := Point{c.Size, c.Root, c.Time}
	if err := c.verify(n, member, p); err != nil {
		return err
	}
	if err := n.CheckSize(tx, p.Size); err != nil {
		return err
	}
	key := CosignatureKey(p, n.SetVersion, member.MSP)
	if had, err := tx.Has(key); err != nil || had {
		return err
	}
	return put(tx, key, Signatures{c.Ed25519, c.Secp256k1})
}

func (c *Cosign) verify(n *govern.Network, member govern.Member, p Point) error {
	root, err := p.check()
	if err != nil {
		return err
	}
	logID, err := n.LogID()
	if err != nil {
		return err
	}
	key, err := member.CosignKey(n.Name)
	if err != nil {
		return err
	}
	signature, err := canon.UnBase64("ed25519", c.Ed25519, 64)
	if err != nil {
		return err
	}
	// RFC 8032 without the cofactor, as readers of notes verify: a signature that
	// only ZIP-215 takes would be on the ledger and spoil the note.
	if !ed25519.Verify(key[:], CosignedMessage(n.Name, logID, p.Size, root, p.Time), signature) {
		return fault.New(fault.BadSignature, "ed25519 is not a cosignature of %s over this checkpoint", member.MSP)
	}
	recoverable, err := canon.UnBase64("secp256k1", c.Secp256k1, 65)
	if err != nil {
		return err
	}
	set, err := n.SetHash()
	if err != nil {
		return err
	}
	address, err := member.AddressBytes()
	if err != nil {
		return err
	}
	signer, err := canon.Recover(canon.CheckpointDigest(logID, n.SetVersion, set, p.Size, root, p.Time), recoverable)
	if err != nil || signer != address {
		return fault.New(fault.BadSignature, "secp256k1 is not a signature of %s over this checkpoint", member.MSP)
	}
	return nil
}

// CosignedMessage returns what an Ed25519 cosignature signs: C2SP
// tlog-cosignature, cosignature/v1.
func CosignedMessage(network string, logID [32]byte, size uint64, root [32]byte, time uint64) []byte {
	head := "cosignature/v1\ntime " + strconv.FormatUint(time, 10) + "\n"
	return append([]byte(head), canon.CheckpointNote(network, logID, size, root)...)
}

// Accept is the request of checkpoint:Accept.
type Accept struct {
	Size    uint64   `json:"size"`
	Root    string   `json:"root"`
	Time    uint64   `json:"time"`
	Signers []string `json:"signers"`
}

// Apply makes the next checkpoint of a point that K organisations cosigned. It
// reads exactly the named cosignatures and the head, so the first to commit wins.
// Errors: fault.NotMember, fault.InvalidValue, fault.NoQuorum,
// fault.NotGrowing, fault.NotDue while a rotation waits.
func (a *Accept) Apply(tx *ledger.Tx, n *govern.Network) (*Checkpoint, error) {
	if _, err := n.CallingMember(tx); err != nil {
		return nil, err
	}
	p := Point{a.Size, a.Root, a.Time}
	if _, err := p.check(); err != nil {
		return nil, err
	}
	if err := n.CheckSize(tx, p.Size); err != nil {
		return nil, err
	}
	signers, err := quorum(tx, n, a.Signers, func(msp string) string { return CosignatureKey(p, n.SetVersion, msp) })
	if err != nil {
		return nil, err
	}
	head, err := Head(tx)
	if err != nil {
		return nil, err
	}
	next := &Checkpoint{Number: 1, Size: p.Size, Root: p.Root, Time: p.Time, Signers: signers}
	if head != nil {
		if p.Size <= head.Size || p.Time <= head.Time {
			return nil, fault.New(fault.NotGrowing, "the head has size %d and time %d", head.Size, head.Time)
		}
		next.Number = head.Number + 1
		// An outage must not close windows: a long silence counts as two heartbeats.
		next.Elapsed = head.Elapsed + min(p.Time-head.Time, 2*n.HeartbeatSeconds)
	}
	if err := put(tx, NumberKey(next.Number), next); err != nil {
		return nil, err
	}
	return next, put(tx, HeadKey, next)
}

// quorum returns K or more members in their order, each of whose keys is there: they have
// signed. It reads these keys alone.
func quorum(tx *ledger.Tx, n *govern.Network, msps []string, key func(msp string) string) ([]string, error) {
	if len(msps) < n.K {
		return nil, fault.New(fault.NoQuorum, "%d signers, name at least %d", len(msps), n.K)
	}
	signers, err := inOrder(n, msps)
	if err != nil {
		return nil, err
	}
	for _, msp := range signers {
		signed, err := tx.Has(key(msp))
		if err != nil {
			return nil, err
		}
		if !signed {
			return nil, fault.New(fault.NoQuorum, "%s has not signed", msp)
		}
	}
	return signers, nil
}

// inOrder returns the organisations in the order of members.
func inOrder(n *govern.Network, msps []string) ([]string, error) {
	for i, msp := range msps {
		if _, _, err := n.Member(msp); err != nil {
			return nil, err
		}
		if slices.Contains(msps[:i], msp) {
			return nil, fault.New(fault.InvalidValue, "signer %s is named twice", msp)
		}
	}
	var ordered []string
	for _, m := range n.Members {
		if slices.Contains(msps, m.MSP) {
			ordered = append(ordered, m.MSP)
		}
	}
	return ordered, nil
}

// Head returns the newest checkpoint, nil before the first.
func Head(tx *ledger.Tx) (*Checkpoint, error) { return read(tx, HeadKey) }

// At returns the checkpoint with the number. Errors: fault.NotFound.
func At(tx *ledger.Tx, number uint64) (*Checkpoint, error) {
	c, err := read(tx, NumberKey(number))
	if err == nil && c == nil {
		return nil, fault.New(fault.NotFound, "no checkpoint %d", number)
	}
	return c, err
}

func read(tx *ledger.Tx, key string) (*Checkpoint, error) {
	value, err := tx.Get(key)
	if value == nil || err != nil {
		return nil, err
	}
	c := new(Checkpoint)
	if err := json.Unmarshal(value, c, json.RejectUnknownMembers(true)); err != nil {
		return nil, fmt.Errorf("stored %s: %w", key, err)
	}
	return c, nil
}

func put(tx *ledger.Tx, key string, v any) error {
	value, err := canon.Marshal(v)
	if err != nil {
		return err
	}
	tx.Put(key, value)
	return nil
}
