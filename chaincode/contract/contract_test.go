package contract_test

import (
	"bytes"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/hyperledger/fabric-chaincode-go/v2/shim"
	"github.com/hyperledger/fabric-protos-go-apiv2/peer"
	"github.com/killick-ledger/killick/chaincode/canon"
	"github.com/killick-ledger/killick/chaincode/contract"
	"github.com/killick-ledger/killick/chaincode/fault"
	"github.com/killick-ledger/killick/chaincode/ledger"
	"github.com/killick-ledger/killick/chaincode/ledger/ledgertest"
	"github.com/killick-ledger/killick/chaincode/ops"
	"github.com/killick-ledger/killick/chaincode/ops/opstest"
)

type backend struct{ state committed }

func (b backend) Begin() (ledger.Store, func()) { return b.state.begin(contract.NewState) }

func TestState(t *testing.T) {
	ledgertest.Run(t, func() ledgertest.Backend { return backend{committed{}} })
}

// channel is a channel with the chaincode on it.
type channel struct {
	t         testing.TB
	world     *opstest.World // for signing
	chaincode *contract.Chaincode
	state     committed
	identity  []byte
	claimed   time.Time
	log       bytes.Buffer
	last      *stub
	fail      error
}

func newChannel(t testing.TB) *channel {
	c := &channel{
		t: t, world: opstest.New(t), state: committed{}, identity: creator(t, "Org1MSP", "client"), claimed: time.Unix(opstest.Start, 0),
	}
	var err error
	c.chaincode, err = contract.New(func() time.Time { return time.Unix(opstest.Start, 0) }, slog.New(slog.NewJSONHandler(&c.log, nil)))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// call runs a function and commits what it wrote.
func (c *channel) call(args ...string) *peer.Response {
	c.t.Helper()
	c.last = &stub{state: c.state, writes: map[string][]byte{}, creator: c.identity, claimed: c.claimed, fail: c.fail}
	for _, a := range args {
		c.last.args = append(c.last.args, []byte(a))
	}
	response := c.chaincode.Invoke(c.last)
	if c.last.open != 0 {
		c.t.Errorf("%s left %d ranges open", args[0], c.last.open)
	}
	if response.GetStatus() == shim.OK {
		c.last.commit()
	} else if len(c.last.writes) != 0 {
		c.t.Errorf("%s failed and wrote %d keys", args[0], len(c.last.writes))
	}
	return response
}

func (c *channel) refused(code fault.Code, args ...string) {
	c.t.Helper()
	r := c.call(args...)
	got, ok := fault.Parse(r.GetMessage())
	if r.GetStatus() == shim.OK || !ok || got.Code != code || !strings.HasPrefix(r.GetMessage(), code.String()) {
		c.t.Errorf("%.60q: status %d, %q, want %v", args, r.GetStatus(), r.GetMessage(), code)
	}
}

func (c *channel) done(args ...string) []byte {
	c.t.Helper()
	r := c.call(args...)
	if r.GetStatus() != shim.OK {
		c.t.Fatalf("%s: %s", args[0], r.GetMessage())
	}
	return r.GetPayload()
}

func (c *channel) founding() string {
	data, err := canon.Marshal(c.world.Founding())
	if err != nil {
		c.t.Fatal(err)
	}
	return string(data)
}

// CC-1: names and numbers of arguments are exact.
func TestFunctionsAreExact(t *testing.T) {
	c := newChannel(t)
	c.done("ops:Init", c.founding())
	for _, f := range ops.Functions() {
		contractName, method, _ := strings.Cut(f.Name, ":")
		for _, name := range []string{
			contractName + ":" + strings.ToLower(method[:1]) + method[1:], strings.ToUpper(f.Name), method, contractName + method,
			strings.ToUpper(contractName[:1]) + contractName[1:] + ":" + method,
			f.Name + " ", "x:" + f.Name, contractName + "::" + method,
		} {
			args := make([]string, f.Args+1)
			args[0] = name
			c.refused(fault.UnknownFunction, args...)
		}
		for _, n := range []int{f.Args - 1, f.Args + 1, f.Args + 5} {
			if n >= 0 {
				c.refused(fault.WrongArguments, append([]string{f.Name}, make([]string, n)...)...)
			}
		}
	}
	for _, name := range []string{
		"", "ops", "ops:", ":Init", "ops:GetName", "ops:GetInfo", "ops:GetBeforeTransaction", "org.hyperledger.fabric:GetMetadata",
		"operations:Init", "Operations:Init", "ops:GetTransactionContextHandler",
	} {
		c.refused(fault.UnknownFunction, name)
	}
	if r := c.chaincode.Invoke(&stub{state: c.state}); r.GetStatus() == shim.OK {
		t.Error("no function at all was answered")
	}
	if c.log.Len() != 0 {
		t.Errorf("refusals were logged as failures: %s", c.log.String())
	}
}

// Every function of the table reaches its contract.
func TestEveryFunctionIsServed(t *testing.T) {
	c := newChannel(t)
	c.done("ops:Init", c.founding())
	for _, f := range ops.Functions() {
		args := []string{f.Name, "{}"}[:1+f.Args]
		if r := c.call(args...); strings.Contains(r.GetMessage(), "internal") {
			t.Errorf("%s: %s", f.Name, r.GetMessage())
		}
	}
}

func TestBatchOnTheShim(t *testing.T) {
	c := newChannel(t)
	c.refused(fault.NotInitialised, "ops:Network")
	c.done("ops:Init", c.founding())
	alice := opstest.NewUser("alice")
	create, _ := c.world.Sign(alice, &ops.DIDCreate{Document: alice.Doc}, "")
	submit, ref := c.world.Sign(alice, opstest.Submit("x"), "")
	bad := submit
	bad.Signature = make([]byte, 64)
	frame, err := ops.EncodeFrame([]ops.Item{create, bad, submit, submit})
	if err != nil {
		t.Fatal(err)
	}
	want := []byte{0, byte(fault.BadSignature), 0, ops.Replayed}
	if got := c.done("ops:Batch", string(frame)); !bytes.Equal(got, want) {
		t.Errorf("batch answers %#x, want %#x", got, want)
	}
	if c.last.batches != 1 || len(c.last.writes) != 4 {
		t.Errorf("%d write batches, %d writes", c.last.batches, len(c.last.writes))
	}
	if got := c.done("ops:Apply", submit.Compact()); !bytes.Equal(got, []byte{ops.Replayed}) {
		t.Errorf("apply answers %#x", got)
	}
	if got := c.done("ops:Operation", ref.String()); !bytes.Contains(got, []byte(`"op":"record.submit"`)) {
		t.Errorf("%s", got)
	}
	c.done("ops:Check", submit.Compact())
	if c.last.batches != 0 || len(c.last.writes) != 0 {
		t.Error("a query wrote")
	}
}

// CC-2: the claimed time may differ by five minutes from this endorser's clock.
func TestClaimedTime(t *testing.T) {
	c := newChannel(t)
	for _, d := range []time.Duration{-5*time.Minute - time.Second, 5*time.Minute + time.Second, -time.Hour, time.Hour, -time.Duration(opstest.Start+9) * time.Second} {
		c.claimed = time.Unix(opstest.Start, 0).Add(d)
		c.refused(fault.ClockSkew, "ops:Network")
	}
	for _, d := range []time.Duration{-5 * time.Minute, 0, 5 * time.Minute} {
		c.claimed = time.Unix(opstest.Start, 0).Add(d)
		c.refused(fault.NotInitialised, "ops:Network")
	}
}

// CC-3: an organisation's function acts for the organisation of the
// certificate, by its role.
func TestCallerIsTheCertificate(t *testing.T) {
	c := newChannel(t)
	for _, who := range []struct{ msp, role string }{{"Org9MSP", "admin"}, {"Org1MSP", "peer"}, {"Org1MSP", "orderer"}, {"Org1MSP", ""}} {
		c.identity = creator(t, who.msp, who.role)
		c.refused(fault.NotMember, "ops:Init", c.founding())
	}
	c.identity = []byte("nonsense")
	c.refused(fault.NotMember, "ops:Init", c.founding())
	c.identity = creator(t, "Org4MSP", "admin")
	c.done("ops:Init", c.founding())
	c.refused(fault.NotMember, "reward:Fund", `{"id":"00","asset":"usd"}`) // Org4 is no treasury
	vault := `{"vault":"` + opstest.EVMVault + `","funded":"5"}`
	c.done("reward:Reserve", vault)
	if _, ok := c.last.writes["reserve/"+opstest.EVMVault+"/Org4MSP"]; !ok {
		t.Errorf("wrote %v", c.last.writes)
	}
}

func TestInitIsOfThisChannel(t *testing.T) {
	c := newChannel(t)
	c.refused(fault.WrongNetwork, "ops:Init", strings.ReplaceAll(c.founding(), "main-", "other-"))
	c.refused(fault.Malformed, "ops:Init", "nonsense")
}

// A peer that fails to answer is nobody's fault: the text says no more than
// that, the log says everything.
func TestForeignErrorsStayInside(t *testing.T) {
	c := newChannel(t)
	c.done("ops:Init", c.founding())
	c.fail = errors.New("secret of the peer")
	item, _ := c.world.Sign(opstest.NewUser("alice"), opstest.Submit("x"), "")
	for _, f := range ops.Functions() {
		arg := "{}"
		if f.Name == "ops:Apply" || f.Name == "ops:Check" {
			arg = item.Compact()
		}
		if r := c.call([]string{f.Name, arg}[:1+f.Args]...); r.GetStatus() == shim.OK || strings.Contains(r.GetMessage(), "secret") {
			t.Errorf("%s: %d %s", f.Name, r.GetStatus(), r.GetMessage())
		}
	}
	if !strings.Contains(c.log.String(), "secret of the peer") {
		t.Error("the log does not say what failed")
	}
}

// panicking is a peer whose answer breaks the program's assumptions.
type panicking struct{ *stub }

func (panicking) GetState(string) ([]byte, error) { panic("broken") }

func TestPanicsAreContained(t *testing.T) {
	c := newChannel(t)
	s := &stub{state: c.state, writes: map[string][]byte{}, creator: c.identity, claimed: c.claimed, args: [][]byte{[]byte("ops:Network")}}
	r := c.chaincode.Invoke(panicking{s})
	if r.GetStatus() == shim.OK || !strings.HasPrefix(r.GetMessage(), "internal") || strings.Contains(r.GetMessage(), "broken") {
		t.Errorf("%d %s", r.GetStatus(), r.GetMessage())
	}
	if !strings.Contains(c.log.String(), "broken") {
		t.Error("the log does not say what broke")
	}
}

func TestSelfTest(t *testing.T) {
	if err := contract.SelfTest(); err != nil {
		t.Error(err)
	}
}
