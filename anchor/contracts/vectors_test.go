package contracts_test

import (
	"fmt"
	"math/big"
	"testing"

	"github.com/ethereum/go-ethereum/common/hexutil"

	"github.com/killick-ledger/killick/anchor/contracts"
	"github.com/killick-ledger/killick/chaincode/canon"
	"github.com/killick-ledger/killick/chaincode/canon/canontest"
)

const vectorFile = "../../docs/formats/vectors/contracts.json"

// vectors are what docs/formats/contracts.md gives implementers in other
// languages: bytes as hex, numbers beyond 32 bits as decimal text.
type vectors struct {
	About      string            `json:"about"`
	LogID      string            `json:"log_id"`
	Tags       map[string]string `json:"tags"`
	MemberSet  memberVector      `json:"member_set"`
	Checkpoint checkpointVector  `json:"checkpoint"`
	Vault      vaultVector       `json:"vault"`
	Growth     []growthVector    `json:"growth"`
	AnchorLog  []sceneVector     `json:"anchor_log"`
}

// growthVector is a consistency proof, and whether it holds.
type growthVector struct {
	Name    string   `json:"name"`
	Old     string   `json:"old_size"`
	OldRoot string   `json:"old_root"`
	Size    string   `json:"size"`
	Root    string   `json:"root"`
	Proof   []string `json:"proof"`
	Holds   bool     `json:"holds"`
}

// sceneVector is a story of calls to one new AnchorLog. Refused calls change nothing.
type sceneVector struct {
	Name    string       `json:"name"`
	K       int          `json:"k"`
	Members []string     `json:"members"`
	Steps   []stepVector `json:"steps"`
}

type stepVector struct {
	Name     string `json:"name"`
	Calldata string `json:"calldata"`
	Taken    bool   `json:"taken"`
	Refusal  string `json:"refusal"` // of a call that is not taken, in words
	Revert   string `json:"revert"`  // and what it reverts with
}

type memberVector struct {
	Version int      `json:"version"`
	K       int      `json:"k"`
	Keys    []string `json:"private_keys"`
	Members []string `json:"members"`
	Hash    string   `json:"hash"`
}

type signedVector struct {
	Digest     string   `json:"digest"`
	Signers    string   `json:"signers"`
	Signatures []string `json:"signatures"`
	Calldata   string   `json:"calldata"`
}

type checkpointVector struct {
	Size string `json:"size"`
	Root string `json:"root"`
	Time string `json:"time"`
	signedVector
}

type vaultVector struct {
	ChainID string       `json:"chain_id"`
	Vault   string       `json:"vault"`
	Token   string       `json:"token"`
	Domain  string       `json:"leaf_domain"`
	Leaves  []leafVector `json:"leaves"`
	Epoch   string       `json:"epoch"`
	Root    string       `json:"root"`
	Total   string       `json:"total"`
	signedVector
}

type leafVector struct {
	Payee      string `json:"payee"`
	Cumulative string `json:"cumulative"`
	Key        string `json:"key"`
	Leaf       string `json:"leaf"`
	Sides      string `json:"sides"`
	Levels     string `json:"levels"`
	Calldata   string `json:"claim_calldata"`
}

func hexOf[T ~[]byte](b T) string { return hexutil.Encode(b) }

func signedOf(digest [32]byte, s contracts.Signatures, calldata []byte) signedVector {
	v := signedVector{Digest: hexOf(digest[:]), Signers: s.Signers.String(), Calldata: hexOf(calldata)}
	for i := 0; i < len(s.Bytes); i += 65 {
		v.Signatures = append(v.Signatures, hexOf(s.Bytes[i:i+65]))
	}
	return v
}

// TestVectors recomputes the published vectors and has the contracts take them.
func TestVectors(t *testing.T) {
	v := newVault(t, testToken)
	got := vectors{
		About: "Rewritten by: go test ./anchor/contracts -run TestVectors -update. Keys are for tests only.",
		LogID: hexOf(logID[:]),
		Tags:  make(map[string]string),
		MemberSet: memberVector{
			Version: 1, K: int(v.K), Hash: fmt.Sprintf("%#x", v.Hash()),
		},
		Checkpoint: v.checkpointVector(),
		Vault:      v.vaultVector(),
		Growth:     growthVectors(t),
		AnchorLog:  sceneVectors(t),
	}
	for _, tag := range []string{"killick.members.v1", "killick.checkpoint.v1", "killick.rotation.v1", "killick.payout.v1", "killick.leaf.v1"} {
		got.Tags[tag] = fmt.Sprintf("%#x", canon.Keccak([]byte(tag)))
	}
	for i, key := range v.keys {
		got.MemberSet.Keys = append(got.MemberSet.Keys, hexOf(key.Serialize()))
		got.MemberSet.Members = append(got.MemberSet.Members, hexOf(v.Members[i][:]))
	}
	canontest.GoldenJSON(t, vectorFile, "  ", got)
}

func (v vault) checkpointVector() checkpointVector {
	v.t.Helper()
	log := v.deploy(contracts.NewAnchorLog(logID, v.Set))
	cp := contracts.Checkpoint{Size: 4711, Root: root("a root"), Time: 1_800_000_000}
	digest := v.digest(cp)
	s := v.sign(digest, 0, 1, 3)
	calldata := contracts.PackSubmit(cp, nil, s)
	v.run(log, calldata)
	return checkpointVector{
		Size: fmt.Sprint(cp.Size), Root: hexOf(cp.Root[:]), Time: fmt.Sprint(cp.Time),
		signedVector: signedOf(digest, s, calldata),
	}
}

func (v vault) vaultVector() vaultVector {
	v.t.Helper()
	// 40 payees, and after them one that shares a subtree with two others.
	tr := v.tree(payouts(40, 10)...)
	for i, found := 40, 0; found < 2; i++ {
		if p := pay(payee(i), uint64(1000+i)); p.key[0] == tr.payouts[0].key[0] {
			tr.payouts = append(tr.payouts, p)
			found++
		}
	}
	e := tr.epoch(9)
	v.fund(e.Total.Int64())
	s := v.sign(v.payout(e), 1, 2, 3)
	calldata := contracts.PackActivate(e, s)
	v.run(v.address, calldata)
	out := vaultVector{
		ChainID: big.NewInt(chainID).String(), Vault: hexOf(v.address[:]), Token: hexOf(v.token[:]),
		Domain: hexOf(tr.domain[:]), Epoch: fmt.Sprint(e.Number), Root: hexOf(e.Root[:]), Total: e.Total.String(),
		signedVector: signedOf(v.payout(e), s, calldata),
	}
	for i, p := range tr.payouts {
		claim := tr.claim(i)
		v.run(v.address, contracts.PackClaim(claim))
		out.Leaves = append(out.Leaves, leafVector{
			Payee: hexOf(p.payee[:]), Cumulative: fmt.Sprint(p.cumulative), Key: hexOf(p.key[:]),
			Leaf: fmt.Sprintf("%#x", tr.leaf(p)), Sides: claim.Sides.String(), Levels: hexOf(claim.Levels),
			Calldata: hexOf(contracts.PackClaim(claim)),
		})
	}
	return out
}
