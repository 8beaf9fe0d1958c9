package main

import (
	"context"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/killick-ledger/killick/network/cluster"
)

// memory is samples of the resident memory of each process, by kind of process: the
// mean of those of a kind that ran.
type memory struct {
	mu      sync.Mutex
	samples map[string][]uint64 // bytes
}

// sampleEach is the time between samples.
const sampleEach = time.Second

// sample takes samples until ctx ends.
func sample(ctx context.Context, c *cluster.Cluster) *memory {
	m := &memory{samples: map[string][]uint64{}}
	go func() {
		for pause(ctx, sampleEach) {
			m.take(c.Memory())
		}
	}()
	return m
}

func (m *memory) take(used map[string]uint64) {
	total, count := map[string]uint64{}, map[string]uint64{}
	for name, bytes := range used {
		kind, _, _ := strings.Cut(name, ".")
		total[kind] += bytes
		count[kind]++
	}
	total["soak"], count["soak"] = cluster.Resident(os.Getpid()), 1
	m.mu.Lock()
	defer m.mu.Unlock()
	for kind, bytes := range total {
		m.samples[kind] = append(m.samples[kind], bytes/count[kind])
	}
}

// String is the newest sample of each kind, in MB.
func (m *memory) String() string {
	m.mu.Lock()
	defer m.mu.Unlock()
	var parts []string
	for _, kind := range slices.Sorted(maps.Keys(m.samples)) {
		s := m.samples[kind]
		parts = append(parts, fmt.Sprintf("%s %d", kind, s[len(s)-1]>>20))
	}
	return "MB: " + strings.Join(parts, ", ")
}

// row is how the memory of a kind developed, in MB for each process.
type row struct {
	kind              string
	first, last, most uint64
}

// rows compares the mean of the first quarter of the samples with that of the last.
func (m *memory) rows() []row {
	m.mu.Lock()
	defer m.mu.Unlock()
	var rows []row
	for _, kind := range slices.Sorted(maps.Keys(m.samples)) {
		s := m.samples[kind]
		quarter := max(1, len(s)/4)
		rows = append(rows, row{kind, mean(s[:quarter]) >> 20, mean(s[len(s)-quarter:]) >> 20, slices.Max(s) >> 20})
	}
	return rows
}

func mean(values []uint64) uint64 {
	total := uint64(0)
	for _, v := range values {
		total += v
	}
	return total / uint64(len(values))
}
