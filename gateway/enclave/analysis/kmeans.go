package analysis

import (
	"cmp"
	"math/big"
	"math/bits"
	"slices"

	"github.com/killick-ledger/killick/chaincode/canon"
	"github.com/killick-ledger/killick/chaincode/fault"
	"github.com/killick-ledger/killick/chaincode/ledger"
)

const (
	maxFields     = 8
	maxClusters   = 16
	maxIterations = 100
	// maxPoints bounds the work: points x clusters x fields x iterations.
	maxPoints = 20_000
)

// kmeans is Lloyd's algorithm from the farthest points first.
type kmeans struct {
	fields       []string
	k            int
	iterations   int
	contributors int
}

func readKMeans(p canon.Object) (Operation, error) {
	if err := expect(p, "contributors", "fields", "iterations", "k"); err != nil {
		return nil, err
	}
	var o kmeans
	list, ok := p.Find("fields")
	if !ok {
		return nil, fault.New(fault.MissingField, "parameters: fields is required")
	}
	names, ok := list.([]any)
	if !ok || len(names) < 1 || len(names) > maxFields {
		return nil, fault.New(fault.InvalidValue, "parameters: fields is a list of 1 to %d paths", maxFields)
	}
	for _, n := range names {
		path, err := field(n)
		if err != nil {
			return nil, err
		}
		if slices.Contains(o.fields, path) {
			return nil, fault.New(fault.InvalidValue, "parameters: field %s is there twice", path)
		}
		o.fields = append(o.fields, path)
	}
	var err error
	if o.k, err = whole(p, "k", 1, maxClusters, 0); err != nil {
		return nil, err
	}
	if o.iterations, err = whole(p, "iterations", 1, maxIterations, 20); err != nil {
		return nil, err
	}
	o.contributors, err = contributors(p)
	return o, err
}

func (o kmeans) Contributors() int { return o.contributors }

// point is one row.
type point struct {
	at    []int64
	owner ledger.ID
}

func (a point) compare(b point) int {
	return cmp.Or(slices.Compare(a.at, b.at), slices.Compare(a.owner[:], b.owner[:]))
}

// points are the rows that have all fields, in an order of their own, so that the order
// of the records says nothing.
func (o kmeans) points(records []Record) []point {
	var all []point
	for _, r := range records {
		if !allowed(r.Scope, o.fields) {
			continue
		}
		for _, row := range rows(r.Content) {
			p := point{owner: r.Owner}
			for _, f := range o.fields {
				if v, ok := value(row, f); ok {
					p.at = append(p.at, v)
				}
			}
			if len(p.at) == len(o.fields) {
				all = append(all, p)
			}
		}
	}
	slices.SortFunc(all, point.compare)
	return all
}

func (o kmeans) Run(records []Record) (canon.Object, string) {
	all := o.points(records)
	if len(all) > maxPoints {
		return nil, TooManyPoints
	}
	var from []ledger.ID
	for _, p := range all {
		from = append(from, p.owner)
	}
	if owners(from) < o.contributors {
		return nil, TooFewContributors
	}
	centres := o.seeds(all)
	if len(centres) < o.k {
		return nil, TooFewPoints
	}
	of, done := assign(all, centres), 0
	for done < o.iterations {
		recentre(all, of, centres)
		done++
		next := assign(all, centres)
		if slices.Equal(next, of) {
			break
		}
		of = next
	}
	// What is told of a cluster is of the points that are counted in it, never of those that
	// were in it before, or of the point that it began with.
	recentre(all, of, centres)
	return o.result(all, of, centres, done), ""
}

// seeds takes the first point in order, and then again and again the one that is farthest
// from all that were taken, the first in order of equals. It returns fewer than k when
// there are fewer different points.
func (o kmeans) seeds(all []point) [][]int64 {
	centres := [][]int64{all[0].at}
	for len(centres) < o.k {
		var best wide
		at := -1
		for i, p := range all {
			if d := nearest(p.at, centres).distance; best.less(d) {
				best, at = d, i
			}
		}
		if at < 0 {
			break
		}
		centres = append(centres, all[at].at)
	}
	return centres
}

func assign(all []point, centres [][]int64) []int {
	of := make([]int, len(all))
	for i, p := range all {
		of[i] = nearest(p.at, centres).centre
	}
	return of
}

func recentre(all []point, of []int, centres [][]int64) {
	for c := range centres {
		centres[c] = centre(all, of, c, centres[c])
	}
}

// centre is the mean of a cluster's points; a cluster that lost all of them stays.
func centre(all []point, of []int, c int, before []int64) []int64 {
	out, n := slices.Clone(before), int64(0)
	sums := make([]*big.Int, len(before))
	for f := range sums {
		sums[f] = new(big.Int)
	}
	for i, p := range all {
		if of[i] != c {
			continue
		}
		n++
		for f, v := range p.at {
			sums[f].Add(sums[f], big.NewInt(v))
		}
	}
	for f := range out {
		if n > 0 {
			out[f] = divide(sums[f], big.NewInt(n)).Int64()
		}
	}
	return out
}

// result leaves out clusters of fewer persons than were asked for: a centre of one
// person's points is that person's data.
func (o kmeans) result(all []point, of []int, centres [][]int64, iterations int) canon.Object {
	clusters, withheld := []any{}, 0
	order := make([]int, len(centres))
	for c := range order {
		order[c] = c
	}
	slices.SortFunc(order, func(a, b int) int { return cmp.Or(slices.Compare(centres[a], centres[b]), a-b) })
	for _, c := range order {
		var from []ledger.ID
		for i, p := range all {
			if of[i] == c {
				from = append(from, p.owner)
			}
		}
		if owners(from) < o.contributors {
			withheld++
			continue
		}
		at := []any{}
		for _, v := range centres[c] {
			at = append(at, decimal(big.NewInt(v)))
		}
		clusters = append(clusters, object(canon.Member{Name: "centre", Value: at}, canon.Member{Name: "points", Value: float64(len(from))},
			canon.Member{Name: "contributors", Value: float64(owners(from))}))
	}
	return object(canon.Member{Name: "clusters", Value: clusters}, canon.Member{Name: "withheld", Value: float64(withheld)},
		canon.Member{Name: "iterations", Value: float64(iterations)})
}

// wide is an unsigned number of 128 bits.
type wide struct{ hi, lo uint64 }

func (a wide) less(b wide) bool { return a.hi < b.hi || a.hi == b.hi && a.lo < b.lo }

type near struct {
	centre   int
	distance wide
}

// nearest is the centre with the smallest squared distance, the first of equals.
func nearest(at []int64, centres [][]int64) near {
	var best near
	for c := range centres {
		if d := distance(at, centres[c]); c == 0 || d.less(best.distance) {
			best = near{c, d}
		}
	}
	return best
}

// distance is the sum of squares of differences. Values are below 10^18, differences
// below 2 x 10^18, and eight squares below 2^128.
func distance(a, b []int64) (sum wide) {
	for f := range a {
		d := a[f] - b[f]
		if d < 0 {
			d = -d
		}
		hi, lo := bits.Mul64(uint64(d), uint64(d))
		var carry uint64
		sum.lo, carry = bits.Add64(sum.lo, lo, 0)
		sum.hi, _ = bits.Add64(sum.hi, hi, carry)
	}
	return sum
}
