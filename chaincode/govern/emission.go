package govern

import (
	"math"
	"math/big"

	"github.com/killick-ledger/killick/chaincode/did"
	"github.com/killick-ledger/killick/chaincode/fault"
	"github.com/killick-ledger/killick/chaincode/ledger"
)

const emissionSubject = "emission"

// EmissionKey is the state key of the emission programme in force.
const EmissionKey = headPrefix + emissionSubject

// Limits of an emission programme.
const (
	maxEmissionDays = 36_500
	maxPeriods      = 100
	daySeconds      = 86_400
)

// Emission is a programme that pays verifiers for right ballots beside the fees of jobs,
// less from period to period: the value of the subject emission. Days are counted from 1
// on, 86,400 s each by the time of checkpoints.
type Emission struct {
	Asset            string `json:"asset"`
	Start            uint64 `json:"start"` // time at which day 1 begins
	Days             uint64 `json:"days"`  // the last day
	Pool             Price  `json:"pool"`  // of each day of the first period
	Unit             Price  `json:"unit"`  // a day's pool is rounded down to a multiple of it
	DecayBasisPoints uint64 `json:"decayBasisPoints"`
	PeriodDays       uint64 `json:"periodDays"`
	Residue          string `json:"residue"` // DID that gets what cannot be shared out
}

var emissionFields = []string{"asset", "start", "days", "pool", "unit", "decayBasisPoints", "periodDays", "residue"}

func checkEmission(n *Network, e Emission) error {
	if err := n.CheckAsset(e.Asset); err != nil {
		return err
	}
	if _, err := did.ParseOn(n.Name, e.Residue); err != nil {
		return err
	}
	for _, field := range []struct {
		name               string
		value, least, most uint64
	}{
		{"start", e.Start, 1, 1<<32 - 1}, {"days", e.Days, 1, maxEmissionDays}, {"pool", uint64(e.Pool), 1, math.MaxInt64},
		{"unit", uint64(e.Unit), 1, uint64(e.Pool)}, {"decayBasisPoints", e.DecayBasisPoints, 0, maxBasisPoints},
		{"periodDays", e.PeriodDays, (e.Days-1)/maxPeriods + 1, maxEmissionDays},
	} {
		if field.value < field.least || field.value > field.most {
			return fault.New(fault.InvalidValue, "%s of %d, %d to %d are allowed", field.name, field.value, field.least, field.most)
		}
	}
	_, err := e.Sum(1, e.Days+1)
	return err
}

// Day returns the number of the day at a time, 0 before the first.
func (e *Emission) Day(time uint64) uint64 {
	if time < e.Start {
		return 0
	}
	return (time-e.Start)/daySeconds + 1
}

// DayPool returns the pool of a day from 1 to Days: that of the first period, times what
// decay leaves to the power of the periods that are over, computed exactly and then rounded
// down to a multiple of Unit.
func (e *Emission) DayPool(day uint64) Price {
	periods := new(big.Int).SetUint64((day - 1) / e.PeriodDays)
	power := func(base uint64) *big.Int { return new(big.Int).Exp(new(big.Int).SetUint64(base), periods, nil) }
	pool := new(big.Int).Mul(big.NewInt(int64(e.Pool)), power(maxBasisPoints-e.DecayBasisPoints))
	pool.Quo(pool, power(maxBasisPoints))
	return Price(pool.Int64() / int64(e.Unit) * int64(e.Unit))
}

// Sum returns the pools of the days from first on and before next. Errors: fault.Overflow.
func (e *Emission) Sum(first, next uint64) (Price, error) {
	sum := uint64(0)
	for day := first; day < next; {
		end := min(next, (day-1)/e.PeriodDays*e.PeriodDays+e.PeriodDays+1) // of its period
		pool, days := uint64(e.DayPool(day)), end-day
		if pool > (math.MaxInt64-sum)/days {
			return 0, fault.New(fault.Overflow, "the pools of %d days are more than 2^63-1", next-first)
		}
		sum += pool * days
		day = end
	}
	return Price(sum), nil
}

// EmissionInForce returns the emission programme in force and its version. Errors:
// fault.NotFound while the members have decided on none.
func EmissionInForce(tx *ledger.Tx) (*Emission, uint64, error) {
	e, version, err := inForce(tx, emissionSubject, Emission{})
	return orNone(&e, version, err)
}

// EmissionAt returns the programme with the version, whatever is in force by now.
// Errors: fault.NotFound.
func EmissionAt(tx *ledger.Tx, version uint64) (*Emission, error) {
	e, version, err := changed(tx, ChangeKey(emissionSubject, version), Emission{})
	p, _, err := orNone(&e, version, err)
	return p, err
}

func orNone(e *Emission, version uint64, err error) (*Emission, uint64, error) {
	if err == nil && version == 0 {
		err = fault.New(fault.NotFound, "the members have decided on no emission")
	}
	if err != nil {
		return nil, 0, err
	}
	return e, version, nil
}
