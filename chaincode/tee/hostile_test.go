package tee_test

import (
	"bytes"
	"encoding/binary"
	"testing"

	"github.com/killick-ledger/killick/chaincode/tee"
	"github.com/killick-ledger/killick/chaincode/tee/simulated"
)

// opened is a platform's quote, and its collateral verified once.
func opened(t testing.TB, s *simulated.Spec) ([]byte, *tee.Opened) {
	t.Helper()
	p := simulated.New(s)
	o, err := tee.Open(p.Collateral(), p.Roots(), now)
	if err != nil {
		t.Fatal(err)
	}
	quote := p.Quote(data)
	if _, err := o.Appraise(quote); err != nil {
		t.Fatal(err)
	}
	return quote, o
}

// TE-5: no byte of a quote can be changed: all of it is signed, bound by a hash, or
// has one form.
func TestEveryByteCounts(t *testing.T) {
	for _, m := range makers {
		t.Run(m.name, func(t *testing.T) {
			t.Parallel()
			quote, o := opened(t, m.spec())
			step := 1
			if s := m.spec(); s.Kind == tee.TDX && !s.TD15 { // report 1.5 has the same parts, and more
				step = 3
			}
			for i := 0; i < len(quote); i += step {
				mutant := bytes.Clone(quote)
				mutant[i] ^= 1 << (i % 8)
				if r, err := o.Appraise(mutant); err == nil || r != nil {
					t.Fatalf("byte %d changed was accepted", i)
				}
			}
		})
	}
}

// TE-5: nor can it be cut or made longer anywhere.
func TestEveryLengthCounts(t *testing.T) {
	for _, m := range makers {
		quote, o := opened(t, m.spec())
		for n := range quote {
			if _, err := o.Appraise(quote[:n]); err == nil {
				t.Fatalf("%s: accepted when cut to %d bytes", m.name, n)
			}
			if _, err := tee.Read(quote[:n]); reason(err) != "quote/form" {
				t.Fatalf("%s: read %d bytes of %d: %v", m.name, n, len(quote), err)
			}
		}
		for _, tail := range []int{1, 100} {
			if _, err := o.Appraise(append(bytes.Clone(quote), make([]byte, tail)...)); reason(err) != "quote/trailing" {
				t.Errorf("%s with %d bytes behind it: %v", m.name, tail, err)
			}
		}
		if _, err := tee.Read(append(bytes.Clone(quote), make([]byte, tee.MaxQuote)...)); reason(err) != "quote/size" {
			t.Errorf("%s beyond the limit: %v", m.name, err)
		}
	}
}

// Every length and type field in a quote is refused with any other value than its
// own, and costs no memory for what it claims.
func TestHostileFields(t *testing.T) {
	for _, m := range makers {
		s := m.spec()
		quote, o := opened(t, s)
		for _, f := range fieldsOf(quote, s) {
			for _, value := range []uint32{0, 1, 4, 7, 0x7f, 0xffff, 1 << 24, 1 << 31, 1<<32 - 1, f.value(quote) + 1, f.value(quote) - 1} {
				if f.size == 2 {
					value &= 0xffff
				}
				if value == f.value(quote) {
					continue
				}
				mutant := bytes.Clone(quote)
				f.set(mutant, value)
				if _, err := o.Appraise(mutant); err == nil {
					t.Errorf("%s: accepted with %s %d", m.name, f.name, value)
				}
				allocated := testing.AllocsPerRun(1, func() { _, _ = tee.Read(mutant) })
				if allocated > 20 {
					t.Errorf("%s, %s %d: %v allocations", m.name, f.name, value, allocated)
				}
			}
		}
	}
}

type field struct {
	name     string
	at, size int
}

func (f field) value(b []byte) uint32 {
	if f.size == 2 {
		return uint32(binary.LittleEndian.Uint16(b[f.at:]))
	}
	return binary.LittleEndian.Uint32(b[f.at:])
}

func (f field) set(b []byte, v uint32) {
	if f.size == 2 {
		binary.LittleEndian.PutUint16(b[f.at:], uint16(v))
		return
	}
	binary.LittleEndian.PutUint32(b[f.at:], v)
}

// fieldsOf lists where versions, types and lengths are.
func fieldsOf(quote []byte, s *simulated.Spec) []field {
	all := []field{{"version", 0, 2}, {"key type", 2, 2}, {"TEE type", 4, 4}}
	at := 48
	size := map[tee.Kind]int{tee.SGX: 384, tee.TDX: 584}[s.Kind]
	if s.Version == 5 {
		all = append(all, field{"body type", at, 2}, field{"body size", at + 2, 4})
		at += 6
		if s.TD15 {
			size = 648
		}
	}
	at += size
	all = append(all, field{"signature data size", at, 4})
	at += 4 + 128
	if s.Version != 3 {
		all = append(all, field{"certification type", at, 2}, field{"certification size", at + 2, 4})
		at += 6
	}
	at += 384 + 64
	all = append(all, field{"QE data size", at, 2})
	at += 2 + len(s.QEAuth)
	return append(all, field{"chain type", at, 2}, field{"chain size", at + 2, 4})
}

// TE-6: no byte of a collateral can be changed either, but for what its format counts
// as the same, which is nothing.
func TestEveryByteOfCollateralCounts(t *testing.T) {
	s := makers[1].spec()
	s.OwnQESigner = true
	s.Levels, s.QELevels = s.Levels[:1], s.QELevels[:1]
	p := simulated.New(s)
	encoded, err := p.Collateral().Encode()
	if err != nil {
		t.Fatal(err)
	}
	check := func(b []byte) error {
		c, err := tee.DecodeCollateral(b)
		if err != nil {
			return err
		}
		_, err = tee.CheckCollateral(c, p.Roots(), now)
		return err
	}
	if err := check(encoded); err != nil {
		t.Fatal(err)
	}
	for n := range encoded {
		if _, err := tee.DecodeCollateral(encoded[:n]); err == nil {
			t.Fatalf("decoded when cut to %d bytes", n)
		}
	}
	if _, err := tee.DecodeCollateral(append(bytes.Clone(encoded), 0)); reason(err) != "collateral/form" {
		t.Errorf("with a byte behind it: %v", err)
	}
	for part := range 2 {
		t.Run("", func(t *testing.T) {
			t.Parallel()
			for i := part; i < len(encoded); i += 2 {
				mutant := bytes.Clone(encoded)
				mutant[i] ^= 1 << (i % 8)
				if check(mutant) == nil {
					t.Fatalf("byte %d of %d changed was accepted", i, len(encoded))
				}
			}
		})
	}
}
