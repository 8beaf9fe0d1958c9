package topology

import (
	"bytes"
	"embed"
	"fmt"
	"strings"
	"text/template"

	"gopkg.in/yaml.v3"
)

//go:embed templates
var templates embed.FS

var parsed = template.Must(template.ParseFS(templates, "templates/*.tmpl"))

// absoluteMaxBytes bounds a block and a transaction. It stays far below the 32 MB
// that every client and server accepts as one message.
const absoluteMaxBytes = 10 << 20

// preferredMaxBytes is where Raft cuts a block before its time: some four batches of
// 500 operations. Raft replicates a block as one entry, so larger ones would hold up
// the others, and a larger transaction still gets a block of its own.
const preferredMaxBytes = 2 << 20

// File is one rendered file.
type File struct {
	Path   string
	Data   []byte
	Secret bool // readable by its owner only
}

// Founding renders what the key material and the first block are made from. A
// network keeps these for its life: when they differ from those on disk, it is
// another network.
func (l Layout) Founding() ([]File, error) {
	crypto, err := l.execute("crypto-config.yaml.tmpl", map[string]any{"Orgs": l.Orgs(), "OrdererOrgs": l.ordererOrgs()})
	if err != nil {
		return nil, err
	}
	channel, err := l.configtx()
	if err != nil {
		return nil, err
	}
	return []File{
		{Path: l.CryptoConfig(), Data: crypto},
		{Path: l.ChannelConfig() + "/configtx.yaml", Data: channel},
	}, nil
}

// Nodes renders the settings of peers, orderers, chaincode services and test
// nodes' neighbours that follow from the consortium alone.
func (l Layout) Nodes() ([]File, error) {
	var files []File
	orgs := l.Orgs()
	for i, o := range orgs {
		next := orgs[(i+1)%len(orgs)]
		data, err := l.execute("core.yaml.tmpl", map[string]any{
			"Node": o.Peer(), "Bootstrap": next.Peer().Address(), "Builder": l.Builder(), "Log": l.Fabric.Log,
		})
		if err != nil {
			return nil, err
		}
		files = append(files, File{Path: o.Peer().Config + "/core.yaml", Data: data})
		for _, n := range o.Orderers() {
			if data, err = l.execute("orderer.yaml.tmpl", map[string]any{"Node": n}); err != nil {
				return nil, err
			}
			files = append(files, File{Path: n.Config + "/orderer.yaml", Data: data})
		}
	}
	return files, nil
}

func (l Layout) execute(name string, data any) ([]byte, error) {
	var b bytes.Buffer
	if err := parsed.ExecuteTemplate(&b, name, data); err != nil {
		return nil, fmt.Errorf("render %s: %w", name, err)
	}
	return b.Bytes(), nil
}

// ordererOrgs are the organisations that run an orderer.
func (l Layout) ordererOrgs() []Org {
	var out []Org
	for _, o := range l.Orgs() {
		if o.OrdererSize > 0 {
			out = append(out, o)
		}
	}
	return out
}

type consenter struct {
	ID   int
	Node Node
}

func (l Layout) configtx() ([]byte, error) {
	var consenters []consenter
	var admins, ordererAdmins, peers []string
	for _, o := range l.Orgs() {
		admins = append(admins, o.MSPID+".admin")
		peers = append(peers, o.MSPID+".peer")
		for _, n := range o.Orderers() {
			consenters = append(consenters, consenter{ID: len(consenters) + 1, Node: n})
		}
	}
	for _, o := range l.ordererOrgs() {
		ordererAdmins = append(ordererAdmins, o.OrdererMSP+".admin")
	}
	return l.execute("configtx.yaml.tmpl", map[string]any{
		"Interval": l.Block.Interval, "Messages": l.Block.Messages, "AbsoluteMaxBytes": absoluteMaxBytes,
		"PreferredMaxBytes": preferredMaxBytes, "Raft": l.Ordering == Raft,
		"Consenters": consenters, "Orgs": l.Orgs(), "OrdererOrgs": l.ordererOrgs(), "Crypto": l.CryptoDir(),
		"Admins":    outOf(l.K(), admins),
		"Lifecycle": outOf(l.K(), peers),
		// Fewer organisations may order than there are members.
		"OrdererAdmins": outOf(min(l.K(), len(ordererAdmins)), ordererAdmins),
	})
}

// Collection is the private data collection of the chaincode, with the fields of
// Fabric's own collection files: what is in it is kept by the peers of every
// organisation, and no block holds it.
type Collection struct {
	Name string
	// Policy says whose peers keep it, in Fabric's policy language.
	Policy string
	// RequiredPeerCount is how many peers besides the endorser must have it before the
	// endorser signs; MaxPeerCount how many it is offered to then. The others fetch it
	// with the block.
	RequiredPeerCount, MaxPeerCount int32
	// BlockToLive is after how many blocks peers forget it; 0: when it is purged.
	BlockToLive uint64
	// MemberOnlyRead and MemberOnlyWrite refuse clients of other organisations.
	MemberOnlyRead, MemberOnlyWrite bool
}

// ContentsCollection is the name by which the chaincode knows its collection.
const ContentsCollection = "contents"

// Contents is the collection of records' private contents. Endorsers offer them to
// nobody: f + 1 of them have each one, of which one is honest, and the others fetch it
// with the block. What is offered can come after the block, and then lies in a peer's
// transient store whatever becomes of the record; and an offer that one silent peer has
// to acknowledge would stop those who endorse.
func (l Layout) Contents() Collection {
	var members []string
	for _, o := range l.Orgs() {
		members = append(members, o.MSPID+".member")
	}
	return Collection{Name: ContentsCollection, Policy: outOf(1, members), MemberOnlyRead: true, MemberOnlyWrite: true}
}

// outOf is Fabric's policy language for "n of these principals".
func outOf(n int, principals []string) string {
	return fmt.Sprintf("OutOf(%d, '%s')", n, strings.Join(principals, "', '"))
}

// marshal renders a configuration file that one of our programs reads.
func marshal(path string, v any) (File, error) {
	var b bytes.Buffer
	b.WriteString("# Rendered from consortium.yaml; changes here are overwritten.\n")
	e := yaml.NewEncoder(&b)
	e.SetIndent(2)
	if err := e.Encode(v); err != nil {
		return File{}, fmt.Errorf("render %s: %w", path, err)
	}
	if err := e.Close(); err != nil {
		return File{}, fmt.Errorf("render %s: %w", path, err)
	}
	return File{Path: path, Data: b.Bytes()}, nil
}

// EndorsementPolicy is the chaincode's policy in Fabric's policy language: peers of
// this many organisations.
func (l Layout) EndorsementPolicy() string {
	var peers []string
	for _, o := range l.Orgs() {
		peers = append(peers, o.MSPID+".peer")
	}
	return outOf(l.Endorsements(), peers)
}
