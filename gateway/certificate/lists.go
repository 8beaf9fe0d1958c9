package certificate

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/killick-ledger/killick/chaincode/canon"
	"github.com/killick-ledger/killick/chaincode/did"
	"github.com/killick-ledger/killick/chaincode/fault"
	"github.com/killick-ledger/killick/gateway/status"
	"github.com/killick-ledger/killick/gateway/vc"
)

// ListPath begins the paths of status lists; behind it come the issuer's DID, the number
// of the list and its purpose.
const ListPath = "/v1/status-lists/"

const (
	// listValid is how long a signed list is valid, listFresh how long it is handed out
	// before it is signed anew though no block changed it, and listTTL for how long
	// verifiers may keep it without asking.
	listValid = 24 * time.Hour
	listFresh = time.Hour
	listTTL   = time.Minute
)

const (
	// listWait is how long a list waits for a peer to say what its last block is, and for
	// blocks that its bits lack, and listStep how long until it looks again.
	listWait = 3 * time.Second
	listStep = 20 * time.Millisecond
)

// maxLists bounds the signed lists that are kept. More are signed when they are asked for.
const maxLists = 1024

// SignedList is a status list as it is served.
type SignedList struct {
	Body []byte
	JWT  bool   // a vc+jwt; otherwise JSON with a proof
	Tag  string // names this very content
}

// lists keeps signed lists.
type lists struct {
	mu    sync.Mutex
	ready map[listName]*ready
}

type listName struct {
	status.List
	purpose vc.StatusPurpose
}

type ready struct {
	changed uint64 // block
	made    time.Time
	list    *SignedList
}

// ListURL returns the URL under which the gateway at base serves a list.
func ListURL(base, issuer string, number uint32, purpose vc.StatusPurpose) string {
	return base + ListPath + issuer + "/" + strconv.FormatUint(uint64(number), 10) + "/" + string(purpose)
}

// ParseListPath reads what follows ListPath in a path. Errors: fault.InvalidValue,
// fault.WrongNetwork.
func (s *Service) ParseListPath(rest string) (status.List, vc.StatusPurpose, error) {
	var l status.List
	parts := strings.Split(rest, "/")
	if len(parts) != 3 {
		return l, "", fault.New(fault.InvalidValue, "a status list is named by issuer, number and purpose")
	}
	issuer, err := did.ParseOn(s.cfg.Network, parts[0])
	if err != nil {
		return l, "", err
	}
	number, err := number32(parts[1])
	if err != nil {
		return l, "", err
	}
	purpose := vc.StatusPurpose(parts[2])
	if purpose != vc.Revocation && purpose != vc.Suspension {
		return l, "", fault.New(fault.InvalidValue, "status lists are for %s and %s, not for %.32q", vc.Revocation, vc.Suspension, parts[2])
	}
	return status.List{Issuer: issuer, Number: number}, purpose, nil
}

// List returns a status list as of the ledger's last block, signed by its issuer where this gateway has its key, and otherwise by the gateway's first
// issuer on the ledger.
// Errors: fault.NotFound for a list without an entry, fault.Unavailable while no peer
// answers or the bits are behind its blocks, fault.MethodUnsupported where there is no
// such issuer.
func (s *Service) List(ctx context.Context, l status.List, purpose vc.StatusPurpose) (*SignedList, error) {
	issuer := did.String(s.cfg.Network, l.Issuer)
	signer, err := s.listSigner(issuer)
	if err != nil {
		return nil, err
	}
	if err := s.abreast(ctx); err != nil {
		return nil, err
	}
	name, now := listName{l, purpose}, s.now()
	// The block first, and then the bits: a block that comes between makes us sign once
	// more, and never keep what is older than it says.
	changed, err := s.cfg.Statuses.Changed(l, purpose)
	if err != nil {
		return nil, err
	}
	s.lists.mu.Lock()
	kept := s.lists.ready[name]
	s.lists.mu.Unlock()
	if kept != nil && kept.changed == changed && now.Sub(kept.made) < listFresh && !now.Before(kept.made) {
		return kept.list, nil
	}
	bits, changed, err := s.cfg.Statuses.Bits(l, purpose)
	if err != nil {
		return nil, err
	}
	list, err := s.sign(signer, &vc.StatusList{
		URL: ListURL(s.cfg.URL, issuer, l.Number, purpose), Issuer: signer.DID, Purpose: purpose,
		ValidFrom: now, ValidUntil: now.Add(listValid), TTL: listTTL, Bits: bits,
	}, now)
	if err != nil {
		return nil, err
	}
	s.lists.keep(name, &ready{changed, now, list})
	return list, nil
}

// abreast waits until the bits are those of the ledger's last block: a list that was
// signed while no block comes to us would say for a day that nothing is revoked.
func (s *Service) abreast(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, listWait)
	defer cancel()
	height, err := s.cfg.Height(ctx)
	if err != nil {
		return fault.New(fault.Unavailable, "the ledger's last block is not known: %v", err)
	}
	again := time.NewTicker(listStep)
	defer again.Stop()
	for s.cfg.Statuses.Next() < height {
		select {
		case <-ctx.Done():
			return fault.New(fault.Unavailable, "status lists are at block %d of %d", s.cfg.Statuses.Next(), height)
		case <-again.C:
		}
	}
	return nil
}

func (l *lists) keep(name listName, r *ready) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.ready == nil || len(l.ready) >= maxLists {
		l.ready = map[listName]*ready{}
	}
	l.ready[name] = r
}

func (s *Service) listSigner(issuer string) (*Issuer, error) {
	if i, err := s.Issuer(issuer); err == nil && s.cfg.Statuses != nil {
		return i, nil
	}
	i, err := s.own()
	if err == nil && s.cfg.Statuses == nil {
		err = fault.New(fault.MethodUnsupported, "this gateway serves no status lists")
	}
	return i, err
}

// own returns the gateway's first issuer on the ledger. Errors:
// fault.MethodUnsupported.
func (s *Service) own() (*Issuer, error) {
	for i := range s.cfg.Issuers {
		if _, err := did.ParseOn(s.cfg.Network, s.cfg.Issuers[i].DID); err == nil {
			return &s.cfg.Issuers[i], nil
		}
	}
	return nil, fault.New(fault.MethodUnsupported, "this gateway has no issuer on the ledger")
}

func (s *Service) sign(issuer *Issuer, list *vc.StatusList, now time.Time) (*SignedList, error) {
	out := &SignedList{JWT: issuer.Algorithm == did.ES256K}
	if out.JWT {
		compact, err := s.cfg.Contexts.IssueJWT(list.JSON(), issuer.signer())
		if err != nil {
			return nil, err
		}
		out.Body = []byte(compact)
	} else {
		secured, err := s.cfg.Contexts.Issue(list.JSON(), issuer.signer(), vc.ProofOptions{Created: now})
		if err != nil {
			return nil, err
		}
		out.Body = secured
	}
	sum := sha256.Sum256(out.Body)
	out.Tag = `"` + base64.RawURLEncoding.EncodeToString(sum[:16]) + `"`
	return out, nil
}

// digest is what the ledger holds of a credential: of everything in it but its proof.
func digest(unsecured canon.Object) string {
	sum := sha256.Sum256(unsecured.Without("proof").JCS())
	return canon.Hex(sum[:])
}
