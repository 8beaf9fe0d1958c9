package topology

// Endpoint is how a client reaches one peer or orderer.
type Endpoint struct {
	MSPID      string `yaml:"msp_id"`
	Name       string `yaml:"name"`        // of the process, for messages
	Address    string `yaml:"address"`     // host:port
	ServerName string `yaml:"server_name"` // name that its certificate must bear
	TLSCA      string `yaml:"tls_ca"`      // PEM file of the CA that issued it
	// MSPCA is, for a peer, the PEM file of the CA of the identities that may endorse.
	MSPCA string `yaml:"msp_ca,omitempty"`
}

// Connection is what a client of the Fabric network is configured with: the
// fabric section of gateway.yaml and anchor.yaml.
type Connection struct {
	Channel   string     `yaml:"channel"`
	Chaincode string     `yaml:"chaincode"`
	MSPID     string     `yaml:"msp_id"`
	Cert      string     `yaml:"cert"`  // PEM file of the client's certificate
	Key       string     `yaml:"key"`   // PEM file (PKCS #8) of its P-256 key
	Peers     []Endpoint `yaml:"peers"` // the own organisation's first
	Orderers  []Endpoint `yaml:"orderers"`
	// Ordering is the channel's ordering service, SmartBFT or Raft; empty means
	// SmartBFT. It decides how transactions are handed over, and nothing about what
	// is believed.
	Ordering string `yaml:"ordering"`
	// Endorsements is how many organisations have to agree on a transaction.
	Endorsements int `yaml:"endorsements"`
}

// Connection is the configuration of a client of organisation o.
func (o Org) Connection(u User) Connection {
	l := o.layout
	cert, key := o.user(u)
	c := Connection{
		Channel: l.Channel, Chaincode: Chaincode, MSPID: o.MSPID, Cert: cert, Key: key,
		Ordering: l.Ordering, Endorsements: l.Endorsements(),
	}
	orgs := l.Orgs()
	for j := range orgs {
		// Own organisation first, then the others in ring order, so that the clients
		// of different organisations do not all lean on the same second one.
		other := orgs[(o.Index+j)%len(orgs)]
		p := other.Peer().Endpoint()
		p.MSPCA = l.path("crypto", "peerOrganizations", other.Domain, "msp", "cacerts", "ca."+other.Domain+"-cert.pem")
		c.Peers = append(c.Peers, p)
		for _, n := range other.Orderers() {
			c.Orderers = append(c.Orderers, n.Endpoint())
		}
	}
	return c
}
