package analysis

import (
	"math/big"

	"github.com/killick-ledger/killick/chaincode/canon"
	"github.com/killick-ledger/killick/chaincode/ledger"
)

// mean is the mean of one number of every row.
type mean struct {
	field        string
	contributors int
}

func readMean(p canon.Object) (Operation, error) {
	if err := expect(p, "contributors", "field"); err != nil {
		return nil, err
	}
	text, _ := p.Find("field")
	path, err := field(text)
	if err != nil {
		return nil, err
	}
	least, err := contributors(p)
	return mean{path, least}, err
}

// maxContributors is the most grants that a job has.
const maxContributors = 64

func contributors(p canon.Object) (int, error) {
	return whole(p, "contributors", LeastContributors, maxContributors, LeastContributors)
}

func (m mean) Contributors() int { return m.contributors }

func (m mean) Run(records []Record) (canon.Object, string) {
	sum, n, from := new(big.Int), int64(0), []ledger.ID{}
	for _, r := range records {
		if !allowed(r.Scope, []string{m.field}) {
			continue
		}
		for _, row := range rows(r.Content) {
			if v, ok := value(row, m.field); ok {
				sum.Add(sum, big.NewInt(v))
				n++
				from = append(from, r.Owner)
			}
		}
	}
	persons := owners(from)
	if persons < m.contributors {
		return nil, TooFewContributors
	}
	return object(canon.Member{Name: "mean", Value: decimal(divide(sum, big.NewInt(n)))}, canon.Member{Name: "values", Value: float64(n)},
		canon.Member{Name: "contributors", Value: float64(persons)}), ""
}
