package main

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/killick-ledger/killick/chaincode/canon"
	"github.com/killick-ledger/killick/chaincode/fault"
)

// serve serves HTTP until ctx ends.
func (a *anchor) serve(ctx context.Context) error {
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", a.cfg.Listen)
	if err != nil {
		return fmt.Errorf("listen (setting listen): %w", err)
	}
	s := &http.Server{Handler: a.handler(), ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 10 * time.Second,
		WriteTimeout: time.Minute, MaxHeaderBytes: 16 << 10}
	stopped := make(chan error, 1)
	go func() {
		<-ctx.Done()
		// Not ctx, which is over: requests that are under way get a moment.
		last, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Second)
		defer cancel()
		stopped <- s.Shutdown(last)
	}()
	if err := s.Serve(l); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return <-stopped
}

// handler routes requests. All are reads.
func (a *anchor) handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "ok") })
	mux.HandleFunc("GET /status", a.serveStatus)
	mux.HandleFunc("GET /metrics", a.serveMetrics)
	mux.HandleFunc("GET /rotations", a.serveRotations)
	mux.HandleFunc("GET /checkpoint", a.serveCheckpoint)
	mux.HandleFunc("GET /tile/", a.serveTile)
	mux.HandleFunc("GET /bundle", a.serveBundle)
	mux.HandleFunc("GET /payout", a.servePayout)
	mux.HandleFunc("GET /trail", a.serveTrail)
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		problem(w, fault.NotFound, "there is no "+r.Method+" "+r.URL.Path+" here")
	})
	return mux
}

// problem answers with an error in the form that the gateway uses (RFC 9457).
func problem(w http.ResponseWriter, code fault.Code, detail string) {
	w.Header().Set("Content-Type", "application/problem+json")
	w.WriteHeader(code.HTTP())
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	_ = e.Encode(struct {
		Type   string `json:"type"`
		Title  string `json:"title"`
		Status int    `json:"status"`
		Code   string `json:"code"`
		Detail string `json:"detail"`
		Advice string `json:"advice"`
	}{
		"urn:killick:problem:" + code.String(), strings.ReplaceAll(code.String(), "_", " "), code.HTTP(), code.String(),
		detail, code.Advice(),
	})
}

// fail answers with the problem that an error stands for.
func (a *anchor) fail(w http.ResponseWriter, r *http.Request, what string, err error) {
	switch {
	case errors.Is(err, errNone):
		problem(w, fault.NotFound, what+" is not on the ledger, or this anchor has not seen it yet")
	case errors.Is(err, errNoClaim):
		problem(w, fault.InvalidValue, what+": "+err.Error())
	case errors.Is(err, errNotYet):
		problem(w, fault.NotAnchored, what+" is on the ledger and not yet anchored, next at "+a.nextPost(r.Context()))
	default:
		slog.Error("request failed", "path", r.URL.Path, "error", err)
		problem(w, fault.Internal, "this anchor cannot answer now; its log says why")
	}
}

// nextPost says when the next checkpoint goes to the public chains at the latest.
func (a *anchor) nextPost(ctx context.Context) string {
	last, ok, err := a.index.toPost(ctx)
	if err != nil || !ok {
		return "the first checkpoint"
	}
	at := time.Unix(int64(last.Time), 0).Add(a.cfg.Cadence.Post)
	if now := a.now(); at.Before(now) {
		at = now.Add(a.cfg.Cadence.Busy)
	}
	return at.UTC().Format(time.RFC3339)
}

func reply(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	_ = e.Encode(v)
}

// statusView is the answer of /status.
type statusView struct {
	Organisation string       `json:"organisation"`
	Network      string       `json:"network"`
	Height       uint64       `json:"height"` // blocks in the log
	Head         pointView    `json:"head"`   // newest accepted checkpoint
	Set          uint64       `json:"set"`    // version of the member set in force; 0 before the ledger is founded
	Next         uint64       `json:"next"`   // version of the one that waits; 0 when none does
	Chains       []chainView  `json:"chains"`
	Intents      []intentView `json:"intents"` // newest first
	Alarms       []string     `json:"alarms"`
}

type pointView struct {
	Number uint64 `json:"number"`
	Size   uint64 `json:"size"`
	Root   string `json:"root"`
	Time   uint64 `json:"time"`
}

type chainView struct {
	ID       string            `json:"id"`
	Final    uint64            `json:"final"`            // number of the final head
	Anchored uint64            `json:"anchored"`         // size of the newest checkpoint in AnchorLog there
	Time     uint64            `json:"time"`             // its time
	Set      uint64            `json:"set"`              // version of the newest member set in AnchorLog there
	Epochs   map[string]uint64 `json:"epochs"`           // active epoch of each vault
	Funds    string            `json:"funds,omitempty"`  // of the own account, in wei or sun
	Spent    string            `json:"spent"`            // today, of transactions in final blocks
	Budget   string            `json:"budget,omitempty"` // for a day; none without one
}

type intentView struct {
	ID        string `json:"id"`
	Phase     string `json:"phase"`
	Tx        string `json:"tx,omitempty"` // when it was this member's
	Block     uint64 `json:"block,omitempty"`
	Cost      uint64 `json:"cost,omitempty"` // gas, or energy on Tron
	Bandwidth uint64 `json:"bandwidth,omitempty"`
	Fee       string `json:"fee,omitempty"` // wei, or sun on Tron
}

func (a *anchor) serveStatus(w http.ResponseWriter, r *http.Request) {
	v, err := a.status(r.Context())
	if err != nil {
		a.fail(w, r, "status", err)
		return
	}
	reply(w, v)
}

func (a *anchor) status(ctx context.Context) (*statusView, error) {
	head, err := a.index.head(ctx)
	if err != nil {
		return nil, err
	}
	size, err := a.size(ctx)
	if err != nil {
		return nil, err
	}
	v := &statusView{
		Organisation: a.cfg.Organisation, Network: a.cfg.Network, Height: size, Alarms: a.alarms.list(),
		Head:   pointView{head.Number, head.Size, canon.Hex(head.Root[:]), head.Time},
		Chains: []chainView{}, Intents: []intentView{},
	}
	if m := a.members(); m != nil {
		v.Set = m.set().Version
		if m.next != nil {
			v.Next = m.next.Version
		}
	}
	for _, id := range slices.Sorted(maps.Keys(a.chains)) {
		c := a.chains[id]
		final, anchored := c.seen()
		cv := chainView{ID: id, Final: final, Anchored: anchored.Size, Time: anchored.Time, Set: c.set().Version, Epochs: map[string]uint64{}}
		for _, vault := range c.cfg.Vaults {
			e, _, err := a.index.newestEvent(ctx, vault)
			if err != nil {
				return nil, err
			}
			cv.Epochs[vault] = e.Number
		}
		if err := a.spending(ctx, c, &cv); err != nil {
			return nil, err
		}
		v.Chains = append(v.Chains, cv)
	}
	recent, err := a.sender.Recent(ctx, 20)
	if err != nil {
		return nil, err
	}
	for _, st := range recent {
		iv := intentView{ID: st.ID, Phase: st.Phase.String()}
		if t, ours := st.Landed(); ours {
			iv.Tx, iv.Block, iv.Cost = hex.EncodeToString(t.ID), t.Outcome.Block, t.Outcome.Cost
			iv.Bandwidth, iv.Fee = t.Outcome.Bandwidth, t.Outcome.Fee
		}
		v.Intents = append(v.Intents, iv)
	}
	return v, nil
}

// serveCheckpoint answers with the newest accepted checkpoint as a signed note.
func (a *anchor) serveCheckpoint(w http.ResponseWriter, r *http.Request) {
	head, err := a.index.head(r.Context())
	if err == nil && head.Size == 0 {
		err = errNone
	}
	var note []byte
	if err == nil {
		note, err = a.note(r.Context(), head)
	}
	if err != nil {
		a.fail(w, r, "a checkpoint", err)
		return
	}
	text(w, note)
}

func text(w http.ResponseWriter, data []byte) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	_, _ = w.Write(data)
}

// serveTile answers with a tile (C2SP tlog-tiles). Full tiles never change.
func (a *anchor) serveTile(w http.ResponseWriter, r *http.Request) {
	path := strings.TrimPrefix(r.URL.Path, "/")
	data, err := a.log.Tile(path)
	if errors.Is(err, fs.ErrNotExist) {
		problem(w, fault.NotFound, "the log has no such tile")
		return
	}
	if err != nil {
		a.fail(w, r, "the tile", err)
		return
	}
	if !strings.Contains(path, ".p/") {
		w.Header().Set("Cache-Control", "public, max-age=31536000, immutable")
	}
	w.Header().Set("Content-Type", "application/octet-stream")
	_, _ = w.Write(data)
}

// serveBundle answers with the proof of the newest write of a key, of a
// transaction, or with both of that transaction's write of the key. partial=1
// takes a checkpoint that is not yet on all chains.
func (a *anchor) serveBundle(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	key, tx := q.Get("key"), q.Get("tx")
	if key == "" && tx == "" {
		problem(w, fault.MissingField, "give key, a key of the ledger's state, or tx, a transaction id, or both")
		return
	}
	what := strings.TrimPrefix(strings.Join([]string{key, tx}, " of transaction "), " of ")
	what = strings.TrimSuffix(what, " of transaction ")
	var id []byte
	if tx != "" {
		h, err := canon.UnHex32(tx)
		if err != nil {
			problem(w, fault.InvalidValue, "tx must be 64 lower-case hexadecimal digits")
			return
		}
		id = h[:]
	}
	at, err := a.find(r.Context(), key, id)
	var data []byte
	if err == nil {
		data, err = a.bundle(r.Context(), at, q.Get("partial") == "1", nil)
	}
	if err != nil {
		a.fail(w, r, what, err)
		return
	}
	text(w, data)
}

// payoutView is one claim in the answer of /payout.
type payoutView struct {
	Vault      string `json:"vault"`
	Address    string `json:"address"`
	Epoch      uint64 `json:"epoch"`
	Cumulative string `json:"cumulative"` // micro-units
	Sides      string `json:"sides"`      // decimal
	Levels     string `json:"levels"`     // hex
	Calldata   string `json:"calldata"`   // hex; claim(...) for the vault
	Bundle     string `json:"bundle,omitempty"`
}

// servePayout answers with what an account can claim from the vaults of its
// chain.
func (a *anchor) servePayout(w http.ResponseWriter, r *http.Request) {
	account := r.URL.Query().Get("account")
	payee, err := canon.ParseAccount(account)
	if err != nil {
		problem(w, fault.InvalidValue, "account: "+fault.Text(err))
		return
	}
	claims, err := a.claim(r.Context(), payee)
	if err != nil {
		a.fail(w, r, "a payout for "+account, err)
		return
	}
	views := []payoutView{}
	for _, c := range claims {
		bundle, err := a.payoutBundle(r.Context(), payee, c, r.URL.Query().Get("partial") == "1")
		if err != nil && !errors.Is(err, errNotYet) {
			a.fail(w, r, "a payout for "+account, err)
			return
		}
		views = append(views, payoutView{
			Vault: c.Vault.ID, Address: account, Epoch: c.Root.Epoch, Cumulative: fmt.Sprint(int64(c.Claim.Cumulative)),
			Sides: c.Claim.Sides.String(), Levels: hex.EncodeToString(c.Claim.Levels),
			Calldata: hex.EncodeToString(c.calldata()), Bundle: string(bundle),
		})
	}
	reply(w, map[string]any{"payouts": views})
}
