package node

import (
	"encoding/binary"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/state"
)

// Bandwidth use is part of the state, so that it follows a block and a replay.
// It lives in the storage of an address that nobody can have the key of: at the
// slot of an account, its bytes used and the slot in which that was reckoned.
var bandwidthBook = common.BytesToAddress([]byte("killick bandwidth"))

// A day is java-tron's recovery window, in slots of three seconds whatever this
// node's period is.
const (
	slotLength = 3000 // ms
	daySlots   = 24 * 60 * 60 * 1000 / slotLength
)

func slotOf(time int64) uint64 { return uint64(time) / slotLength }

// freeUsed returns the free bytes that addr has used and not yet recovered.
func freeUsed(db *state.StateDB, addr common.Address, time int64) uint64 {
	word := db.GetState(bandwidthBook, common.BytesToHash(addr[:]))
	used, at := binary.BigEndian.Uint64(word[:8]), binary.BigEndian.Uint64(word[24:])
	gone := slotOf(time) - min(at, slotOf(time))
	if gone >= daySlots {
		return 0
	}
	return (used*(daySlots-gone) + daySlots - 1) / daySlots // rounded up
}

// useFree takes bytes off addr's free bandwidth, or nothing at all.
func useFree(db *state.StateDB, addr common.Address, bytes uint64, time int64) bool {
	used := freeUsed(db, addr, time)
	if used+bytes > freeBandwidth {
		return false
	}
	var word common.Hash
	binary.BigEndian.PutUint64(word[:8], used+bytes)
	binary.BigEndian.PutUint64(word[24:], slotOf(time))
	db.SetState(bandwidthBook, common.BytesToHash(addr[:]), word)
	return true
}
