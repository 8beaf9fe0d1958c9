package analysis

import (
	"maps"
	"slices"

	"github.com/killick-ledger/killick/chaincode/canon"
	"github.com/killick-ledger/killick/chaincode/ledger"
)

// count counts records and their owners by schema. It looks at no content.
type count struct{}

func readCount(p canon.Object) (Operation, error) { return count{}, expect(p) }

// Contributors is 1: everybody can count what the ledger has of records.
func (count) Contributors() int { return 1 }

func (count) Run(records []Record) (canon.Object, string) {
	by := map[string][]ledger.ID{}
	for _, r := range records {
		by[r.Schema] = append(by[r.Schema], r.Owner)
	}
	schemas := []any{}
	for _, schema := range slices.Sorted(maps.Keys(by)) {
		schemas = append(schemas, object(canon.Member{Name: "schema", Value: schema}, canon.Member{Name: "records", Value: float64(len(by[schema]))},
			canon.Member{Name: "owners", Value: float64(owners(by[schema]))}))
	}
	return object(canon.Member{Name: "records", Value: float64(len(records))}, canon.Member{Name: "schemas", Value: schemas}), ""
}
