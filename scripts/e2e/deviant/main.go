// Command deviant is Killick's chaincode with two faults, for the tests of
// endorsement: it takes the signature of an operation that contains Refuse for a
// bad one, and writes a key of its own with a batch in which an operation contains
// Write. It also hands each write to the peer by itself, without write batching,
// which is slower and must make no difference otherwise. It is started in place of
// an organisation's chaincode, with the same configuration file.
package main

import (
	"bytes"
	"flag"
	"log/slog"
	"os"
	"time"

	"github.com/hyperledger/fabric-chaincode-go/v2/shim"
	"github.com/hyperledger/fabric-protos-go-apiv2/peer"
	"gopkg.in/yaml.v3"

	"github.com/killick-ledger/killick/chaincode/canon"
	"github.com/killick-ledger/killick/chaincode/contract"
	"github.com/killick-ledger/killick/chaincode/ops"
	"github.com/killick-ledger/killick/network/topology"
)

// What an operation's payload contains.
const (
	Refuse = "deviant-refuse"
	Write  = "deviant-write"
)

func main() {
	path := flag.String("config", "", "chaincode.yaml of the organisation")
	flag.Parse()
	if err := serve(*path); err != nil {
		slog.Error("deviant ends", "error", err)
		os.Exit(1)
	}
}

func serve(path string) error {
	data, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	var c topology.ChaincodeFile
	if err := yaml.Unmarshal(data, &c); err != nil {
		return err
	}
	var files [3][]byte
	for i, name := range []string{c.TLS.Cert, c.TLS.Key, c.TLS.ClientCA} {
		if files[i], err = os.ReadFile(name); err != nil {
			return err
		}
	}
	killick, err := contract.New(time.Now, slog.Default())
	if err != nil {
		return err
	}
	// It is honest about being another program.
	self, err := os.Executable()
	if err != nil {
		return err
	}
	program, err := os.ReadFile(self)
	if err != nil {
		return err
	}
	digest := canon.Sum(program)
	killick.Running(canon.Hex(digest[:]))
	server := shim.ChaincodeServer{
		CCID: c.PackageID, Address: c.Listen, CC: deviant{killick},
		TLSProps: shim.TLSProperties{Cert: files[0], Key: files[1], ClientCACerts: files[2]},
	}
	return server.Start()
}

type deviant struct{ shim.Chaincode }

func (d deviant) Invoke(stub shim.ChaincodeStubInterface) *peer.Response {
	args := stub.GetArgs()
	if len(args) != 2 {
		return d.Chaincode.Invoke(stub)
	}
	items, err := ops.DecodeFrame(args[1])
	if err != nil {
		return d.Chaincode.Invoke(stub)
	}
	writes := false
	for i := range items {
		if bytes.Contains(items[i].Payload, []byte(Refuse)) {
			items[i].Signature = make([]byte, len(items[i].Signature))
		}
		writes = writes || bytes.Contains(items[i].Payload, []byte(Write))
	}
	changed, err := ops.EncodeFrame(items)
	if err != nil {
		return shim.Error(err.Error())
	}
	if writes && string(args[0]) == "ops:Batch" {
		if err := stub.PutState("deviant", []byte("was here")); err != nil {
			return shim.Error(err.Error())
		}
	}
	return d.Chaincode.Invoke(&other{stub, [][]byte{args[0], changed}})
}

// other is a call with other arguments and without write batching.
type other struct {
	shim.ChaincodeStubInterface
	args [][]byte
}

func (o *other) GetArgs() [][]byte { return o.args }

func (o *other) StartWriteBatch() {}

func (o *other) FinishWriteBatch() error { return nil }
