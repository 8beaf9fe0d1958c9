//go:build agreement

package quotes_test

import (
	"bytes"
	"slices"
	"testing"

	"github.com/killick-ledger/killick/chaincode/tee"
	"github.com/killick-ledger/killick/chaincode/tee/simulated"
)

// cases are what both others have an opinion on. Where one of them sees it otherwise
// on purpose, the case says why; then its verdict is not compared.
var cases = []struct {
	name        string
	do          func(s *simulated.Spec)
	google, npm string
}{
	{name: "up to date", do: func(*simulated.Spec) {}},
	{name: "newer than all levels", do: func(s *simulated.Spec) { s.PCESVN = 99 }},
	{name: "one component lower", do: func(s *simulated.Spec) { s.Components[0] = 5 }, google: moduleAlone},
	{name: "PCE lower", do: func(s *simulated.Spec) { s.PCESVN = 12 }, google: moduleAlone},
	{name: "below all levels", do: func(s *simulated.Spec) { s.PCESVN = 0 }},
	{name: "software hardening", do: status("SWHardeningNeeded"), google: moduleAlone},
	{name: "configuration", do: status("ConfigurationNeeded"), google: moduleAlone},
	{name: "configuration and software", do: status("ConfigurationAndSWHardeningNeeded"), google: moduleAlone},
	{name: "out of date and configuration", do: status("OutOfDateConfigurationNeeded"), google: moduleAlone},
	{name: "QE out of date", do: func(s *simulated.Spec) { s.QE.SVN = 7 }},
	{name: "QE out of date, configuration", do: both(status("ConfigurationNeeded"), func(s *simulated.Spec) { s.QE.SVN = 7 }), npm: "forgets the configuration, which Intel's library keeps"},
	{name: "QE revoked", do: func(s *simulated.Spec) { s.QE.SVN = 5 }},
	{name: "QE below all levels", do: func(s *simulated.Spec) { s.QE.SVN = 0 }},
	{name: "QE of another signer", do: func(s *simulated.Spec) { s.QE.MRSigner[0]++ }},
	{name: "QE of another product", do: func(s *simulated.Spec) { s.QE.ProdID++ }},
	{name: "QE under a debugger", do: func(s *simulated.Spec) { s.QE.Attributes[0] |= 2 }},
	{name: "module out of date", do: func(s *simulated.Spec) { s.TDX.TCBSVN[0] = 5 }, npm: "reads no module identities"},
	{name: "module 3", do: func(s *simulated.Spec) { s.TDX.TCBSVN = [16]byte{3, 3, 4} }, npm: "reads no module identities"},
	{name: "module 0", do: func(s *simulated.Spec) { s.TDX.TCBSVN = [16]byte{5, 0, 4} }},
	{name: "module of another signer", do: func(s *simulated.Spec) { s.TDX.MRSignerSeam[0] = 1 }, npm: "does not look at the module's signer"},
	{name: "debugging", do: func(s *simulated.Spec) { s.SGX.Attributes[0] |= 2; s.TDX.Attributes[0] |= 1 }, google: "package validate does, not verify"},
	{name: "probing host", do: func(s *simulated.Spec) { s.TDX.Attributes[3] = 0 }, google: "package validate does, not verify"},
	{name: "another FMSPC", do: change(tee.InTCBInfo, `514d551a7ed0`, `514d551a7ed1`)},
	{name: "attestation key that the QE does not name", do: func(s *simulated.Spec) { s.Unbound = true }},
	{name: "revoked PCK certificate", do: revoke(tee.InPCK)},
	{name: "revoked CA", do: revoke(tee.InPCKCA)},
	{name: "revoked signer", do: revoke(tee.InTCBSigner)},
	{name: "expired PCK certificate", do: times(tee.InPCK)},
	{name: "expired CA", do: times(tee.InPCKCA)},
	{name: "expired root", do: times(tee.InRoot)},
	{name: "expired signer", do: times(tee.InTCBSigner)},
	{name: "expired root CRL", do: times(tee.InRootCRL), npm: "believes every list"},
	{name: "expired PCK CRL", do: times(tee.InPCKCRL), npm: "believes every list"},
	{name: "expired TCB info", do: times(tee.InTCBInfo)},
	{name: "expired QE identity", do: times(tee.InQEIdentity)},
	{name: "forged PCK certificate", do: forge(tee.InPCK)},
	{name: "forged CA", do: forge(tee.InPCKCA)},
	{name: "forged signer", do: forge(tee.InTCBSigner)},
	{name: "forged root CRL", do: forge(tee.InRootCRL), npm: "believes every list"},
	{name: "forged PCK CRL", do: forge(tee.InPCKCRL), npm: "believes every list"},
	{name: "forged TCB info", do: forge(tee.InTCBInfo)},
	{name: "forged QE identity", do: forge(tee.InQEIdentity)},
	{name: "forged QE report", do: forge(tee.InQE)},
	{name: "forged quote", do: forge(tee.InQuote)},
}

// moduleAlone: where a TDX module has levels of its own, go-tdx-guest looks at them
// alone, and accepts a platform that is out of date or revoked. It judges the same
// platform with a module of version 0 as Intel does.
const moduleAlone = "the platform's level does not count"

func TestCases(t *testing.T) {
	p := &peers{startGoogle(t), startNpm(t)}
	for _, form := range forms {
		for _, c := range cases {
			s := form.spec()
			c.do(s)
			p.compare(t, form.name+", "+c.name, subjectOf(s), form.google && c.google == "", c.npm == "")
			if !form.google {
				continue
			}
			s = form.spec()
			s.TDX.TCBSVN = [16]byte{5, 0, 4}
			c.do(s)
			p.compare(t, form.name+", module 0, "+c.name, subjectOf(s), c.google == "" || c.google == moduleAlone, c.npm == "")
		}
	}
}

type peers struct {
	g *google
	n *npm
}

// compare wants our verdict from those who are asked.
func (p *peers) compare(t *testing.T, name string, s *subject, google, npm bool) {
	t.Helper()
	ours, why := s.ours(t)
	if npm {
		if theirs, because := p.n.judge(t, s); theirs != ours {
			t.Errorf("%s: %s (%s), npm says %s (%s)", name, ours, why, theirs, because)
		}
	}
	if google {
		if ours != "UpToDate" {
			ours = refused
		}
		if theirs, because := p.g.judge(t, s); theirs != ours {
			t.Errorf("%s: %s (%s), Google says %s (%s)", name, ours, why, theirs, because)
		}
	}
}

// Of a sample of all bytes, each changed: we refuse every one. The others accept only
// what nothing signs: the text of the certificates, and the type of the certification
// data.
func TestChangedBytes(t *testing.T) {
	g, n := startGoogle(t), startNpm(t)
	for _, form := range forms {
		s := subjectOf(form.spec())
		text, kind := bytes.Index(s.quote, []byte("-----BEGIN")), certificationType(form.spec())
		accepted := map[string]int{}
		for i := 0; i < len(s.quote); i += 5 {
			mutant := *s
			mutant.quote = slices.Clone(s.quote)
			mutant.quote[i] ^= 1 << (i / 5 % 8)
			if verdict, _ := mutant.ours(t); verdict != refused {
				t.Errorf("%s, byte %d: %s", form.name, i, verdict)
			}
			if verdict, _ := n.judge(t, &mutant); verdict != refused {
				accepted["npm"]++
				if i < text && i != kind && i != kind+1 {
					t.Errorf("%s, byte %d: npm accepts", form.name, i)
				}
			}
			if form.google {
				if verdict, _ := g.judge(t, &mutant); verdict != refused {
					accepted["google"]++
					if i < text {
						t.Errorf("%s, byte %d: Google accepts", form.name, i)
					}
				}
			}
		}
		t.Logf("%s: %d bytes, refused all; accepted by others in what is not signed: %v", form.name, len(s.quote), accepted)
	}
}

// certificationType is where quotes of version 4 and 5 have the type of what certifies
// their attestation key; -2 in others.
func certificationType(s *simulated.Spec) int {
	at := 48 + 584 + 4 + 128
	switch {
	case s.Version == 3:
		return -2
	case s.TD15:
		at += 6 + 64
	case s.Version == 5:
		at += 6
	}
	return at
}

func status(name string) func(*simulated.Spec) {
	return func(s *simulated.Spec) { s.Levels[0].Status = name }
}

func both(do ...func(*simulated.Spec)) func(*simulated.Spec) {
	return func(s *simulated.Spec) {
		for _, f := range do {
			f(s)
		}
	}
}

func change(part tee.Part, old, with string) func(*simulated.Spec) {
	return func(s *simulated.Spec) {
		s.Text[part] = func(text string) string { return string(bytes.Replace([]byte(text), []byte(old), []byte(with), 1)) }
	}
}

func times(part tee.Part) func(*simulated.Spec) {
	return func(s *simulated.Spec) { s.Times[part] = simulated.Validity{From: now - 86400, Until: now - 1} }
}

func revoke(part tee.Part) func(*simulated.Spec) {
	return func(s *simulated.Spec) { s.Revoke = append(s.Revoke, part) }
}

func forge(part tee.Part) func(*simulated.Spec) {
	return func(s *simulated.Spec) { s.Forge = append(s.Forge, part) }
}
