package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

const (
	// sampleEvery is the time between two samples of memory.
	sampleEvery = 10 * time.Second
	// flat is how much larger the last third of the samples may be than the second:
	// the first is that in which caches fill.
	flat = 1.15
	// enough is how many samples tell: caches fill for some minutes.
	enough = 60
)

// soak brings operations through the gateway at a steady rate, samples the resident
// memory of every program, and says what the disks hold afterwards.
func soak(ctx context.Context, s settings, c consortium) error {
	n, err := start(ctx, s.bin, "", c)
	if err != nil {
		return err
	}
	defer n.stop()
	b, err := openBank(ctx, n, []string{edDSA}, s.accounts)
	if err != nil {
		return err
	}
	if err := n.startGateway(ctx); err != nil {
		return err
	}
	before, err := n.stored()
	if err != nil {
		return err
	}
	r := &results{settings: s}
	list := programs(n.Cluster)
	samples := map[string][]uint64{}
	sampling, stop := context.WithCancel(ctx)
	stopped := make(chan struct{})
	go func() {
		defer close(stopped)
		for {
			for name, size := range resident(list) {
				samples[name] = append(samples[name], size)
			}
			select {
			case <-time.After(sampleEvery):
			case <-sampling.Done():
				return
			}
		}
	}()
	const piece = time.Minute // is signed at a time
	end := time.Now().Add(s.soak)
	operations := 0
	for i := 0; time.Now().Before(end) && err == nil; i++ {
		var got row
		got, err = r.steady(ctx, n, b, spec{
			consortium: c, load: []string{records, transfers, mixed}[i%3], algorithm: edDSA, accounts: s.accounts, batch: 100, inFlight: 8, gateway: true,
		}, min(piece, time.Until(end)))
		operations += got.all
		progress("soak, %s: %d operations so far, %.0f valid/s, p99 %d ms; %s", got.load, operations, got.perSecond(), got.percentile(.99).Milliseconds(), megabytes(resident(list)))
	}
	stop()
	<-stopped
	if err != nil {
		return err
	}
	growth, err := n.growth(before, operations)
	if err != nil {
		return err
	}
	fmt.Print(soakTable(samples, s.soak) + growth)
	for name, series := range samples {
		if verdict(series) == grows && name != generator {
			err = errors.Join(err, fmt.Errorf("memory of %s grows", name))
		}
	}
	return err
}

// steady runs a paced load through the gateway. One that the machine did not take
// at some time says something of memory all the same.
func (r *results) steady(ctx context.Context, n *network, b *bank, s spec, window time.Duration) (row, error) {
	streams, err := b.signLoad(s, int((window+2*warmUp).Seconds()*float64(r.rate)))
	if err != nil {
		return row{}, err
	}
	streams[0].pace = time.Duration(float64(s.batch) / float64(r.rate) * float64(time.Second))
	got := drive(ctx, n.Cluster, n.client, s, window, throughGateway(n), streams...)
	if errors.Is(got.err, errBehind) {
		progress("soak: %v", got.err)
		return got, nil
	}
	return got, got.err
}

func megabytes(sizes map[string]uint64) string {
	var parts []string
	for _, name := range slices.Sorted(maps.Keys(sizes)) {
		parts = append(parts, fmt.Sprintf("%s %d MB", name, sizes[name]>>20))
	}
	return strings.Join(parts, ", ")
}

// thirds are the means of the three thirds of a series.
func thirds(series []uint64) (means [3]float64) {
	for i := range means {
		part := series[i*len(series)/3 : (i+1)*len(series)/3]
		for _, v := range part {
			means[i] += float64(v) / float64(len(part))
		}
	}
	return means
}

const grows = "GROWS"

// verdict says whether a series grows from its second third to its last.
func verdict(series []uint64) string {
	m := thirds(series)
	switch {
	case len(series) < enough:
		return "too short to tell"
	case m[2] > flat*m[1]:
		return grows
	}
	return "flat"
}

func soakTable(samples map[string][]uint64, took time.Duration) string {
	var b strings.Builder
	fmt.Fprintf(&b, "\nResident memory of each program in %s under steady load, MB:\n\n| program | first third | second | last | largest | |\n|---|---|---|---|---|---|\n", took)
	for _, name := range slices.Sorted(maps.Keys(samples)) {
		m := thirds(samples[name])
		const mb = 1 << 20
		fmt.Fprintf(&b, "| %s | %.0f | %.0f | %.0f | %d | %s |\n", name, m[0]/mb, m[1]/mb, m[2]/mb, slices.Max(samples[name])>>20, verdict(samples[name]))
	}
	return b.String()
}
