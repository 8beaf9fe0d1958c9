// Command plain is the baseline that batches are measured against: the creation
// of an asset and a token transfer as contract-api samples write them, one
// operation for each transaction, authorised by the submitting client's
// certificate.
package main

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"strconv"

	"github.com/hyperledger/fabric-chaincode-go/v2/shim"
	"github.com/hyperledger/fabric-contract-api-go/v2/contractapi"
	"gopkg.in/yaml.v3"
)

// token is a plain contract of accounts and assets.
type token struct{ contractapi.Contract }

// asset is what an account owns.
type asset struct {
	ID         string `json:"id"`
	Owner      int    `json:"owner"`
	Schema     string `json:"schema"`
	Commitment string `json:"commitment"`
	Size       int    `json:"size"`
}

// Create stores an asset of an account. It says of the asset what a record says
// of data, so that the two compare.
func (token) Create(ctx contractapi.TransactionContextInterface, id string, owner int, schema, commitment string, size int) error {
	if _, err := balance(ctx, owner); err != nil {
		return err
	}
	key := "asset" + id
	old, err := ctx.GetStub().GetState(key)
	if err != nil {
		return err
	}
	if old != nil {
		return fmt.Errorf("asset %s exists already", id)
	}
	value, err := json.Marshal(asset{id, owner, schema, commitment, size})
	if err != nil {
		return err
	}
	return ctx.GetStub().PutState(key, value)
}

// Mint gives every account from first up to, but not including, last the
// amount.
func (token) Mint(ctx contractapi.TransactionContextInterface, first, last, amount int) error {
	for i := first; i < last; i++ {
		if err := ctx.GetStub().PutState(account(i), []byte(strconv.Itoa(amount))); err != nil {
			return err
		}
	}
	return nil
}

// Transfer moves amount between two accounts.
func (token) Transfer(ctx contractapi.TransactionContextInterface, from, to, amount int) error {
	if amount <= 0 || from == to {
		return fmt.Errorf("transfer %d from %d to %d", amount, from, to)
	}
	a, err := balance(ctx, from)
	if err != nil {
		return err
	}
	b, err := balance(ctx, to)
	if err != nil {
		return err
	}
	if a < amount {
		return fmt.Errorf("account %d has %d, needs %d", from, a, amount)
	}
	if err := ctx.GetStub().PutState(account(from), []byte(strconv.Itoa(a-amount))); err != nil {
		return err
	}
	return ctx.GetStub().PutState(account(to), []byte(strconv.Itoa(b+amount)))
}

func account(i int) string { return fmt.Sprintf("account%08d", i) }

func balance(ctx contractapi.TransactionContextInterface, i int) (int, error) {
	v, err := ctx.GetStub().GetState(account(i))
	if err != nil {
		return 0, err
	}
	if v == nil {
		return 0, fmt.Errorf("account %d does not exist", i)
	}
	return strconv.Atoi(string(v))
}

// config is the part of chaincode.yaml that a chaincode service needs.
type config struct {
	Listen       string `yaml:"listen"`
	PackageID    string `yaml:"package_id"`
	Organisation string `yaml:"organisation"`
	TLS          struct {
		Cert     string `yaml:"cert"`
		Key      string `yaml:"key"`
		ClientCA string `yaml:"client_ca"`
	} `yaml:"tls"`
}

func run(path string) error {
	raw, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	var c config
	if err := yaml.Unmarshal(raw, &c); err != nil {
		return fmt.Errorf("read %s: %w", path, err)
	}
	files := map[string][]byte{c.TLS.Cert: nil, c.TLS.Key: nil, c.TLS.ClientCA: nil}
	for f := range files {
		if f == "" {
			continue
		}
		if files[f], err = os.ReadFile(f); err != nil {
			return err
		}
	}
	cc, err := contractapi.NewChaincode(&token{})
	if err != nil {
		return err
	}
	server := &shim.ChaincodeServer{CCID: c.PackageID, Address: c.Listen, CC: cc, TLSProps: shim.TLSProperties{
		Key: files[c.TLS.Key], Cert: files[c.TLS.Cert], ClientCACerts: files[c.TLS.ClientCA]}}
	return server.Start()
}

func main() {
	if len(os.Args) != 3 || os.Args[1] != "--config" {
		fmt.Fprintln(os.Stderr, "usage: plain --config chaincode.yaml")
		os.Exit(2)
	}
	if err := run(os.Args[2]); err != nil {
		slog.Error("plain chaincode stopped", "error", err)
		os.Exit(1)
	}
}
