package tee

import "strconv"

// tcbInfo is what Intel says of the security versions of one family of platforms.
type tcbInfo struct {
	kind       Kind
	issued     uint64
	next       uint64
	fmspc      [6]byte
	pceID      [2]byte
	evaluation uint32
	modules    []moduleIdentity // of TDX: version 0 from tdxModule, the others from tdxModuleIdentities
	levels     []tcbLevel       // from the newest to the oldest, as Intel delivers them
}

// tcbLevel is reached by a platform none of whose versions is lower.
type tcbLevel struct {
	sgx [16]uint8
	pce uint16
	tdx [16]uint8
	verdict
}

// svnLevel is reached by an enclave or module whose version is not lower.
type svnLevel struct {
	svn uint16
	verdict
}

// moduleIdentity is a generation of TDX modules.
type moduleIdentity struct {
	version    uint8
	signer     [48]byte
	attributes [8]byte
	levels     []svnLevel
}

const (
	tcbInfoVersion = 3
	maxTCBInfo     = 40 << 10
	maxEvaluation  = 1<<32 - 1
)

// readTCBInfo reads the JSON of a TCB info, whose signature was verified.
func readTCBInfo(data []byte) (*tcbInfo, error) {
	m, err := readMembersOf(InTCBInfo, data)
	if err != nil {
		return nil, err
	}
	version, kind, tcbType := m.number("version", 1<<16), m.text("id"), m.number("tcbType", 1<<16)
	if *m.failed == "" && (version != tcbInfoVersion || tcbType != 0 || kind != SGX.String() && kind != TDX.String()) {
		return nil, refuse(InTCBInfo, Version, "%.20q of version %d and type %d", kind, version, tcbType)
	}
	t := &tcbInfo{kind: SGX, issued: m.date("issueDate"), next: m.date("nextUpdate"), evaluation: uint32(m.number("tcbEvaluationDataNumber", maxEvaluation))}
	m.hex("fmspc", t.fmspc[:])
	m.hex("pceId", t.pceID[:])
	if kind == TDX.String() {
		t.kind = TDX
		t.readModules(m)
	}
	levels := m.children("tcbLevels", false)
	t.levels = make([]tcbLevel, len(levels))
	for i, level := range levels {
		l := &t.levels[i]
		tcb := level.child("tcb")
		tcb.components("sgxtcbcomponents", &l.sgx)
		l.pce = uint16(tcb.number("pcesvn", 0xffff))
		if t.kind == TDX {
			tcb.components("tdxtcbcomponents", &l.tdx)
		}
		l.verdict = level.verdict()
	}
	return t, m.err(InTCBInfo)
}

// components reads a list of exactly 16 security versions.
func (m members) components(name string, into *[16]uint8) {
	list := m.children(name, false)
	if len(list) != len(into) {
		m.fail(name)
		return
	}
	for i := range into {
		into[i] = uint8(list[i].number("svn", 0xff))
	}
}

func (t *tcbInfo) readModules(m members) {
	t.modules = append(t.modules, m.child("tdxModule").module(0))
	for _, identity := range m.children("tdxModuleIdentities", true) {
		version, ok := moduleVersion(identity.text("id"))
		if !ok {
			continue // a module that no report of today can name
		}
		module := identity.module(version)
		module.levels = identity.svnLevels()
		t.modules = append(t.modules, module)
	}
}

// moduleVersion reads the version in "TDX_01", two hexadecimal digits from 1 on.
func moduleVersion(id string) (uint8, bool) {
	if len(id) != 6 || id[:4] != "TDX_" {
		return 0, false
	}
	n, err := strconv.ParseUint(id[4:], 16, 8)
	return uint8(n), err == nil && n > 0
}

func (m members) module(version uint8) moduleIdentity {
	i := moduleIdentity{version: version}
	m.hex("mrsigner", i.signer[:])
	m.hex("attributes", i.attributes[:])
	return i
}

func (m members) svnLevels() []svnLevel {
	list := m.children("tcbLevels", false)
	out := make([]svnLevel, len(list))
	for i, level := range list {
		out[i] = svnLevel{uint16(level.child("tcb").number("isvsvn", 0xffff)), level.verdict()}
	}
	return out
}

// svnVerdict returns the verdict of the first level that the version reaches. The
// zero verdict is of a version below all levels.
func svnVerdict(levels []svnLevel, svn uint16) verdict {
	for i := range levels {
		if svn >= levels[i].svn {
			return levels[i].verdict
		}
	}
	return verdict{}
}

// judge returns the verdict on a platform and the report that it made.
func (t *tcbInfo) judge(q *Quote, p *pckTCB) (verdict, error) {
	if t.kind != q.Kind || t.fmspc != p.fmspc || t.pceID != p.pceID {
		return verdict{}, refuse(InTCBInfo, Mismatch, "it is for %s on FMSPC %x of PCE %x, the quote is of %s on %x of %x",
			t.kind, t.fmspc, t.pceID, q.Kind, p.fmspc, p.pceID)
	}
	v, err := t.level(q, p)
	if err != nil || t.kind == SGX {
		return v, err
	}
	module, err := t.judgeModule(q.TDX)
	if err != nil {
		return v, err
	}
	if module.status == 0 {
		return v, nil // its version is among the components of the level
	}
	return v.merge(module), nil
}

// level returns the verdict of the first level that the platform reaches.
func (t *tcbInfo) level(q *Quote, p *pckTCB) (verdict, error) {
	for i := range t.levels {
		l := &t.levels[i]
		if p.pceSVN < l.pce || !reaches(p.components[:], l.sgx[:]) {
			continue
		}
		if t.kind == TDX {
			first := 0
			if q.TDX.TCBSVN[1] > 0 { // the module has levels of its own
				first = 2
			}
			if !reaches(q.TDX.TCBSVN[first:], l.tdx[first:]) {
				continue
			}
		}
		if l.status == 0 {
			return verdict{}, refuse(InTCB, Unsupported, "the platform's level has a status that is not known here")
		}
		return l.verdict, nil
	}
	return verdict{}, refuse(InTCB, Unsupported, "the platform reaches no level of the TCB info")
}

func reaches(have, level []uint8) bool {
	for i := range level {
		if have[i] < level[i] {
			return false
		}
	}
	return true
}

// judgeModule wants the TDX module to be one that Intel names, and returns the
// verdict on it; it is zero for modules of version 0, which have no levels of their
// own.
func (t *tcbInfo) judgeModule(r *TDXReport) (verdict, error) {
	version := r.TCBSVN[1]
	for i := range t.modules {
		m := &t.modules[i]
		if m.version != version {
			continue
		}
		if m.signer != r.MRSignerSeam || r.SeamAttributes != [8]byte{} || m.attributes != [8]byte{} {
			return verdict{}, refuse(InModule, Mismatch, "another signer than that of Intel's modules, or attributes that are not zero")
		}
		if version == 0 {
			return verdict{}, nil
		}
		v := svnVerdict(m.levels, uint16(r.TCBSVN[0]))
		if v.status == 0 {
			return v, refuse(InModule, Unsupported, "version %d of modules %d is below all levels", r.TCBSVN[0], version)
		}
		return v, nil
	}
	return verdict{}, refuse(InModule, Unsupported, "the TCB info has no modules of version %d", version)
}
