package submit

import "slices"

// Histogram counts what was observed, by upper bounds in ascending order; Counts
// has one more, for what is above the last bound. Counts are not cumulative.
type Histogram struct {
	Bounds []float64
	Counts []uint64
	Sum    float64
}

// The bounds are the same for ever: dashboards depend on them.
func newHistogram(bounds ...float64) Histogram {
	return Histogram{Bounds: bounds, Counts: make([]uint64, len(bounds)+1)}
}

func latencies() Histogram { // seconds
	return newHistogram(0.05, 0.1, 0.2, 0.3, 0.5, 0.75, 1, 1.5, 2, 3, 5, 10, 30, 120)
}

func sizes() Histogram { return newHistogram(1, 2, 5, 10, 20, 50, 100, 200, 350, 500, 1000) }

func holds() Histogram { // seconds
	return newHistogram(0.001, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 5, 30)
}

func (h *Histogram) observe(v float64) {
	at, _ := slices.BinarySearch(h.Bounds, v)
	h.Counts[at]++
	h.Sum += v
}

func (h *Histogram) copy() Histogram {
	return Histogram{h.Bounds, slices.Clone(h.Counts), h.Sum}
}
