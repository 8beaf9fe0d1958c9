package simulated

import (
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/killick-ledger/killick/chaincode/tee"
)

type svn struct {
	SVN uint8 `json:"svn"`
}

type tcbJSON struct {
	SGX []svn   `json:"sgxtcbcomponents,omitempty"`
	PCE *uint16 `json:"pcesvn,omitempty"`
	TDX []svn   `json:"tdxtcbcomponents,omitempty"`
	ISV *uint16 `json:"isvsvn,omitempty"`
}

type levelJSON struct {
	TCB        tcbJSON  `json:"tcb"`
	Date       string   `json:"tcbDate"`
	Status     string   `json:"tcbStatus"`
	Advisories []string `json:"advisoryIDs,omitempty"`
}

type moduleJSON struct {
	ID         string      `json:"id,omitempty"`
	Signer     string      `json:"mrsigner"`
	Attributes string      `json:"attributes"`
	Mask       string      `json:"attributesMask"`
	Levels     []levelJSON `json:"tcbLevels,omitempty"`
}

type tcbInfoJSON struct {
	ID         string       `json:"id"`
	Version    int          `json:"version"`
	Issued     string       `json:"issueDate"`
	Next       string       `json:"nextUpdate"`
	FMSPC      string       `json:"fmspc"`
	PCEID      string       `json:"pceId"`
	Type       int          `json:"tcbType"`
	Evaluation uint32       `json:"tcbEvaluationDataNumber"`
	Module     *moduleJSON  `json:"tdxModule,omitempty"`
	Modules    []moduleJSON `json:"tdxModuleIdentities,omitempty"`
	Levels     []levelJSON  `json:"tcbLevels"`
}

type identityJSON struct {
	ID         string      `json:"id"`
	Version    int         `json:"version"`
	Issued     string      `json:"issueDate"`
	Next       string      `json:"nextUpdate"`
	Evaluation uint32      `json:"tcbEvaluationDataNumber"`
	Misc       string      `json:"miscselect"`
	MiscMask   string      `json:"miscselectMask"`
	Attributes string      `json:"attributes"`
	Mask       string      `json:"attributesMask"`
	Signer     string      `json:"mrsigner"`
	ProdID     uint16      `json:"isvprodid"`
	Levels     []levelJSON `json:"tcbLevels"`
}

func upper(b []byte) string { return strings.ToUpper(hex.EncodeToString(b)) }

func date(seconds uint64) string { return at(seconds).Format(time.RFC3339) }

func (v Verdict) json(tcb tcbJSON) levelJSON {
	return levelJSON{tcb, date(v.Date), v.Status, v.Advisories}
}

func svns(list [16]uint8) []svn {
	out := make([]svn, len(list))
	for i, n := range list {
		out[i].SVN = n
	}
	return out
}

func svnLevels(levels []SVNLevel) []levelJSON {
	var out []levelJSON
	for _, l := range levels {
		out = append(out, l.json(tcbJSON{ISV: &l.SVN}))
	}
	return out
}

func (m *Module) json() moduleJSON {
	return moduleJSON{m.ID, upper(m.Signer[:]), upper(m.Attributes[:]), "FFFFFFFFFFFFFFFF", svnLevels(m.Levels)}
}

func (s *Spec) tcbInfo() any {
	v := s.validity(tee.InTCBInfo)
	t := tcbInfoJSON{ID: s.Kind.String(), Version: 3, Issued: date(v.From), Next: date(v.Until), FMSPC: hex.EncodeToString(s.FMSPC[:]), PCEID: upper(s.PCEID[:]), Evaluation: s.Evaluation,
		Levels: []levelJSON{}}
	if s.Kind == tee.TDX {
		module := s.Module.json()
		t.Module = &module
		for _, m := range s.Modules {
			t.Modules = append(t.Modules, m.json())
		}
	}
	for _, l := range s.Levels {
		tcb := tcbJSON{SGX: svns(l.SGX), PCE: &l.PCE}
		if s.Kind == tee.TDX {
			tcb.TDX = svns(l.TDX)
		}
		t.Levels = append(t.Levels, l.json(tcb))
	}
	return t
}

func (s *Spec) qeIdentity() any {
	v, q := s.validity(tee.InQEIdentity), &s.QESigned
	name := "QE"
	if s.Kind == tee.TDX {
		name = "TD_QE"
	}
	return identityJSON{name, 2, date(v.From), date(v.Until), s.QEEvaluation, upper(q.MiscSelect[:]), upper(q.MiscMask[:]), upper(q.Attributes[:]), upper(q.Mask[:]),
		upper(q.MRSigner[:]), q.ProdID, svnLevels(s.QELevels)}
}

// text is the JSON that is signed, changed where the spec asks for that.
func (s *Spec) text(part tee.Part, value any) []byte {
	text, err := json.Marshal(value)
	if err != nil {
		panic(fmt.Sprintf("simulated: %v", err))
	}
	if change := s.Text[part]; change != nil {
		return []byte(change(string(text)))
	}
	return text
}
