package tee

// SGXReport is what the processor says of an enclave.
type SGXReport struct {
	CPUSVN     [16]byte
	MiscSelect [4]byte
	Attributes [16]byte
	MREnclave  [32]byte // of its code and data
	MRSigner   [32]byte // of the key that signed it
	ConfigID   [64]byte
	ProdID     uint16
	SVN        uint16
	ConfigSVN  uint16
	ReportData [64]byte
}

// TDXReport is what the TDX module says of a trust domain.
type TDXReport struct {
	TCBSVN         [16]byte
	MRSeam         [48]byte // of the TDX module
	MRSignerSeam   [48]byte
	SeamAttributes [8]byte
	Attributes     [8]byte
	XFAM           [8]byte
	MRTD           [48]byte // of what the domain started with
	MRConfigID     [48]byte
	MROwner        [48]byte
	MROwnerConfig  [48]byte
	RTMR           [4][48]byte // of what it measured since
	ReportData     [64]byte
	TCBSVN2        [16]byte // of TD reports 1.5
	MRServiceTD    [48]byte // of TD reports 1.5
}

const (
	sgxReportSize = 384
	td10Size      = 584
	td15Size      = 648
)

// readSGX reads a report of 384 bytes.
func readSGX(b []byte) *SGXReport {
	c := cursor{b: b}
	r := &SGXReport{}
	c.copy(r.CPUSVN[:])
	c.copy(r.MiscSelect[:])
	c.take(28)
	c.copy(r.Attributes[:])
	c.copy(r.MREnclave[:])
	c.take(32)
	c.copy(r.MRSigner[:])
	c.take(32)
	c.copy(r.ConfigID[:])
	r.ProdID, r.SVN, r.ConfigSVN = c.u16(), c.u16(), c.u16()
	c.take(58)
	c.copy(r.ReportData[:])
	return r
}

// readTDX reads a TD report of 584 or 648 bytes.
func readTDX(b []byte) *TDXReport {
	c := cursor{b: b}
	r := &TDXReport{}
	for _, field := range [][]byte{r.TCBSVN[:], r.MRSeam[:], r.MRSignerSeam[:], r.SeamAttributes[:], r.Attributes[:], r.XFAM[:],
		r.MRTD[:], r.MRConfigID[:], r.MROwner[:], r.MROwnerConfig[:], r.RTMR[0][:], r.RTMR[1][:], r.RTMR[2][:], r.RTMR[3][:], r.ReportData[:]} {
		c.copy(field)
	}
	if len(b) == td15Size {
		c.copy(r.TCBSVN2[:])
		c.copy(r.MRServiceTD[:])
	}
	return r
}

// sgxDebug is the bit of an enclave's attributes that lets a debugger read it.
const sgxDebug = 0x02

// debug says that the enclave's memory can be read from outside.
func (r *SGXReport) debug() bool { return r.Attributes[0]&sgxDebug != 0 }

// debug says that the domain runs under a debugger. The whole first byte of the
// attributes is of that group (TUD).
func (r *TDXReport) debug() bool { return r.Attributes[0] != 0 }
