package tee

// qeIdentity is what Intel says of its quoting enclaves of one kind.
type qeIdentity struct {
	kind       Kind
	issued     uint64
	next       uint64
	evaluation uint32
	misc       [4]byte
	miscMask   [4]byte
	attributes [16]byte
	mask       [16]byte
	signer     [32]byte
	prodID     uint16
	levels     []svnLevel
}

const (
	qeIdentityVersion = 2
	maxQEIdentity     = 8 << 10
	qeSGX             = "QE"
	qeTDX             = "TD_QE"
)

// readQEIdentity reads the JSON of a QE identity, whose signature was verified.
func readQEIdentity(data []byte) (*qeIdentity, error) {
	m, err := readMembersOf(InQEIdentity, data)
	if err != nil {
		return nil, err
	}
	version, kind := m.number("version", 1<<16), m.text("id")
	if *m.failed == "" && (version != qeIdentityVersion || kind != qeSGX && kind != qeTDX) {
		return nil, refuse(InQEIdentity, Version, "%.20q of version %d", kind, version)
	}
	i := &qeIdentity{kind: SGX, issued: m.date("issueDate"), next: m.date("nextUpdate"), evaluation: uint32(m.number("tcbEvaluationDataNumber", maxEvaluation)),
		prodID: uint16(m.number("isvprodid", 0xffff)), levels: m.svnLevels()}
	if kind == qeTDX {
		i.kind = TDX
	}
	m.hex("miscselect", i.misc[:])
	m.hex("miscselectMask", i.miscMask[:])
	m.hex("attributes", i.attributes[:])
	m.hex("attributesMask", i.mask[:])
	m.hex("mrsigner", i.signer[:])
	return i, m.err(InQEIdentity)
}

// judge wants the report to be of one of these enclaves, and returns the verdict on
// its version.
func (i *qeIdentity) judge(r *SGXReport) (verdict, error) {
	switch {
	case r.MRSigner != i.signer || r.ProdID != i.prodID:
		return verdict{}, refuse(InQE, Mismatch, "enclave %d of signer %x is not Intel's quoting enclave", r.ProdID, r.MRSigner)
	case !masked(r.MiscSelect[:], i.miscMask[:], i.misc[:]) || !masked(r.Attributes[:], i.mask[:], i.attributes[:]):
		return verdict{}, refuse(InQE, Attributes, "attributes %x, MISCSELECT %x are not those of Intel's quoting enclave", r.Attributes, r.MiscSelect)
	}
	v := svnVerdict(i.levels, r.SVN)
	if v.status == 0 {
		return v, refuse(InQE, Unsupported, "version %d of the quoting enclave has no level with a known status", r.SVN)
	}
	return v, nil
}

// masked says that the bits under the mask are those of want, and want has no others.
func masked(have, mask, want []byte) bool {
	for i := range have {
		if have[i]&mask[i] != want[i] {
			return false
		}
	}
	return true
}
