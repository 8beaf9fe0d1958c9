package main

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/killick-ledger/killick/anchor/contracts"
	"github.com/killick-ledger/killick/anchor/log"
	"github.com/killick-ledger/killick/chaincode/canon"
	"github.com/killick-ledger/killick/chaincode/govern"
)

// roster is the ledger's member sets as the own peer's blocks have them, and what this
// organisation is in the set in force. It does not change; the next one replaces it.
type roster struct {
	sets      log.Sets       // all that are or were in force, from version 1 on
	rotations []log.Rotation // to the sets from version 2 on
	next      *log.Set       // waits for the members' signatures; nil when none does
	index     int            // place of this organisation in the set in force, -1 outside
	keys      *keys          // with those that the set in force names for it; nil when they are not here
	mute      error          // why this organisation signs nothing; nil when it does
	coming    error          // why it could sign nothing under next; nil when it could
}

// rosters holds the newest roster and what it was made of.
type rosters struct {
	now  atomic.Pointer[roster]
	open func() (*keys, error) // reads the key files anew; nil where they cannot change

	mu   sync.Mutex // guards what follows
	from map[string][]byte
	keys *keys
}

// members returns the newest roster, nil before the ledger is founded.
func (a *anchor) members() *roster { return a.roster.now.Load() }

// set is the member set in force.
func (m *roster) set() *log.Set { return m.sets[len(m.sets)-1] }

// n is the number of members in force, k how many of them decide.
func (m *roster) n() uint64 { return uint64(len(m.set().Members)) }
func (m *roster) k() int    { return int(m.set().K) }

// member reports whether this organisation is one of the set in force. Another one
// follows the ledger and does nothing on it.
func (m *roster) member() bool { return m != nil && m.index >= 0 }

// rank returns how many members come before this one for turn t: member t mod n
// is the first.
func (m *roster) rank(t uint64) time.Duration {
	return time.Duration((uint64(max(m.index, 0)) + m.n() - t%m.n()) % m.n())
}

// place returns the place of an organisation in the set in force, 0 for others.
func (m *roster) place(msp string) uint64 { return uint64(max(placeIn(m.set(), msp), 0)) }

func placeIn(s *log.Set, msp string) int {
	return slices.IndexFunc(s.Members, func(m log.Member) bool { return m.MSP == msp })
}

// reload makes the roster anew when the blocks say something else than before, and
// reads the key files again when the set in force names others than those in memory:
// an operator puts them there while the anchor runs.
func (a *anchor) reload(ctx context.Context) error {
	r := &a.roster
	r.mu.Lock()
	defer r.mu.Unlock()
	from, err := a.index.memberKeys(ctx)
	if err != nil || from["network"] == nil {
		return err
	}
	now := r.now.Load()
	same := now != nil && maps.EqualFunc(from, r.from, bytes.Equal)
	if same && now.mute == nil && now.coming == nil {
		return nil
	}
	if !same {
		if now, err = a.readRoster(ctx, from); err != nil {
			return fmt.Errorf("member sets on the ledger: %w", err)
		}
	} else {
		again := *now
		now = &again
	}
	now.take(a.cfg.Organisation, r.keys)
	if (now.mute != nil || now.coming != nil) && r.open != nil {
		k, err := r.open()
		if err == nil {
			r.keys = k
			now.take(a.cfg.Organisation, k)
		} else {
			if now.coming != nil {
				now.coming = errors.Join(now.coming, err)
			}
			if now.mute != nil && now.index >= 0 { // who has left may have destroyed its keys
				now.mute = errors.Join(now.mute, err)
			}
		}
	}
	if was := r.now.Load(); was == nil || was.set().Version != now.set().Version {
		slog.Info("member set in force", "version", now.set().Version, "from", now.set().From, "signs", now.mute == nil)
	}
	r.from = from
	r.now.Store(now)
	return nil
}

// readRoster reads the sets and how they handed over to each other.
func (a *anchor) readRoster(ctx context.Context, from map[string][]byte) (*roster, error) {
	var n struct {
		Network    string          `json:"network"`
		Log        string          `json:"log"`
		SetVersion uint64          `json:"setVersion"`
		K          int             `json:"k"`
		Members    []govern.Member `json:"members"`
	}
	if err := json.Unmarshal(from["network"], &n); err != nil {
		return nil, err
	}
	logID, err := canon.UnHex32(n.Log)
	if err != nil {
		return nil, err
	}
	newSet := func(s govern.Set) (*log.Set, error) {
		var members []log.Member
		for _, m := range s.Members {
			members = append(members, log.Member{MSP: m.MSP, Cosign: m.Cosign, Address: m.Address})
		}
		return log.NewSet(n.Network, logID, s.Version, s.From, uint64(max(s.K, 0)), members)
	}
	m := &roster{}
	var signers [][]string
	for _, key := range slices.Sorted(maps.Keys(from)) {
		var r govern.Rotation
		if key == "network" {
			continue
		}
		if err := json.Unmarshal(from[key], &r); err != nil {
			return nil, fmt.Errorf("%s: %w", key, err)
		}
		set, err := newSet(r.Set)
		switch {
		case err != nil:
			return nil, fmt.Errorf("%s: %w", key, err)
		case key == "rotation/next":
			m.next = set
		default:
			m.sets, signers = append(m.sets, set), append(signers, r.Signers)
		}
	}
	if len(m.sets) == 0 { // until the first rotation the founding set stands there alone
		set, err := newSet(govern.Set{Version: n.SetVersion, From: 1, K: n.K, Members: n.Members})
		if err != nil {
			return nil, err
		}
		m.sets = log.Sets{set}
	}
	for i, set := range m.sets {
		if set.Version != uint64(i)+1 {
			return nil, fmt.Errorf("set %d is at place %d", set.Version, i+1)
		}
	}
	if m.set().Version != n.SetVersion {
		return nil, fmt.Errorf("set %d is in force, the newest is %d", n.SetVersion, m.set().Version)
	}
	for i := 1; i < len(m.sets); i++ {
		signed, err := a.rotationSignatures(ctx, m.sets[i].Version)
		if err != nil {
			return nil, err
		}
		maps.DeleteFunc(signed, func(msp string, _ [65]byte) bool { return !slices.Contains(signers[i], msp) })
		r, err := m.sets[i-1].HandOver(m.sets[i], signed)
		if err != nil {
			return nil, err
		}
		m.rotations = append(m.rotations, r)
	}
	return m, nil
}

// rotationSignatures returns the signatures on the ledger that hand over to the set
// with the version, by organisation.
func (a *anchor) rotationSignatures(ctx context.Context, version uint64) (map[string][65]byte, error) {
	stored, err := a.index.states(ctx, fmt.Sprintf("rotationsig/%016x/", version))
	if err != nil {
		return nil, err
	}
	by := map[string][65]byte{}
	for msp, text := range stored {
		raw, err := base64.StdEncoding.DecodeString(string(text))
		if err != nil || len(raw) != 65 {
			return nil, fmt.Errorf("signature of %s for set %d on the ledger: not base64 of 65 bytes", msp, version)
		}
		by[msp] = [65]byte(raw)
	}
	return by, nil
}

// take looks up the organisation and its keys in the set in force, and in the next one.
func (m *roster) take(msp string, k *keys) {
	m.keys, m.mute, m.coming = nil, nil, nil
	m.index = placeIn(m.set(), msp)
	if m.index < 0 {
		m.mute = fmt.Errorf("%s is not in member set %d, which is in force: this anchor follows the ledger and signs nothing", msp, m.set().Version)
	} else {
		m.keys, m.mute = k.in(m.set())
	}
	if m.next != nil && placeIn(m.next, msp) >= 0 {
		_, m.coming = k.in(m.next)
	}
}

// pinned returns an error unless the ledger is the configured one and its members are,
// were or will be the configured ones.
func (m *roster) pinned(c *config) error {
	sets := m.sets
	if m.next != nil {
		sets = append(slices.Clone(sets), m.next)
	}
	want := membersPolicy(c.Network, c.LogID, c.K, c.Members)
	for _, s := range sets {
		if s.Network == c.Network && canon.Hex(s.LogID[:]) == c.LogID && s.K == want.K && slices.Equal(s.Members, want.Members) {
			return nil
		}
	}
	return errors.New("network, log id, members or k on the ledger are not those of the configuration")
}

// onContracts returns a set as contracts know it, and its organisations in that order.
func onContracts(s *log.Set) (contracts.Set, []string) {
	members := slices.SortedFunc(slices.Values(s.Members), func(a, b log.Member) int { return strings.Compare(a.Address, b.Address) })
	set := contracts.Set{Version: s.Version, K: uint(s.K)}
	var msps []string
	for _, m := range members {
		b, _ := canon.UnHex(strings.TrimPrefix(m.Address, "0x"), 20) // checked with the set
		set.Members, msps = append(set.Members, [20]byte(b)), append(msps, m.MSP)
	}
	return set, msps
}
