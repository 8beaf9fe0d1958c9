package topology

import (
	"fmt"
	"path/filepath"
	"strconv"
	"strings"
)

// Chaincode is the name of the one chaincode on the channel.
const Chaincode = "killick"

// host is where everything listens: the network of one consortium.yaml lives on
// one machine.
const host = "127.0.0.1"

// Place is where a consortium is put.
type Place struct {
	Dir     string // state directory, absolute
	Bin     string // directory of the programs, absolute
	Base    int    // first port of the range
	Network string // name of the network, "<channel>-<16 hex digits>"
}

// Layout is a consortium at a place. Every path, port and file follows from it.
type Layout struct {
	Consortium
	Place
}

// At puts the consortium at a place.
func (c Consortium) At(p Place) Layout { return Layout{c, p} }

// Offsets inside an organisation's block of ports, as consortium.yaml lists them.
const (
	offPeer = iota
	offPeerChaincode
	offPeerHealth
	offOrderer
	offOrdererAdmin
	offOrdererHealth
	offChaincode
	offAnchor
	offGatewayHTTP
	offGatewayGRPC
	offMoreOrderers
)

// Offsets of the chains' ports from the base.
const (
	offEVM = iota
	offTronGRPC
	offTronSolidity
	offTronHTTP
)

// Org is one organisation with the names that follow from its own.
type Org struct {
	Index       int
	Name        string // as in consortium.yaml, for example Org1
	MSPID       string // of peers, clients and admins
	OrdererMSP  string // of orderers
	Domain      string // of its nodes' names in certificates
	HasGateway  bool
	OrdererSize int
	layout      Layout
}

// Orgs lists the organisations in member order.
func (l Layout) Orgs() []Org {
	var out []Org
	for i, o := range l.Organisations {
		low := strings.ToLower(o.Name)
		out = append(out, Org{
			Index: i, Name: o.Name, MSPID: o.Name + "MSP", OrdererMSP: o.Name + "OrdererMSP",
			Domain: low + ".killick", HasGateway: o.Gateway, OrdererSize: o.orderers(), layout: l,
		})
	}
	return out
}

func (o Org) port(offset int) int {
	return o.layout.Base + portsPerOrganisation*(o.Index+1) + offset
}

func address(port int) string { return host + ":" + strconv.Itoa(port) }

func (o Org) low() string { return strings.ToLower(o.Name) }

// Node is one process of Fabric's own: a peer or an orderer.
type Node struct {
	Name   string // name of the process, for example peer.org1
	Host   string // first part of CN
	CN     string // name in its certificates
	MSPID  string
	Port   int
	Admin  int // orderers: port of the admin service; peers: the chaincode listener
	Health int // port of the operations service
	MSP    string
	TLS    string // directory with server.crt, server.key and ca.crt
	Config string // directory with core.yaml or orderer.yaml
	Data   string
}

// Address is where the node serves.
func (n Node) Address() string { return address(n.Port) }

// HealthURL answers 200 when the node is well.
func (n Node) HealthURL() string { return "http://" + address(n.Health) + "/healthz" }

// AdminURL is the orderer's channel participation service.
func (n Node) AdminURL() string { return "https://" + address(n.Admin) }

// AdminAddress is the address of the second listener.
func (n Node) AdminAddress() string { return address(n.Admin) }

// Endpoint is how clients reach the node.
func (n Node) Endpoint() Endpoint {
	return Endpoint{MSPID: n.MSPID, Name: n.Name, Address: n.Address(), ServerName: n.CN, TLSCA: filepath.Join(n.TLS, "ca.crt")}
}

// Peer is the organisation's peer.
func (o Org) Peer() Node {
	n := o.node("peer", "peerOrganizations", "peers", "peer."+o.low(), offPeer, offPeerChaincode, offPeerHealth)
	n.MSPID = o.MSPID
	return n
}

// Orderers are the organisation's orderers.
func (o Org) Orderers() []Node {
	var out []Node
	for j := range o.OrdererSize {
		host, off := "orderer", offOrderer
		if j > 0 {
			host, off = fmt.Sprintf("orderer%d", j+1), offMoreOrderers+3*(j-1)
		}
		n := o.node(host, "ordererOrganizations", "orderers", host+"."+o.low(), off, off+1, off+2)
		n.MSPID = o.OrdererMSP
		out = append(out, n)
	}
	return out
}

func (o Org) node(host, kind, kinds, name string, port, admin, health int) Node {
	cn := host + "." + o.Domain
	crypto := o.layout.path("crypto", kind, o.Domain, kinds, cn)
	return Node{
		Name: name, Host: host, CN: cn, Port: o.port(port), Admin: o.port(admin), Health: o.port(health),
		MSP: filepath.Join(crypto, "msp"), TLS: filepath.Join(crypto, "tls"),
		Config: o.layout.path("config", name), Data: o.layout.path("data", name),
	}
}

func (l Layout) path(parts ...string) string {
	return filepath.Join(append([]string{l.Dir}, parts...)...)
}

// CryptoDir holds the keys and certificates of all Fabric nodes and clients.
func (l Layout) CryptoDir() string { return l.path("crypto") }

// CryptoConfig is the file that they are made from.
func (l Layout) CryptoConfig() string { return l.path("config", "crypto-config.yaml") }

// ChannelConfig is the directory of configtx.yaml.
func (l Layout) ChannelConfig() string { return l.path("config", "channel") }

// GenesisBlock is the channel's block 0.
func (l Layout) GenesisBlock() string { return l.path("config", "channel", l.Channel+".block") }

// Builder is the directory of the external builder, as core.yaml names it.
func (l Layout) Builder() string { return l.path("config", "ccaas") }

// DeployFile is deploy.yaml.
func (l Layout) DeployFile() string { return l.path("config", "deploy.yaml") }

// Deployments is the file that names the deployed contracts.
func (l Layout) Deployments() string { return l.path("deployments.json") }

// Policy is the auditor's policy file.
func (l Layout) Policy() string { return l.path("policy.json") }

// EVMFile is evmnode.yaml.
func (l Layout) EVMFile() string { return l.path("config", "evmnode.yaml") }

// TronFile is tronnode.yaml.
func (l Layout) TronFile() string { return l.path("config", "tronnode.yaml") }

// LogDir holds one log for each process.
func (l Layout) LogDir() string { return l.path("logs") }

// RunDir holds one run file for each process.
func (l Layout) RunDir() string { return l.path("run") }

// Program is the path of a program of this name.
func (l Layout) Program(name string) string { return filepath.Join(l.Bin, name) }

// User is a client identity of an organisation.
type User string

// The client identities that are made for each organisation.
const (
	Admin       User = "Admin" // role admin: changes the channel and the chaincode
	GatewayUser User = "User1"
	AnchorUser  User = "User2"
)

func (o Org) user(u User) (cert, key string) {
	name := string(u) + "@" + o.Domain
	msp := o.layout.path("crypto", "peerOrganizations", o.Domain, "users", name, "msp")
	return filepath.Join(msp, "signcerts", name+"-cert.pem"), filepath.Join(msp, "keystore", "priv_sk")
}

func (o Org) chaincodeHost() string { return "chaincode." + o.Domain }

// ChaincodeTLS is the directory of the chaincode service's server certificate.
func (o Org) ChaincodeTLS() string {
	return o.layout.path("crypto", "peerOrganizations", o.Domain, "peers", o.chaincodeHost(), "tls")
}

// ChaincodeIdentity is the peer identity that comes with that certificate and
// that nobody may have: the service needs TLS and no right to endorse.
func (o Org) ChaincodeIdentity() string {
	return o.layout.path("crypto", "peerOrganizations", o.Domain, "peers", o.chaincodeHost(), "msp")
}

// ChaincodeName is the name of the organisation's chaincode service.
func (o Org) ChaincodeName() string { return "chaincode." + o.low() }

// AnchorName is the name of the organisation's anchor.
func (o Org) AnchorName() string { return "anchor." + o.low() }

// GatewayName is the name of the organisation's gateway.
func (o Org) GatewayName() string { return "gateway." + o.low() }

// ChaincodeFile is the organisation's chaincode.yaml.
func (o Org) ChaincodeFile() string { return o.layout.path("config", o.ChaincodeName()+".yaml") }

// AnchorFile is the organisation's anchor.yaml.
func (o Org) AnchorFile() string { return o.layout.path("config", o.AnchorName()+".yaml") }

// GatewayFile is the organisation's gateway.yaml.
func (o Org) GatewayFile() string { return o.layout.path("config", o.GatewayName()+".yaml") }

// PackageFile is the organisation's chaincode package.
func (o Org) PackageFile() string { return o.layout.path("config", o.ChaincodeName()+".tar.gz") }

// ChaincodeAddress is where the organisation's chaincode service listens.
func (o Org) ChaincodeAddress() string { return address(o.port(offChaincode)) }

// AnchorAddress is where the organisation's anchor serves HTTP.
func (o Org) AnchorAddress() string { return address(o.port(offAnchor)) }

// GatewayHTTP is where the organisation's gateway serves REST.
func (o Org) GatewayHTTP() string { return address(o.port(offGatewayHTTP)) }

// GatewayGRPC is where the organisation's gateway serves gRPC.
func (o Org) GatewayGRPC() string { return address(o.port(offGatewayGRPC)) }

// EVMAddress is where the EVM test node serves JSON-RPC.
func (l Layout) EVMAddress() string { return address(l.Base + offEVM) }

// TronGRPCAddress is where the Tron test node serves its wallet service.
func (l Layout) TronGRPCAddress() string { return address(l.Base + offTronGRPC) }

// TronSolidityAddress is where it serves solidified state.
func (l Layout) TronSolidityAddress() string { return address(l.Base + offTronSolidity) }

// TronHTTPAddress is where it serves HTTP and JSON-RPC.
func (l Layout) TronHTTPAddress() string { return address(l.Base + offTronHTTP) }

// EVM is the EVM chain's endpoints, the test node's when none is configured.
func (l Layout) EVM() Chain {
	if !l.Chains.EVM.Own() {
		return l.Chains.EVM
	}
	return Chain{RPC: []string{"http://" + l.EVMAddress()}}
}

// Tron is the Tron chain's endpoints, the test node's when none is configured.
func (l Layout) Tron() Chain {
	if !l.Chains.Tron.Own() {
		return l.Chains.Tron
	}
	return Chain{
		RPC:  []string{"http://" + l.TronHTTPAddress() + "/jsonrpc"},
		GRPC: l.TronGRPCAddress(), Solidity: l.TronSolidityAddress(),
	}
}
