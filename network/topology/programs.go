package topology

import (
	"path/filepath"
	"slices"
	"time"
)

// ChaincodeFile is what a chaincode service reads (chaincode.yaml).
type ChaincodeFile struct {
	Listen       string       `yaml:"listen"`
	PackageID    string       `yaml:"package_id"`
	TLS          ChaincodeTLS `yaml:"tls"`
	Organisation string       `yaml:"organisation"`
}

// ChaincodeTLS names PEM files; the service accepts the holder of a certificate
// issued by ClientCA, which is its own organisation's TLS authority.
type ChaincodeTLS struct {
	Cert     string `yaml:"cert"`
	Key      string `yaml:"key"`
	ClientCA string `yaml:"client_ca"`
}

// GatewayFile is what a gateway reads (gateway.yaml).
type GatewayFile struct {
	ListenHTTP string     `yaml:"listen_http"`
	ListenGRPC string     `yaml:"listen_grpc"`
	Journal    string     `yaml:"journal"`
	Network    string     `yaml:"network"`
	Anchor     string     `yaml:"anchor"`
	URL        string     `yaml:"url"`
	Fabric     Connection `yaml:"fabric"`
}

// AnchorFile is what an anchor reads (anchor.yaml).
type AnchorFile struct {
	Organisation string        `yaml:"organisation"`
	Listen       string        `yaml:"listen"`
	Dir          string        `yaml:"dir"`
	Network      string        `yaml:"network"`
	LogID        string        `yaml:"log_id"`
	K            int           `yaml:"k"`
	Fabric       Connection    `yaml:"fabric"`
	Keys         AnchorKeys    `yaml:"keys"`
	Members      []Member      `yaml:"members"`
	Chains       []AnchorChain `yaml:"chains"`
	Cadence      Cadence       `yaml:"cadence"`
}

// AnchorKeys names the anchor's key files, which the anchor makes itself: the
// Ed25519 cosigning key, the secp256k1 key that attests to contracts, the secp256k1
// key of the account that pays fees, and the secret of the chains for draws.
type AnchorKeys struct {
	Cosign string `yaml:"cosign"`
	Attest string `yaml:"attest"`
	Sender string `yaml:"sender"`
	Draws  string `yaml:"draws"`
}

// Member is one organisation as anchors and auditors know it.
type Member struct {
	MSPID     string `yaml:"msp_id" json:"msp_id"`
	CosignKey string `yaml:"cosign_key" json:"cosign_key"` // verifier key of signed notes
	Address   string `yaml:"address" json:"address"`       // 0x, of the attesting key
}

// AnchorChain is one public chain as an anchor needs it.
type AnchorChain struct {
	ID        string   `yaml:"id"` // CAIP-2
	Kind      string   `yaml:"kind"`
	RPC       []string `yaml:"rpc"`
	GRPC      string   `yaml:"grpc,omitempty"`
	Solidity  string   `yaml:"solidity,omitempty"`
	Also      []string `yaml:"also,omitempty"`
	AnchorLog string   `yaml:"anchor_log,omitempty"`
	Vaults    []string `yaml:"vaults,omitempty"`
}

// DeployFile is what `killick-anchor deploy` reads (deploy.yaml): Out is the
// deployments it writes, Policy the auditor's policy file.
type DeployFile struct {
	Network string        `yaml:"network"`
	LogID   string        `yaml:"log_id"`
	K       int           `yaml:"k"`
	Members []Member      `yaml:"members"`
	Sender  string        `yaml:"sender"`
	Chains  []AnchorChain `yaml:"chains"`
	Out     string        `yaml:"out"`
	Policy  string        `yaml:"policy"`
}

// EVMFile is what killick-evmnode reads (evmnode.yaml). Alloc is wei, decimal.
type EVMFile struct {
	Listen   string            `yaml:"listen"`
	ChainID  uint64            `yaml:"chain_id"`
	Dir      string            `yaml:"dir"`
	Period   time.Duration     `yaml:"period"`
	Finality int               `yaml:"finality"`
	Alloc    map[string]string `yaml:"alloc"`
}

// TronFile is what killick-tronnode reads (tronnode.yaml). Alloc is sun, decimal.
type TronFile struct {
	GRPC     string            `yaml:"grpc"`
	Solidity string            `yaml:"solidity"`
	HTTP     string            `yaml:"http"`
	Dir      string            `yaml:"dir"`
	Period   time.Duration     `yaml:"period"`
	Solidify int               `yaml:"solidify_after"`
	Alloc    map[string]string `yaml:"alloc"`
}

// EVMChainID is the chain id of the EVM test node.
const EVMChainID = 1337

// Facts is what is known only once parts of the network run: the anchors' keys,
// the hash of the first block, the chains' ids and the deployed contracts.
type Facts struct {
	LogID   string // hex
	Members []Member
	Chains  []AnchorChain
}

// Chaincode renders chaincode.yaml of organisation o.
func (o Org) Chaincode(packageID string) (File, error) {
	tls := o.ChaincodeTLS()
	return marshal(o.ChaincodeFile(), ChaincodeFile{
		Listen: o.ChaincodeAddress(), PackageID: packageID, Organisation: o.MSPID,
		TLS: ChaincodeTLS{
			Cert: filepath.Join(tls, "server.crt"), Key: filepath.Join(tls, "server.key"),
			ClientCA: filepath.Join(tls, "ca.crt"),
		},
	})
}

// Gateway renders gateway.yaml of organisation o.
func (o Org) Gateway() (File, error) {
	return marshal(o.GatewayFile(), GatewayFile{
		ListenHTTP: o.GatewayHTTP(), ListenGRPC: o.GatewayGRPC(),
		Journal: o.layout.path("data", o.GatewayName(), "journal.db"),
		Network: o.layout.Network, Anchor: "http://" + o.AnchorAddress(), URL: "http://" + o.GatewayHTTP(),
		Fabric: o.Connection(GatewayUser),
	})
}

// keys are the anchor's key files.
func (o Org) keys() AnchorKeys {
	dir := o.layout.path("keys", o.AnchorName())
	return AnchorKeys{
		Cosign: filepath.Join(dir, "cosign.key"), Attest: filepath.Join(dir, "attest.key"),
		Sender: filepath.Join(dir, "sender.key"), Draws: filepath.Join(dir, "draws.secret"),
	}
}

// Anchor renders anchor.yaml of organisation o. Before the facts are known it is
// rendered with empty ones, which is enough for the anchor to make its keys.
func (o Org) Anchor(f Facts) (File, error) {
	l := o.layout
	return marshal(o.AnchorFile(), AnchorFile{
		Organisation: o.MSPID, Listen: o.AnchorAddress(),
		Dir: l.path("data", o.AnchorName()), Network: l.Network, LogID: f.LogID, K: l.K(),
		Fabric: o.Connection(AnchorUser), Keys: o.keys(), Members: f.Members, Chains: f.Chains,
		Cadence: l.Cadence,
	})
}

// Deploy renders deploy.yaml; the first organisation's sender pays.
func (l Layout) Deploy(f Facts) (File, error) {
	return marshal(l.DeployFile(), DeployFile{
		Network: l.Network, LogID: f.LogID, K: l.K(), Members: f.Members,
		Sender: l.Orgs()[0].keys().Sender, Chains: f.Chains, Out: l.Deployments(), Policy: l.Policy(),
	})
}

// The balances that test nodes give each organisation's sender at genesis:
// 1,000 ether and 1,000,000 TRX.
const (
	allocWei = "1000000000000000000000"
	allocSun = "1000000000000"
)

// ChainNodes renders the settings of the test nodes that the network starts.
func (l Layout) ChainNodes(senders []string) ([]File, error) {
	alloc := func(amount string) map[string]string {
		m := map[string]string{}
		for _, address := range slices.Concat(senders, l.Chains.Fund) {
			m[address] = amount
		}
		return m
	}
	evm, err := marshal(l.EVMFile(), EVMFile{
		Listen: l.EVMAddress(), ChainID: EVMChainID, Dir: l.path("data", "evmnode"),
		Period: l.Chains.EVM.Period, Finality: l.Chains.EVM.Finality, Alloc: alloc(allocWei),
	})
	if err != nil {
		return nil, err
	}
	tron, err := marshal(l.TronFile(), TronFile{
		GRPC: l.TronGRPCAddress(), Solidity: l.TronSolidityAddress(), HTTP: l.TronHTTPAddress(),
		Dir: l.path("data", "tronnode"), Period: l.Chains.Tron.Period, Solidify: l.Chains.Tron.Finality, Alloc: alloc(allocSun),
	})
	if err != nil {
		return nil, err
	}
	return []File{evm, tron}, nil
}
