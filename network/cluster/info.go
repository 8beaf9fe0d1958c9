package cluster

import (
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/killick-ledger/killick/network/fabric"
	"github.com/killick-ledger/killick/network/topology"
)

// Process is the state of one process.
type Process struct {
	Name   string `json:"name"`
	PID    int    `json:"pid"`
	Ports  []int  `json:"ports"`
	Memory uint64 `json:"memory"` // resident, bytes
	Alive  bool   `json:"alive"`
}

// Processes lists all processes that belong to the network, alive or not.
func (c *Cluster) Processes() []Process {
	var out []Process
	for _, name := range c.procs.names() {
		r, alive := c.procs.find(name)
		p := Process{Name: name, PID: r.PID, Ports: r.Ports, Alive: alive}
		if alive {
			p.Memory = Resident(r.PID)
		}
		out = append(out, p)
	}
	return out
}

// Memory is the resident memory in bytes of each process that is alive.
func (c *Cluster) Memory() map[string]uint64 {
	m := map[string]uint64{}
	for _, p := range c.Processes() {
		if p.Alive {
			m[p.Name] = p.Memory
		}
	}
	return m
}

// WriteStatus prints a table of the processes, and returns an error when one that
// was started is not alive.
func (c *Cluster) WriteStatus(w io.Writer) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "NAME\tPID\tPORTS\tMEMORY\tSTATE")
	var dead []string
	for _, p := range c.Processes() {
		var ports []string
		for _, port := range p.Ports {
			ports = append(ports, strconv.Itoa(port))
		}
		state := "up"
		if !p.Alive {
			state = "dead"
			dead = append(dead, p.Name)
		}
		fmt.Fprintf(t, "%s\t%d\t%s\t%d MB\t%s\n", p.Name, p.PID, strings.Join(ports, ","), p.Memory>>20, state)
	}
	if err := t.Flush(); err != nil {
		return err
	}
	if len(dead) > 0 {
		return fmt.Errorf("not running: %s; up starts them again", strings.Join(dead, ", "))
	}
	return nil
}

// GatewayURLs are the REST addresses of the gateways, in the order of their
// organisations.
func (c *Cluster) GatewayURLs() []string {
	var urls []string
	for _, o := range c.Orgs() {
		if o.HasGateway {
			urls = append(urls, "http://"+o.GatewayHTTP())
		}
	}
	return urls
}

// GatewayAddresses are the gRPC addresses of the gateways, in the same order.
func (c *Cluster) GatewayAddresses() []string {
	var addresses []string
	for _, o := range c.Orgs() {
		if o.HasGateway {
			addresses = append(addresses, o.GatewayGRPC())
		}
	}
	return addresses
}

// GatewayURL is the REST address of the first gateway; topology refuses a
// consortium without one.
func (c *Cluster) GatewayURL() string { return c.GatewayURLs()[0] }

// GatewayAddress is its gRPC address.
func (c *Cluster) GatewayAddress() string { return c.GatewayAddresses()[0] }

// AnchorURL is the address of the anchor of organisation i.
func (c *Cluster) AnchorURL(i int) string { return "http://" + c.Orgs()[i].AnchorAddress() }

// Client is the configuration of a client of organisation i.
func (c *Cluster) Client(i int, u topology.User) fabric.Config { return c.Orgs()[i].Connection(u) }

// portGrace is how long a port may stay taken: the kernel closes the sockets of a
// killed process a moment after the process counts as dead.
const portGrace = 2 * time.Second

// checkPorts refuses to start when a port of a process that is not running is taken.
func (c *Cluster) checkPorts() error {
	var errs []error
	deadline := time.Now().Add(portGrace)
	check := func(part Part, name string, ports ...int) {
		if _, alive := c.procs.find(name); alive || c.opts.Parts&part == 0 {
			return
		}
		for _, p := range ports {
			for !portFree(p) && time.Now().Before(deadline) {
				time.Sleep(20 * time.Millisecond)
			}
			if !portFree(p) {
				errs = append(errs, fmt.Errorf("port %d of %s is taken by another program: change the setting ports in consortium.yaml, or use --ports auto", p, name))
			}
		}
	}
	for _, o := range c.Orgs() {
		check(Fabric, o.Peer().Name, nodePorts(o.Peer())...)
		for _, n := range o.Orderers() {
			check(Fabric, n.Name, nodePorts(n)...)
		}
		check(Chaincode, o.ChaincodeName(), portOf(o.ChaincodeAddress()))
		check(Anchors, o.AnchorName(), portOf(o.AnchorAddress()))
		if o.HasGateway {
			check(Gateways, o.GatewayName(), portOf(o.GatewayHTTP()), portOf(o.GatewayGRPC()))
		}
	}
	if c.Chains.EVM.Own() {
		check(Chains, "evmnode", portOf(c.EVMAddress()))
	}
	if c.Chains.Tron.Own() {
		check(Chains, "tronnode", portOf(c.TronGRPCAddress()), portOf(c.TronSolidityAddress()), portOf(c.TronHTTPAddress()))
	}
	return errors.Join(errs...)
}

func nodePorts(n topology.Node) []int { return []int{n.Port, n.Admin, n.Health} }

// portOf is the port of an address that topology rendered.
func portOf(address string) int {
	_, port, err := net.SplitHostPort(address)
	if err != nil {
		return 0
	}
	n, err := strconv.Atoi(port)
	if err != nil {
		return 0
	}
	return n
}
