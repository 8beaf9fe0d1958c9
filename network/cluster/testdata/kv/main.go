// Command kv is a chaincode for tests of the network: put, get, and one refusal. It
// reads the same configuration as any chaincode service.
package main

import (
	"flag"
	"log"
	"os"

	"github.com/hyperledger/fabric-chaincode-go/v2/shim"
	"github.com/hyperledger/fabric-protos-go-apiv2/peer"
	"gopkg.in/yaml.v3"
)

type config struct {
	Listen    string `yaml:"listen"`
	PackageID string `yaml:"package_id"`
	TLS       struct {
		Cert     string `yaml:"cert"`
		Key      string `yaml:"key"`
		ClientCA string `yaml:"client_ca"`
	} `yaml:"tls"`
	Organisation string `yaml:"organisation"`
}

func main() {
	path := flag.String("config", "", "chaincode.yaml")
	flag.Parse()
	var c config
	must(yaml.Unmarshal(read(*path), &c))
	server := &shim.ChaincodeServer{
		CCID: c.PackageID, Address: c.Listen, CC: kv{c.Organisation},
		TLSProps: shim.TLSProperties{Cert: read(c.TLS.Cert), Key: read(c.TLS.Key), ClientCACerts: read(c.TLS.ClientCA)},
	}
	must(server.Start())
}

func read(path string) []byte {
	data, err := os.ReadFile(path)
	must(err)
	return data
}

func must(err error) {
	if err != nil {
		log.Fatal(err)
	}
}

type kv struct{ organisation string }

func (kv) Init(shim.ChaincodeStubInterface) *peer.Response { return shim.Success(nil) }

func (k kv) Invoke(stub shim.ChaincodeStubInterface) *peer.Response {
	args := stub.GetArgs()
	switch function := string(args[0]); {
	case function == "put" && len(args) == 3:
		if err := stub.PutState(string(args[1]), args[2]); err != nil {
			return shim.Error(err.Error())
		}
		return shim.Success(args[2])
	case function == "get" && len(args) == 2:
		value, err := stub.GetState(string(args[1]))
		if err != nil {
			return shim.Error(err.Error())
		}
		if value == nil {
			return shim.Error("not_found: no such key")
		}
		return shim.Success(value)
	case function == "bump" && len(args) == 2: // read-modify-write, for conflicts
		value, err := stub.GetState(string(args[1]))
		if err == nil {
			err = stub.PutState(string(args[1]), append(value, '.'))
		}
		if err != nil {
			return shim.Error(err.Error())
		}
		return shim.Success(nil)
	case function == "name": // differs on every organisation
		if err := stub.PutState("name", []byte(k.organisation)); err != nil {
			return shim.Error(err.Error())
		}
		return shim.Success([]byte(k.organisation))
	}
	return shim.Error("unknown_function: " + string(args[0]))
}
