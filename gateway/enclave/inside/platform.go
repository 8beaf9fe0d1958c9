package inside

import (
	"encoding/base64"

	"github.com/killick-ledger/killick/chaincode/canon"
	"github.com/killick-ledger/killick/chaincode/tee"
	"github.com/killick-ledger/killick/chaincode/tee/simulated"
)

// Simulation describes a simulated platform.
type Simulation struct {
	Kind  tee.Kind
	Seed  string
	Since uint64 // seconds since 1970: when its authorities were set up
	// MREnclave is what quotes measure, for SGX; zeros: the simulation's own.
	MREnclave [32]byte
}

const (
	day         = 86400
	beforeSince = 700 * day
	afterSince  = 2000 * day
)

// Platform makes the platform as it is now. Its certificates are those of Since, so the
// root that members listed stays the same; lists and collateral are of now.
func (s Simulation) Platform(now uint64) *simulated.Platform { return simulated.New(s.Spec(now)) }

// Spec says what the platform is like now.
func (s Simulation) Spec(now uint64) *simulated.Spec {
	spec := simulated.Default(s.Kind, s.Seed, now)
	for _, part := range []tee.Part{tee.InRoot, tee.InPCKCA, tee.InPCK, tee.InTCBSigner, tee.InQESigner} {
		spec.Times[part] = simulated.Validity{From: s.Since - beforeSince, Until: s.Since + afterSince}
	}
	if s.MREnclave != [32]byte{} {
		spec.SGX.MREnclave = s.MREnclave
	}
	return spec
}

// Listing is what the members decide so that a platform is taken: subjects tee/roots and
// tee/measurements (docs/formats/govern.md).
type Listing struct {
	Roots        []Root        `json:"roots"`
	Measurements []Measurement `json:"measurements"`
}

// Root is a line of tee/roots, Measurement one of tee/measurements.
type (
	Root struct {
		Certificate string `json:"certificate"`
		Simulated   bool   `json:"simulated"`
	}
	Measurement struct {
		Platform    string `json:"platform"`
		Measurement string `json:"measurement"`
		Operation   string `json:"operation"`
	}
)

// ListingOf returns what members decide for a platform and operations.
func ListingOf(p *simulated.Platform, operations []string) (*Listing, error) {
	q, err := tee.Read(p.Quote([64]byte{}))
	if err != nil {
		return nil, err
	}
	l := &Listing{Roots: []Root{{base64.StdEncoding.EncodeToString(p.Root()), true}}}
	m := Measurement{Platform: "sgx"}
	if q.Kind == tee.SGX {
		m.Measurement = canon.Hex(q.SGX.MREnclave[:])
	} else {
		m.Platform, m.Measurement = "tdx", canon.Hex(q.TDX.MRTD[:])+canon.Hex(q.TDX.RTMR[0][:])+canon.Hex(q.TDX.RTMR[1][:])
	}
	for _, m.Operation = range operations {
		l.Measurements = append(l.Measurements, m)
	}
	return l, nil
}
