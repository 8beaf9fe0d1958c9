//go:build agreement

package quotes_test

import (
	"encoding/json"
	"net/url"
	"os"
	"os/exec"
	"testing"

	"github.com/killick-ledger/killick/chaincode/tee"
)

const (
	month = 30 * 86400
	july  = 1_752_000_000 // 2025-07-08, in the month of the collateral in chaincode/tee/testdata
)

// The real quotes in chaincode/tee/testdata: all say the same of them, in time, a
// month later and a year later.
func TestRealQuotes(t *testing.T) {
	p := &peers{startGoogle(t), startNpm(t)}
	for _, name := range []string{"sgx", "tdx"} {
		quote, err := os.ReadFile("../../chaincode/tee/testdata/" + name + ".quote")
		if err != nil {
			t.Fatal(err)
		}
		encoded, err := os.ReadFile("../../chaincode/tee/testdata/" + name + ".collateral")
		if err != nil {
			t.Fatal(err)
		}
		c, err := tee.DecodeCollateral(encoded)
		if err != nil {
			t.Fatal(err)
		}
		for _, now := range []uint64{july, july - month, july + month, july + 12*month} {
			s := &subject{tee.Trim(quote), c, tee.IntelRoot(), now}
			verdict, why := s.ours(t)
			if (verdict == refused) != (now != july) {
				t.Errorf("%s at %d: %s (%s)", name, now, verdict, why)
			}
			t.Logf("%s at %d: %s %s", name, now, verdict, why)
			// Google's reads no issue dates: it accepts collateral of later.
			p.compare(t, name, s, name == "tdx" && now >= july, true)
		}
	}
}

// samples are what google/go-tdx-guest carries for its own tests.
type samples struct {
	QuoteV4, QuoteV5, TCBInfo, TCBInfoV5, QEIdentity, PCKCRL, RootCRL []byte
	TCBInfoChain, QEIdentityChain, PCKCRLChain                        []string
}

func (m *samples) subject(t *testing.T, quote, tcbInfo []byte, now uint64) *subject {
	t.Helper()
	plain := func(chain []string) []byte {
		text, err := url.QueryUnescape(chain[0])
		if err != nil {
			t.Fatal(err)
		}
		return []byte(text)
	}
	c, err := (&tee.Responses{RootCRL: m.RootCRL, PCKCRL: m.PCKCRL, PCKCRLChain: plain(m.PCKCRLChain), TCBInfo: tcbInfo, TCBInfoChain: plain(m.TCBInfoChain),
		QEIdentity: m.QEIdentity, QEIdentityChain: plain(m.QEIdentityChain)}).Collateral()
	if err != nil {
		t.Fatal(err)
	}
	return &subject{tee.Trim(quote), c, tee.IntelRoot(), now}
}

// Google's own samples, of versions 4 and 5: at no time is there collateral for them
// that reaches their platforms, and all agree on that.
func TestGooglesSamples(t *testing.T) {
	out, err := exec.Command(os.Getenv("KILLICK_QUOTES_GOOGLE"), "-samples").Output()
	if err != nil {
		t.Fatal(err)
	}
	var m samples
	if err := json.Unmarshal(out, &m); err != nil {
		t.Fatal(err)
	}
	p := &peers{startGoogle(t), startNpm(t)}
	for _, tt := range []struct {
		name           string
		quote, tcbInfo []byte
		version        uint16
		now            uint64
		want           string
	}{
		{"version 4, July 2023", m.QuoteV4, m.TCBInfo, 4, 1_688_173_200, "tcb/unsupported"},
		{"version 4, 2024", m.QuoteV4, m.TCBInfo, 4, 1_720_000_000, "root_crl/expired"},
		{"version 5, February 2026", m.QuoteV5, m.TCBInfoV5, 5, 1_771_000_000, "root_crl/expired"},
	} {
		s := m.subject(t, tt.quote, tt.tcbInfo, tt.now)
		q, err := tee.Read(s.quote)
		if err != nil || q.Version != tt.version || q.Kind != tee.TDX {
			t.Errorf("%s: %+v, %v", tt.name, q, err)
			continue
		}
		if platform, err := q.Platform(); err != nil || platform.Kind != tee.TDX {
			t.Errorf("%s: %+v, %v", tt.name, platform, err)
		}
		roots, err := tee.NewRoots(s.root)
		if err != nil {
			t.Fatal(err)
		}
		_, err = tee.Appraise(s.quote, s.c, roots, s.now, nil)
		if r, ok := err.(*tee.Refusal); !ok || r.Reason() != tt.want {
			t.Errorf("%s: %v, want %s", tt.name, err, tt.want)
		}
		p.compare(t, tt.name, s, true, true)
	}
}
