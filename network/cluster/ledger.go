package cluster

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"reflect"
	"strings"
	"time"

	"github.com/killick-ledger/killick/network/fabric"
	"github.com/killick-ledger/killick/network/topology"
)

// initWithin is how long the ledger's initialisation may take: each peer learns of
// the chaincode's definition with its own copy of the block.
const initWithin = 2 * time.Minute

// initLedger runs ops:Init unless the ledger says that it has a network. Whoever
// comes first founds it, so a network that is there must be the one of the
// configuration: a member could have founded one of its own.
func (c *Cluster) initLedger(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, initWithin)
	defer cancel()
	client, err := fabric.Connect(c.Orgs()[0].Connection(topology.Admin))
	if err != nil {
		return err
	}
	defer client.Close()
	founding, err := c.founding()
	if err != nil {
		return err
	}
	var founded []byte
	err = again(ctx, func() error {
		if founded, err = client.Evaluate(ctx, "ops:Network"); err == nil {
			return nil
		}
		if _, err := client.Execute(ctx, "ops:Init", founding); err != nil {
			return err
		}
		founded, err = client.Evaluate(ctx, "ops:Network")
		return err
	})
	if err != nil {
		return err
	}
	treasuries, err := client.Evaluate(ctx, "govern:History", []byte(`{"subject":"treasuries"}`))
	if err != nil {
		return err
	}
	members, err := client.Evaluate(ctx, "govern:History", []byte(`{"subject":"members"}`))
	if err != nil {
		return err
	}
	return sameFounding(founding, founded, treasuries, members)
}

// sameFounding compares who decides on a ledger and who may make money there with
// what the configuration says. Of treasuries and members it takes what the ledger was
// founded with: by their histories, the members may have decided otherwise since.
func sameFounding(wanted, founded, treasuryHistory, memberHistory []byte) error {
	type founding struct {
		Network, Log string
		Members      []member
		K            int
		Treasuries   []string
	}
	var want, is founding
	var treasuries struct {
		Changes []struct{ Value []string }
	}
	var members struct {
		Changes []struct {
			Value struct {
				K       int
				Members []member
			}
		}
	}
	err := errors.Join(json.Unmarshal(wanted, &want), json.Unmarshal(founded, &is),
		json.Unmarshal(treasuryHistory, &treasuries), json.Unmarshal(memberHistory, &members))
	if err != nil {
		return fmt.Errorf("ledger's network: %w", err)
	}
	if len(treasuries.Changes) == 0 || len(members.Changes) == 0 {
		return errors.New("ledger's network: treasuries or members have no history")
	}
	is.Treasuries = treasuries.Changes[0].Value
	is.K, is.Members = members.Changes[0].Value.K, members.Changes[0].Value.Members
	if !reflect.DeepEqual(want, is) {
		return fmt.Errorf("the ledger was founded with another network, log, members, quorum or treasuries than the configuration has: %+v, want %+v", is, want)
	}
	return nil
}

type member struct {
	MSP     string `json:"msp"`
	Cosign  string `json:"cosign"`
	Address string `json:"address"`
}

type vault struct {
	ID    string `json:"id"`
	Token string `json:"token"`
	Asset string `json:"asset"`
}

// asset is what the test tokens stand for on the reward ledger.
const asset = "usd"

// rules is the number of the rules that a new ledger starts with.
const rules = 1

// chaincodeDigest is the SHA-256 of the chaincode program that the organisations
// run.
func (c *Cluster) chaincodeDigest() (string, error) {
	path, err := c.program("killick-chaincode")
	if err != nil {
		return "", err
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return "", err
	}
	digest := sha256.Sum256(data)
	return hex.EncodeToString(digest[:]), nil
}

// founding is the argument of ops:Init: what the ledger knows of its members and
// contracts from the start.
func (c *Cluster) founding() ([]byte, error) {
	var members []member
	for _, m := range c.facts.Members {
		members = append(members, member{MSP: m.MSPID, Cosign: m.CosignKey, Address: m.Address})
	}
	d, err := c.deployed()
	if err != nil {
		return nil, fmt.Errorf("founding: %w", err)
	}
	var vaults []vault
	for _, ch := range d.Chains {
		for _, v := range ch.Vaults {
			vaults = append(vaults, vault{ID: v, Token: ch.Token, Asset: asset})
		}
	}
	// A treasury is trusted: what it funds shares the vaults with what others fund.
	// So it is one, and not any of the members.
	treasuries := []string{members[0].MSP}
	var issuers []string
	for _, id := range c.Issuers {
		issuers = append(issuers, "did:killick:"+c.Network+":"+id)
	}
	program, err := c.chaincodeDigest()
	if err != nil {
		return nil, fmt.Errorf("founding: %w", err)
	}
	return json.Marshal(struct {
		Network          string   `json:"network"`
		Log              string   `json:"log"`
		Rules            int      `json:"rules"`
		Members          []member `json:"members"`
		K                int      `json:"k"`
		Vaults           []vault  `json:"vaults"`
		Issuers          []string `json:"issuers,omitempty"`
		Program          string   `json:"program"`
		Treasuries       []string `json:"treasuries"`
		Assets           []string `json:"assets"`
		EpochSeconds     int64    `json:"epochSeconds"`
		HeartbeatSeconds int64    `json:"heartbeatSeconds"`
		Test             bool     `json:"test,omitempty"`
	}{c.Network, c.facts.LogID, rules, members, c.K(), vaults, issuers, program, treasuries, []string{asset},
		int64(c.Epoch / time.Second), int64(max(c.Cadence.Quiet, time.Second) / time.Second),
		// That of the channel named so is a test ledger: it takes simulated enclaves.
		strings.HasPrefix(c.Network, "test-")})
}
