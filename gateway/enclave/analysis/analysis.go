// Package analysis has the operations that an enclave runs on granted records
// (docs/formats/enclave.md section 5): count-by-schema, mean and k-means. It is pure and
// deterministic: equal records, in any order, and equal parameters give equal bytes.
// Numbers are integers of millionths; there is no floating point after they are read.
//
// A result never tells of fewer persons than asked for: what would, is left out, or the
// whole result is, and the reason takes its place.
package analysis

import (
	"maps"
	"slices"

	"github.com/killick-ledger/killick/chaincode/canon"
	"github.com/killick-ledger/killick/chaincode/fault"
	"github.com/killick-ledger/killick/chaincode/ledger"
)

// Names of the operations on the ledger.
const (
	CountBySchema = "job.count-by-schema"
	Mean          = "job.mean"
	KMeans        = "job.k-means"
)

// Reasons for which a result is withheld.
const (
	TooFewContributors = "too_few_contributors"
	TooFewPoints       = "too_few_points"  // fewer distinct points than clusters
	TooManyPoints      = "too_many_points" // more than an enclave goes through
)

// LeastContributors is the smallest number of different owners that parameters may ask
// for, and what counts where they say nothing.
const LeastContributors = 2

// Record is one record that was let in.
type Record struct {
	Owner   ledger.ID
	Schema  string
	Scope   []string // of its grant
	Content []byte
}

// Operation is one operation with its parameters.
type Operation interface {
	// Contributors is how many different owners a result needs.
	Contributors() int
	// Run returns the result, or the reason for which there is none.
	Run(records []Record) (result canon.Object, withheld string)
}

type reader func(parameters canon.Object) (Operation, error)

var operations = map[string]reader{CountBySchema: readCount, Mean: readMean, KMeans: readKMeans}

// Names returns the names of all operations, ascending.
func Names() []string { return slices.Sorted(maps.Keys(operations)) }

// Known says whether there is an operation of that name.
func Known(name string) bool { return operations[name] != nil }

// NeedsOrder says whether the operation cannot be run without parameters.
func NeedsOrder(name string) bool { return name == Mean || name == KMeans }

// Of returns an operation with its parameters, which are read strictly. Errors:
// fault.UnknownOperation, fault.MissingField, fault.UnknownField, fault.WrongType,
// fault.NumberRange, fault.InvalidValue.
func Of(name string, parameters canon.Object) (Operation, error) {
	read := operations[name]
	if read == nil {
		return nil, fault.New(fault.UnknownOperation, "%.40q is not run here", name)
	}
	return read(parameters)
}

// owners returns how many different owners have a record among them.
func owners(ids []ledger.ID) int {
	seen := map[ledger.ID]bool{}
	for _, id := range ids {
		seen[id] = true
	}
	return len(seen)
}

// object makes an object of members that are well formed.
func object(members ...canon.Member) canon.Object {
	o, err := canon.NewObject(members)
	if err != nil {
		panic(err) // names are constants, or text that was read strictly
	}
	return o
}
