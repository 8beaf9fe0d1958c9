package tee_test

import (
	"fmt"

	"github.com/killick-ledger/killick/chaincode/tee"
	"github.com/killick-ledger/killick/chaincode/tee/simulated"
)

// A quote of a simulated platform, judged under that platform's root and under Intel's.
func ExampleAppraise() {
	const now = 1_790_000_000
	spec := simulated.Default(tee.SGX, "an example", now)
	platform := simulated.New(spec)
	reportData := [64]byte{'j', 'o', 'b'}
	policy := &tee.Policy{Measurements: []tee.Measurement{{Kind: tee.SGX, MREnclave: &spec.SGX.MREnclave}}}

	roots, err := tee.NewRoots(platform.Root())
	if err != nil {
		fmt.Println(err)
		return
	}
	result, err := tee.Appraise(platform.Quote(reportData), platform.Collateral(), roots, now, policy)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(result.Kind, result.Status, string(result.ReportData[:3]))

	intel, err := tee.NewRoots(tee.IntelRoot())
	if err != nil {
		fmt.Println(err)
		return
	}
	_, err = tee.Appraise(platform.Quote(reportData), platform.Collateral(), intel, now, policy)
	fmt.Println(err)
	// Output:
	// SGX UpToDate job
	// bad_proof: chain/issuer: Simulated SGX PCK Platform CA is of "Simulated SGX Root CA", which is no pinned root
}
