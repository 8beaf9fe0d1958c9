// Package topology describes a consortium and renders every file its processes
// read. It is pure: a description and a place in, bytes out; it starts nothing,
// looks at no file, clock or port, and never draws a random number. The same
// description at the same place gives the same bytes.
package topology

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
	"time"

	"gopkg.in/yaml.v3"

	"github.com/killick-ledger/killick/network/configuration"
)

// The two profiles: what an organisation may do before the network fails.
const (
	Byzantine = "byzantine"  // up to f organisations may lie
	CrashOnly = "crash-only" // organisations may stop, and none may lie
)

// The two ordering services.
const (
	SmartBFT = "smartbft" // bears orderers that lie, up to a third of them less one
	Raft     = "raft"     // bears orderers that stop, less than half of them, and none that lies
)

// minRaft is how few Raft orderers bear one that stops.
const minRaft = 3

// portsPerOrganisation is the width of an organisation's block of ports.
const portsPerOrganisation = 20

// maxOrderers is how many orderers fit an organisation's block of ports.
const maxOrderers = 4

// Consortium is the content of consortium.yaml; that file documents each field.
type Consortium struct {
	Channel       string         `yaml:"channel"`
	Profile       string         `yaml:"profile"`
	Ordering      string         `yaml:"ordering"`
	Organisations []Organisation `yaml:"organisations"`
	Thresholds    Thresholds     `yaml:"thresholds"`
	Ports         Ports          `yaml:"ports"`
	Block         Block          `yaml:"block"`
	StateDatabase string         `yaml:"state_database"`
	Fabric        Fabric         `yaml:"fabric"`
	Chains        Chains         `yaml:"chains"`
	Cadence       Cadence        `yaml:"cadence"`
	Epoch         time.Duration  `yaml:"epoch"`
	Issuers       []string       `yaml:"issuers"`
}

// Organisation is one member. Orderers is 1 when the file does not say.
type Organisation struct {
	Name     string `yaml:"name"`
	Orderers *int   `yaml:"orderers,omitempty"`
	Gateway  bool   `yaml:"gateway"`
}

// Thresholds says how many organisations it takes; 0 means the default.
type Thresholds struct {
	Endorse int `yaml:"endorse"`
	Members int `yaml:"members"`
}

// Block says when a block is cut.
type Block struct {
	Interval time.Duration `yaml:"interval"`
	Messages int           `yaml:"messages"`
}

// Fabric holds the settings of Fabric's own binaries.
type Fabric struct {
	Binaries string `yaml:"binaries"`
	Log      string `yaml:"log"`
}

// Chains names the public chains. A chain without RPC is a test node of ours.
type Chains struct {
	EVM  Chain    `yaml:"evm"`
	Tron Chain    `yaml:"tron"`
	Fund []string `yaml:"fund"`
}

// Chain is the endpoints of one public chain; GRPC, Solidity and Also are Tron's. Period
// and Finality are a test node's: the time between blocks, and how many blocks make
// a block final.
type Chain struct {
	RPC      []string      `yaml:"rpc"`
	GRPC     string        `yaml:"grpc"`
	Solidity string        `yaml:"solidity"`
	Also     []string      `yaml:"also"`
	Period   time.Duration `yaml:"period"`
	Finality int           `yaml:"finality"`
}

// Own reports whether the chain is a test node that the network starts.
func (c Chain) Own() bool { return len(c.RPC) == 0 }

// Cadence says how often anchors cut and post checkpoints.
type Cadence struct {
	Busy  time.Duration `yaml:"busy"`
	Quiet time.Duration `yaml:"quiet"`
	Post  time.Duration `yaml:"post"`
}

// Ports is the base of the port range; 0 means that a free range is chosen.
type Ports int

// UnmarshalYAML accepts a number or the word auto.
func (p *Ports) UnmarshalYAML(n *yaml.Node) error {
	if n.Value == "auto" {
		*p = 0
		return nil
	}
	var i int
	if err := n.Decode(&i); err != nil {
		return fmt.Errorf("ports: %q is neither a number nor auto", n.Value)
	}
	if i == 0 {
		return errors.New("ports: 0 is no port; write auto for a free range")
	}
	*p = Ports(i)
	return nil
}

var chainAddress = regexp.MustCompile(`^0x[0-9a-f]{40}$`)

// issuerID is a base58btc id of 20 bytes.
var issuerID = regexp.MustCompile(`^[1-9A-HJ-NP-Za-km-z]{20,28}$`)

// Default returns the consortium that an empty file describes: four organisations,
// the first two of them with a gateway, so that partners have another one when one
// is down.
func Default() Consortium {
	return Consortium{
		Channel:  "main",
		Profile:  Byzantine,
		Ordering: SmartBFT,
		Organisations: []Organisation{
			{Name: "Org1", Gateway: true}, {Name: "Org2", Gateway: true}, {Name: "Org3"}, {Name: "Org4"},
		},
		Ports:         17000,
		Block:         Block{Interval: 100 * time.Millisecond, Messages: 500},
		StateDatabase: "goleveldb",
		Fabric:        Fabric{Log: "error"},
		Chains: Chains{
			EVM:  Chain{Period: time.Second, Finality: 3},
			Tron: Chain{Period: 500 * time.Millisecond, Finality: 3},
			Fund: []string{},
		},
		Cadence: Cadence{Busy: 5 * time.Second, Quiet: time.Minute, Post: 10 * time.Minute},
		Epoch:   24 * time.Hour,
		Issuers: []string{},
	}
}

// Parse reads a consortium.yaml. It refuses unknown fields and whatever Check
// refuses; fields that are left out have their defaults.
func Parse(data []byte) (Consortium, error) {
	c := Default()
	if err := configuration.Decode(data, &c); err != nil && !errors.Is(err, configuration.ErrEmpty) {
		return Consortium{}, fmt.Errorf("consortium: %w", err)
	}
	return c, c.Check()
}

// N is the number of organisations.
func (c Consortium) N() int { return len(c.Organisations) }

// F is how many organisations may lie: floor((N-1)/3).
func (c Consortium) F() int { return max(0, (c.N()-1)/3) }

// K is how many organisations a checkpoint or a governance change needs.
func (c Consortium) K() int {
	if c.Thresholds.Members != 0 {
		return c.Thresholds.Members
	}
	return c.N() - c.F()
}

// Endorsements is how many organisations endorse a transaction.
func (c Consortium) Endorsements() int {
	if c.Thresholds.Endorse != 0 {
		return c.Thresholds.Endorse
	}
	return c.F() + 1
}

// orderers is the number of orderers of one organisation.
func (o Organisation) orderers() int {
	if o.Orderers == nil {
		return 1
	}
	return *o.Orderers
}

// Orderers is the number of orderers of all organisations.
func (c Consortium) Orderers() int {
	n := 0
	for _, o := range c.Organisations {
		n += o.orderers()
	}
	return n
}

// Width is the number of ports, counted from the base, that the network may use.
func (c Consortium) Width() int { return portsPerOrganisation * (c.N() + 1) }

var (
	channelName = regexp.MustCompile(`^[a-z][a-z0-9]{0,30}$`)
	orgName     = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9]{0,30}$`)
)

// Check reports every mistake in the description, not only the first.
func (c Consortium) Check() error {
	var errs []error
	bad := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }

	if !channelName.MatchString(c.Channel) {
		bad("channel: %q must be 1 to 31 lower-case letters and digits and begin with a letter", c.Channel)
	}
	if c.Profile != Byzantine && c.Profile != CrashOnly {
		bad("profile: %q is neither %s nor %s", c.Profile, Byzantine, CrashOnly)
	}
	if c.Ordering != SmartBFT && c.Ordering != Raft {
		bad("ordering: %q is neither %s nor %s", c.Ordering, SmartBFT, Raft)
	}
	c.checkOrganisations(bad)
	c.checkThresholds(bad)
	if c.Ports != 0 && (c.Ports < 1024 || int(c.Ports)+c.Width() > 65535) {
		bad("ports: base %d leaves no room for %d ports between 1024 and 65535", c.Ports, c.Width())
	}
	if c.Block.Interval < 10*time.Millisecond || c.Block.Interval > 10*time.Second {
		bad("block.interval: %s is not between 10ms and 10s", c.Block.Interval)
	}
	if c.Block.Messages < 1 || c.Block.Messages > 10000 {
		bad("block.messages: %d is not between 1 and 10000", c.Block.Messages)
	}
	if c.StateDatabase != "goleveldb" {
		bad("state_database: %q is refused, only goleveldb keeps the bytes that are hashed as they were written", c.StateDatabase)
	}
	if strings.ContainsAny(c.Fabric.Log, "\n\"") || c.Fabric.Log == "" {
		bad("fabric.log: %q is no logging specification", c.Fabric.Log)
	}
	c.checkChains(bad)
	for _, id := range c.Issuers {
		if !issuerID.MatchString(id) {
			bad("issuers: %q is no id of a DID", id)
		}
	}
	for name, d := range map[string]time.Duration{"cadence.busy": c.Cadence.Busy, "cadence.quiet": c.Cadence.Quiet, "cadence.post": c.Cadence.Post, "epoch": c.Epoch} {
		if d < time.Second {
			bad("%s: %s is below one second", name, d)
		}
	}
	if c.Cadence.Busy > c.Cadence.Quiet {
		bad("cadence: busy (%s) is above quiet (%s)", c.Cadence.Busy, c.Cadence.Quiet)
	}
	return errors.Join(errs...)
}

func (c Consortium) checkOrganisations(bad func(string, ...any)) {
	if c.N() == 0 {
		bad("organisations: none is named")
	}
	seen := map[string]bool{}
	gateways := 0
	for i, o := range c.Organisations {
		if !orgName.MatchString(o.Name) {
			bad("organisations[%d].name: %q must be 1 to 31 letters and digits and begin with a letter", i, o.Name)
		}
		if seen[strings.ToLower(o.Name)] {
			bad("organisations[%d].name: %q is named twice", i, o.Name)
		}
		seen[strings.ToLower(o.Name)] = true
		if n := o.orderers(); n < 0 || n > maxOrderers {
			bad("organisations[%d].orderers: %d is not between 0 and %d", i, n, maxOrderers)
		}
		if o.Gateway {
			gateways++
		}
	}
	if gateways == 0 && c.N() > 0 {
		bad("organisations: none has a gateway (gateway: true)")
	}
	if c.Orderers() == 0 && c.N() > 0 {
		bad("organisations: none has an orderer")
	}
	if c.Ordering == Raft && c.Orderers() < minRaft {
		bad("ordering: %s takes %d orderers or more to bear one that stops, not %d", Raft, minRaft, c.Orderers())
	}
}

func (c Consortium) checkThresholds(bad func(string, ...any)) {
	if k := c.K(); k < 1 || k > c.N() {
		bad("thresholds.members: %d is not between 1 and %d", k, c.N())
	}
	if e := c.Endorsements(); e < 1 || e > c.N() {
		bad("thresholds.endorse: %d is not between 1 and %d", e, c.N())
	}
	if c.Profile != CrashOnly {
		for _, w := range c.weaknesses() {
			bad("%s (profile %s accepts it)", w, CrashOnly)
		}
	}
}

// Warnings says what a crash-only consortium cannot tolerate; none for a
// byzantine one that passes Check.
func (c Consortium) Warnings() []string { return c.weaknesses() }

func (c Consortium) weaknesses() []string {
	var w []string
	if c.N() < 4 {
		w = append(w, fmt.Sprintf("organisations: %d are too few to bear a lying one, it takes 4", c.N()))
	}
	if 3*c.K() <= 2*c.N() {
		w = append(w, fmt.Sprintf("thresholds.members: K = %d is not above two thirds of N = %d, two checkpoints of the same size could both be accepted", c.K(), c.N()))
	}
	if c.K() > c.N()-c.F() {
		w = append(w, fmt.Sprintf("thresholds.members: K = %d lets one silent organisation of %d stop every checkpoint", c.K(), c.N()))
	}
	if c.Endorsements() <= c.F() {
		w = append(w, fmt.Sprintf("thresholds.endorse: %d endorsements could all be from lying organisations (f = %d)", c.Endorsements(), c.F()))
	}
	if c.Endorsements() > c.N()-c.F() {
		w = append(w, fmt.Sprintf("thresholds.endorse: %d endorsements of %d let a silent organisation stop every transaction", c.Endorsements(), c.N()))
	}
	return append(w, c.weakOrdering()...)
}

// weakOrdering says what of the organisations' orderers the network cannot tolerate.
func (c Consortium) weakOrdering() []string {
	var w []string
	n := c.Orderers()
	most, may := max(0, (n-1)/3), "lie"
	if c.Ordering == Raft {
		w = append(w, fmt.Sprintf("ordering: %s bears no orderer that lies: one alone signs a block, so one organisation could withhold, reorder or invent blocks and show different ones to different peers", Raft))
		most, may = max(0, (n-1)/2), "stop"
	}
	for i, o := range c.Organisations {
		if m := o.orderers(); m > most {
			w = append(w, fmt.Sprintf("organisations[%d].orderers: %d of %d orderers is more than the %d that may %s", i, m, n, most, may))
		}
	}
	return w
}

func (c Consortium) checkChains(bad func(string, ...any)) {
	if c.Chains.EVM.GRPC != "" || c.Chains.EVM.Solidity != "" || len(c.Chains.EVM.Also) > 0 {
		bad("chains.evm: grpc, solidity and also belong to Tron")
	}
	t := c.Chains.Tron
	if t.Own() != (t.GRPC == "") || t.Own() != (t.Solidity == "") || t.Own() && len(t.Also) > 0 {
		bad("chains.tron: rpc, grpc and solidity are given together or not at all, also only with them")
	}
	for _, u := range append(append([]string{}, c.Chains.EVM.RPC...), t.RPC...) {
		if !strings.HasPrefix(u, "http://") && !strings.HasPrefix(u, "https://") {
			bad("chains: %q is no http or https URL", u)
		}
	}
	for _, a := range c.Chains.Fund {
		if !chainAddress.MatchString(a) {
			bad("chains.fund: %q is not 0x and 40 lower-case hex digits", a)
		}
	}
	// The time of an EVM block is in seconds and has to rise.
	if p := c.Chains.EVM.Period; p < time.Second || p > time.Minute {
		bad("chains.evm.period: %s is not between 1s and 1m", p)
	}
	if p := t.Period; p < 100*time.Millisecond || p > time.Minute {
		bad("chains.tron.period: %s is not between 100ms and 1m", p)
	}
	for name, n := range map[string]int{"evm": c.Chains.EVM.Finality, "tron": t.Finality} {
		if n < 1 || n > 100 {
			bad("chains.%s.finality: %d is not between 1 and 100", name, n)
		}
	}
}
