package topology_test

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/killick-ledger/killick/chaincode/canon/canontest"
	"github.com/killick-ledger/killick/network/topology"
)

func place(c topology.Consortium) topology.Layout {
	return c.At(topology.Place{Dir: "/state", Bin: "/bin", Base: int(c.Ports), Network: "main-0011223344556677"})
}

func TestShippedFileIsTheDefault(t *testing.T) {
	data, err := os.ReadFile("../consortium.yaml")
	if err != nil {
		t.Fatal(err)
	}
	got, err := topology.Parse(data)
	if err != nil {
		t.Fatal(err)
	}
	// An empty list and none mean the same.
	if diff := cmp.Diff(topology.Default(), got); diff != "" {
		t.Errorf("consortium.yaml differs from the defaults it documents (-default +file):\n%s", diff)
	}
	empty, err := topology.Parse(nil)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(topology.Default(), empty); diff != "" {
		t.Errorf("an empty file (-default +file):\n%s", diff)
	}
}

func TestThresholds(t *testing.T) {
	for _, tc := range []struct{ n, f, k, endorse int }{{4, 1, 3, 2}, {5, 1, 4, 2}, {7, 2, 5, 3}, {10, 3, 7, 4}} {
		c := topology.Default()
		c.Organisations = nil
		for i := range tc.n {
			c.Organisations = append(c.Organisations, topology.Organisation{Name: "Org" + string(rune('A'+i)), Gateway: true})
		}
		if err := c.Check(); err != nil {
			t.Errorf("N=%d: %v", tc.n, err)
		}
		if got := [3]int{c.F(), c.K(), c.Endorsements()}; got != [3]int{tc.f, tc.k, tc.endorse} {
			t.Errorf("N=%d: f, K, endorsements = %v", tc.n, got)
		}
	}
}

func TestMistakes(t *testing.T) {
	const three = "organisations: [{name: A, gateway: true}, {name: B}, {name: C}]\n"
	for _, tc := range []struct{ name, file, want string }{
		{"unknown field", "chanel: main", "field chanel not found"},
		{"second document", "channel: main\n---\nchannel: main", "more than one document"},
		{"channel", "channel: Main", "channel:"},
		{"profile", "profile: careful", "profile:"},
		{"ordering", "ordering: solo", "ordering:"},
		{"Raft among liars", "ordering: raft", "bears no orderer that lies"},
		{"two Raft orderers", "profile: crash-only\nordering: raft\norganisations: [{name: A, gateway: true, orderers: 2}]", "takes 3 orderers or more"},
		{"K too low", "thresholds: {members: 2}", "not above two thirds"},
		{"K too high", "thresholds: {members: 4}", "one silent organisation"},
		{"endorsements too low", "thresholds: {endorse: 1}", "could all be from lying"},
		{"endorsements too high", "thresholds: {endorse: 4}", "stop every transaction"},
		{"K beyond N", "thresholds: {members: 5}", "not between 1 and 4"},
		{"too many orderers", "organisations: [{name: A, gateway: true, orderers: 2}, {name: B}, {name: C}, {name: D}]", "2 of 5 orderers is more than the 1"},
		{"too few organisations", three, "it takes 4"},
		{"CouchDB", "state_database: CouchDB", "state_database:"},
		{"no gateway", "organisations: [{name: A}, {name: B}, {name: C}, {name: D}]", "none has a gateway"},
		{"same name", "organisations: [{name: A, gateway: true}, {name: a}, {name: C}, {name: D}]", "named twice"},
		{"bad name", "organisations: [{name: A-1, gateway: true}, {name: B}, {name: C}, {name: D}]", "organisations[0].name"},
		{"port word", "ports: some", "neither a number nor auto"},
		{"port zero", "ports: 0", "0 is no port"},
		{"port range", "ports: 65500", "leaves no room"},
		{"interval", "block: {interval: 1ms}", "block.interval"},
		{"messages", "block: {messages: 0}", "block.messages"},
		{"half a Tron endpoint", `chains: {tron: {rpc: ["https://a"]}}`, "given together"},
		{"EVM with Tron's fields", `chains: {evm: {rpc: ["https://a"], grpc: b}}`, "belong to Tron"},
		{"URL", `chains: {evm: {rpc: ["a:1"]}}`, "no http or https URL"},
		{"EVM period", "chains: {evm: {period: 500ms}}", "chains.evm.period"},
		{"Tron period", "chains: {tron: {period: 1ms}}", "chains.tron.period"},
		{"finality", "chains: {tron: {finality: 0}}", "chains.tron.finality"},
		{"cadence", "cadence: {busy: 1ms}", "cadence.busy"},
		{"cadence upside down", "cadence: {busy: 2m}", "is above quiet"},
		{"issuer", "issuers: [\"0OIl\"]", "issuers:"},
		{"epoch", "epoch: 0s", "epoch:"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			_, err := topology.Parse([]byte(tc.file))
			if err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("error = %v; want %q in it", err, tc.want)
			}
		})
	}
}

func TestAllMistakesAtOnce(t *testing.T) {
	_, err := topology.Parse([]byte("channel: X\nstate_database: CouchDB\nepoch: 0s\nthresholds: {members: 2}"))
	if err == nil || len(strings.Split(err.Error(), "\n")) != 4 {
		t.Errorf("error = %v; want four lines", err)
	}
}

func TestCrashOnly(t *testing.T) {
	c, err := topology.Parse([]byte("profile: crash-only\norganisations: [{name: A, gateway: true}]\n"))
	if err != nil {
		t.Fatal(err)
	}
	if w := c.Warnings(); len(w) != 2 {
		t.Errorf("warnings = %q; want the organisations and the orderers", w)
	}
	if w := topology.Default().Warnings(); len(w) != 0 {
		t.Errorf("warnings of the default = %q", w)
	}
}

// Raft bears that less than half of its orderers stop, wherever they are.
func TestRaft(t *testing.T) {
	const head = "profile: crash-only\nordering: raft\n"
	for _, tc := range []struct {
		name, organisations string
		orderers            int
		want                []string // in the warnings, in their order
	}{
		{"one each", "[{name: A, gateway: true}, {name: B}, {name: C}, {name: D}]", 4, []string{"no orderer that lies"}},
		{"one without", "[{name: A, gateway: true}, {name: B}, {name: C}, {name: D, orderers: 0}]", 3, []string{"no orderer that lies"}},
		{"two at one", "[{name: A, gateway: true, orderers: 2}, {name: B}, {name: C, orderers: 0}, {name: D, orderers: 0}]", 3,
			[]string{"no orderer that lies", "2 of 3 orderers is more than the 1 that may stop"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			c, err := topology.Parse([]byte(head + "organisations: " + tc.organisations))
			if err != nil {
				t.Fatal(err)
			}
			w := c.Warnings()
			if c.Orderers() != tc.orderers || len(w) != len(tc.want) {
				t.Fatalf("%d orderers, warnings %q", c.Orderers(), w)
			}
			for i, want := range tc.want {
				if !strings.Contains(w[i], want) {
					t.Errorf("warning %q; want %q in it", w[i], want)
				}
			}
			if got := place(c).Orgs()[0].Connection(topology.GatewayUser).Ordering; got != topology.Raft {
				t.Errorf("a client is told %q", got)
			}
		})
	}
}

func TestPortsDoNotCollide(t *testing.T) {
	four := 4
	c := topology.Default()
	c.Organisations[3].Orderers = &four
	l := place(c)
	seen := map[string]string{}
	use := func(name string, addresses ...string) {
		for _, a := range addresses {
			if other := seen[a]; other != "" {
				t.Errorf("%s and %s share %s", name, other, a)
			}
			seen[a] = name
		}
	}
	use("evm", l.EVMAddress())
	use("tron", l.TronGRPCAddress(), l.TronSolidityAddress(), l.TronHTTPAddress())
	for _, o := range l.Orgs() {
		for _, n := range append(o.Orderers(), o.Peer()) {
			use(n.Name, n.Address(), n.AdminAddress(), strings.TrimSuffix(strings.TrimPrefix(n.HealthURL(), "http://"), "/healthz"))
		}
		use(o.ChaincodeName(), o.ChaincodeAddress())
		use(o.AnchorName(), o.AnchorAddress())
		use(o.GatewayName(), o.GatewayHTTP(), o.GatewayGRPC())
	}
	if got := l.Orgs()[1].Peer().Address(); got != "127.0.0.1:17040" {
		t.Errorf("peer of the second organisation is at %s, consortium.yaml says base + 20 x 2", got)
	}
}

// facts are what a running network adds.
var facts = topology.Facts{
	LogID: strings.Repeat("ab", 32),
	Members: []topology.Member{
		{MSPID: "Org1MSP", CosignKey: "killick/main/Org1MSP+1234abcd+AAAA", Address: "0x00000000000000000000000000000000000000a1"},
	},
	Chains: []topology.AnchorChain{
		{ID: "eip155:1337", Kind: "evm", RPC: []string{"http://127.0.0.1:17000"}, AnchorLog: "eip155:1337:0x01", Vaults: []string{"eip155:1337:0x02"}},
		{ID: "tron:0x2b6653dc", Kind: "tron", RPC: []string{"http://127.0.0.1:17003/jsonrpc"}, GRPC: "127.0.0.1:17001", Solidity: "127.0.0.1:17002"},
	},
}

func rendered(t *testing.T, l topology.Layout) []topology.File {
	t.Helper()
	var files []topology.File
	add := func(fs []topology.File, err error) {
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, fs...)
	}
	one := func(f topology.File, err error) { add([]topology.File{f}, err) }
	add(l.Founding())
	add(l.Nodes())
	add(l.ChainNodes([]string{"0x00000000000000000000000000000000000000a1", "0x00000000000000000000000000000000000000a2"}))
	one(l.Deploy(facts))
	for _, o := range l.Orgs() {
		one(o.Anchor(facts))
		one(o.Chaincode("killick:00"))
		if o.HasGateway {
			one(o.Gateway())
		}
	}
	return files
}

func TestGolden(t *testing.T) {
	// Of what each organisation gets alike, one is enough.
	skip := []string{"org2", "org3", "org4"}
	for _, f := range rendered(t, place(topology.Default())) {
		name, err := filepath.Rel("/state/config", f.Path)
		if err != nil {
			t.Fatal(err)
		}
		if strings.ContainsAny(name, "0123456789") && containsAny(name, skip) {
			continue
		}
		compare(t, strings.ReplaceAll(name, "/", "-"), f.Data)
	}
	// Raft changes the channel alone.
	raft := topology.Default()
	raft.Ordering, raft.Profile = topology.Raft, topology.CrashOnly
	for _, f := range rendered(t, place(raft)) {
		if filepath.Base(f.Path) == "configtx.yaml" {
			compare(t, "channel-configtx-raft.yaml", f.Data)
		}
	}
}

// compare compares a rendered file with the golden one:
// go test ./network/topology -update rewrites testdata/golden.
func compare(t *testing.T, name string, data []byte) {
	t.Helper()
	canontest.Golden(t, filepath.Join("testdata/golden", name), data)
}

func containsAny(s string, parts []string) bool {
	for _, p := range parts {
		if strings.Contains(s, p) {
			return true
		}
	}
	return false
}

func TestSameInputSameBytes(t *testing.T) {
	l := place(topology.Default())
	if diff := cmp.Diff(rendered(t, l), rendered(t, l)); diff != "" {
		t.Error(diff)
	}
	o := l.Orgs()[0]
	first, err := o.Package([]byte("PEM"))
	if err != nil {
		t.Fatal(err)
	}
	again, err := o.Package([]byte("PEM"))
	if err != nil || !bytes.Equal(first, again) {
		t.Errorf("packages differ, %v", err)
	}
	const id = "killick:"
	if got := topology.PackageID(first); !strings.HasPrefix(got, id) || len(got) != len(id)+64 {
		t.Errorf("package id = %s", got)
	}
}

// Every organisation's peers keep private contents, for as long as these are not
// purged, and nobody else's clients come near them.
func TestContents(t *testing.T) {
	got := place(topology.Default()).Contents()
	want := topology.Collection{
		Name: "contents", Policy: "OutOf(1, 'Org1MSP.member', 'Org2MSP.member', 'Org3MSP.member', 'Org4MSP.member')", MemberOnlyRead: true, MemberOnlyWrite: true,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
