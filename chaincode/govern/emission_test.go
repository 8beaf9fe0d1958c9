package govern_test

import (
	"math/big"
	"testing"

	"github.com/killick-ledger/killick/chaincode/canon"
	"github.com/killick-ledger/killick/chaincode/fault"
	"github.com/killick-ledger/killick/chaincode/govern"
	"github.com/killick-ledger/killick/chaincode/ledger"
	"github.com/killick-ledger/killick/chaincode/ops/opstest"
)

// fourYears is the programme of docs/formats/govern.md: 385,850 a day at first, a quarter
// less every 180 days, until day 1,440.
func fourYears(residue string, unit govern.Price) govern.Emission {
	return govern.Emission{
		Asset: "usd", Start: opstest.Start, Days: 1440, Pool: 385_850 * unit, Unit: unit, DecayBasisPoints: 2500, PeriodDays: 180, Residue: residue,
	}
}

// EM-1: the table and the total of the four years, to the unit, whatever the unit is.
func TestEmissionTable(t *testing.T) {
	for _, unit := range []govern.Price{1, 1_000_000} {
		e := fourYears("", unit)
		table := []govern.Price{385_850, 289_387, 217_040, 162_780, 122_085, 91_564, 68_673, 51_504}
		total := govern.Price(0)
		for day := uint64(1); day <= 1440; day++ {
			want := table[(day-1)/180] * unit
			if got := e.DayPool(day); got != want {
				t.Fatalf("day %d: %d, want %d", day, got, want)
			}
			if sum, err := e.Sum(1, day); err != nil || sum != total {
				t.Fatalf("before day %d: %d, %v, want %d", day, sum, err, total)
			}
			total += want
		}
		if sum, err := e.Sum(1, 1441); err != nil || sum != 249_998_940*unit || sum != total {
			t.Errorf("%d in all, %v", sum, err)
		}
		if first, _ := e.Sum(1, 361); first*1000/total != 486 {
			t.Errorf("%d of %d in the first 360 days", first, total)
		}
	}
}

// EM-1: pools are those of exact fractions, rounded down once.
func TestEmissionAgainstFractions(t *testing.T) {
	for _, decay := range []uint64{0, 1, 2500, 3333, 9999, 10_000} {
		e := govern.Emission{Days: 1000, Pool: 1<<40 + 7, Unit: 3, DecayBasisPoints: decay, PeriodDays: 10}
		pool, sum := new(big.Rat).SetInt64(int64(e.Pool)), govern.Price(0)
		for day := uint64(1); day <= e.Days; day++ {
			if day > 1 && (day-1)%10 == 0 {
				pool.Mul(pool, big.NewRat(int64(10_000-decay), 10_000))
			}
			units := new(big.Rat).Quo(pool, big.NewRat(3, 1))
			want := 3 * govern.Price(new(big.Int).Quo(units.Num(), units.Denom()).Int64())
			if got := e.DayPool(day); got != want {
				t.Fatalf("decay %d, day %d: %d, want %d", decay, day, got, want)
			}
			sum += want
		}
		if got, err := e.Sum(1, e.Days+1); err != nil || got != sum {
			t.Errorf("decay %d: %d, %v, want %d", decay, got, err, sum)
		}
	}
}

func TestEmissionDays(t *testing.T) {
	e := fourYears("", 1)
	for time, want := range map[uint64]uint64{0: 0, opstest.Start - 1: 0, opstest.Start: 1, opstest.Start + 86_399: 1, opstest.Start + 86_400: 2, opstest.Start + 1440*86_400: 1441} {
		if got := e.Day(time); got != want {
			t.Errorf("day %d at %d, want %d", got, time, want)
		}
	}
}

// EM-2: programmes that could not be paid, or have no end, are refused; those that were in
// force stay under their version.
func TestEmissionPolicy(t *testing.T) {
	w := opstest.New(t)
	residue := opstest.NewUser("residue")
	w.Create(residue)
	good := fourYears(residue.DID, 1)
	for name, c := range map[string]struct {
		change func(*govern.Emission)
		code   fault.Code
	}{
		"another asset":      {func(e *govern.Emission) { e.Asset = "eur" }, fault.AssetUnknown},
		"no residue":         {func(e *govern.Emission) { e.Residue = "" }, fault.InvalidValue},
		"another network's":  {func(e *govern.Emission) { e.Residue = "did:killick:other-0011223344556677:" + residue.ID.String() }, fault.WrongNetwork},
		"no start":           {func(e *govern.Emission) { e.Start = 0 }, fault.InvalidValue},
		"no day":             {func(e *govern.Emission) { e.Days = 0 }, fault.InvalidValue},
		"no end":             {func(e *govern.Emission) { e.Days = 36_501 }, fault.InvalidValue},
		"no pool":            {func(e *govern.Emission) { e.Pool = 0 }, fault.InvalidValue},
		"no unit":            {func(e *govern.Emission) { e.Unit = 0 }, fault.InvalidValue},
		"a unit of too much": {func(e *govern.Emission) { e.Unit = e.Pool + 1 }, fault.InvalidValue},
		"more than all":      {func(e *govern.Emission) { e.DecayBasisPoints = 10_001 }, fault.InvalidValue},
		"no period":          {func(e *govern.Emission) { e.PeriodDays = 0 }, fault.InvalidValue},
		"101 periods":        {func(e *govern.Emission) { e.PeriodDays = 14 }, fault.InvalidValue},
		"more than money":    {func(e *govern.Emission) { e.Pool, e.DecayBasisPoints = 1<<53, 0 }, fault.Overflow},
	} {
		bad := good
		c.change(&bad)
		request := w.Request("emission", w.JSON(bad))
		if _, err := w.Invoke(w.Members[0].Admin(), "govern:Propose", request); fault.Of(err) != c.code {
			t.Errorf("%s: %v, want %v", name, err, c.code)
		}
	}
	at := func(version uint64) (*govern.Emission, error) {
		return govern.EmissionAt(ledger.Begin(w.Store, w.Now, ledger.Caller{}), version)
	}
	if _, _, err := govern.EmissionInForce(ledger.Begin(w.Store, w.Now, ledger.Caller{})); fault.Of(err) != fault.NotFound {
		t.Errorf("without a programme: %v", err)
	}
	next := good
	next.Days = 10
	for i, e := range []govern.Emission{good, next} {
		if c := w.Decide("emission", w.JSON(e)); c.Number != uint64(i+1) {
			t.Errorf("change %d", c.Number)
		}
		if got, err := at(uint64(i + 1)); err != nil || *got != e {
			t.Errorf("%+v, %v", got, err)
		}
	}
	if got, version, err := govern.EmissionInForce(ledger.Begin(w.Store, w.Now, ledger.Caller{})); err != nil || version != 2 || *got != next {
		t.Errorf("%+v, %d, %v", got, version, err)
	}
	if got, err := at(1); err != nil || *got != good {
		t.Errorf("%+v, %v", got, err)
	}
	if _, err := at(3); fault.Of(err) != fault.NotFound {
		t.Errorf("version 3: %v", err)
	}
	var v govern.HistoryView
	w.Read("govern:History", govern.HistoryQuery{Subject: "emission"}, &v)
	if text, err := canon.Marshal(next); err != nil || string(v.Value) != string(text) {
		t.Errorf("%s, %v", v.Value, err)
	}
}
