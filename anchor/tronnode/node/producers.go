package node

import (
	"crypto/ecdsa"
	"crypto/sha256"
	"errors"
	"fmt"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"
)

// Producers is the number of block producers, Tron's super representatives.
const Producers = 27

// defaultSolid is how many of them make a block solidified.
const defaultSolid = 19

// witness is a producer with the key that signs its blocks. The keys are no
// secrets: the node has nothing to protect.
type witness struct {
	key     *ecdsa.PrivateKey
	address common.Address
}

var witnesses = makeWitnesses()

func makeWitnesses() (w [Producers]witness) {
	for i := range w {
		seed := sha256.Sum256(fmt.Appendf(nil, "killick tron test network witness %d", i))
		key, err := crypto.ToECDSA(seed[:])
		if err != nil {
			panic(err) // the seeds are constants
		}
		w[i] = witness{key, crypto.PubkeyToAddress(key.PublicKey)}
	}
	return w
}

// turn returns the producer whose turn it is at a time in ms. Time is cut into
// slots of one period, which the producers take in turns.
func (c *Chain) turn(time int64) int {
	period := max(1, c.cfg.Period.Milliseconds())
	return int(time / period % Producers)
}

// nextTime is the time of the next block: now, or a period after the head; a slot
// whose producer is silent passes without a block.
func (c *Chain) nextTime() (int64, error) {
	period := max(1, c.cfg.Period.Milliseconds())
	time := max(c.cfg.Now().UnixMilli(), c.head()+period)
	for range Producers {
		if !c.silent[c.turn(time)] {
			return time, nil
		}
		time += period
	}
	return 0, errors.New("all producers are silent")
}

// Silence has the named producers, from 0 to 26, and no others make no blocks.
// It is forgotten by a restart.
func (c *Chain) Silence(producers ...int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.silent = map[int]bool{}
	for _, p := range producers {
		c.silent[p] = true
	}
}

// solidify moves the solidified block on, as java-tron does: of the numbers of
// each producer's latest block, in falling order, it takes the one at which
// enough producers are counted. It never goes back.
func (c *Chain) solidify() {
	seen := map[int]bool{}
	for n := c.height(); n > c.solid; n-- {
		if seen[c.turn(c.blocks[n].time)] = true; len(seen) == c.cfg.SolidifyAfter {
			c.solid = n
			return
		}
	}
}
