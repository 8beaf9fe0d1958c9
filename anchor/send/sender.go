package send

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"math/big"
	"slices"
	"sync"
	"time"
)

// Config says how a Sender works. Zero values stand for the defaults.
type Config struct {
	Policy   Policy
	Budgets  map[string]*big.Int // by chain: what may be spent on a day, in wei or sun; without one there is no limit
	Interval time.Duration       // pause between two rounds of Run; 2 s
	Timeout  time.Duration       // limit of one call to a chain; 20 s
	Now      func() time.Time    // time.Now
	Log      *slog.Logger        // slog.Default()
}

// Sender brings the intents of one journal to their chains. Its methods are safe
// for concurrent use.
type Sender struct {
	cfg    Config
	chains map[string]Chain
	db     *journal

	stepping map[string]*turn // by chain

	mu     sync.Mutex
	armAt  map[string]backoff // intents whose Arm was refused
	errors map[string]error   // last error of each chain, nil after a clean round
	heard  map[string]claim   // by intent or attempt: what nodes said last that frees an intent
	stays  map[string]stay    // by intent: its phase, as the rounds of this process saw it
}

// turn has one round at a time on a chain, and counts them.
type turn struct {
	sync.Mutex
	rounds int
}

// stay is since when an intent has been in a phase.
type stay struct {
	phase Phase
	since time.Time
}

// backoff: what a contract or a node refused is not asked for again at once.
type backoff struct {
	next time.Time
	wait time.Duration
	err  error
}

const maxBackoff = time.Minute

// Open opens or creates the journal at path and takes it for itself alone.
// chains maps CAIP-2 ids to drivers.
func Open(path string, chains map[string]Chain, cfg Config) (*Sender, error) {
	if cfg.Interval == 0 {
		cfg.Interval = 2 * time.Second
	}
	if cfg.Timeout == 0 {
		cfg.Timeout = 20 * time.Second
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Log == nil {
		cfg.Log = slog.Default()
	}
	s := &Sender{
		cfg: cfg, chains: maps.Clone(chains), stepping: map[string]*turn{},
		armAt: map[string]backoff{}, errors: map[string]error{}, heard: map[string]claim{}, stays: map[string]stay{},
	}
	for id, c := range chains {
		if c.ID() != id {
			return nil, fmt.Errorf("driver of %s says it is %s", id, c.ID())
		}
		s.stepping[id] = &turn{}
	}
	var err error
	if s.db, err = openJournal(path); err != nil {
		return nil, err
	}
	return s, nil
}

// Close releases the journal. Run must have returned.
func (s *Sender) Close() error { return s.db.db.Close() }

// Plan takes an intent into the journal. Planning the same intent again does
// nothing; the same id with other content returns ErrDifferent.
func (s *Sender) Plan(ctx context.Context, chain string, in Intent) error {
	switch {
	case s.chains[chain] == nil:
		return fmt.Errorf("plan %s: chain %q: %w", in.ID, chain, ErrUnknown)
	case in.ID == "" || len(in.ID) > 200:
		return errors.New("plan: an id has 1 to 200 bytes")
	case len(in.Data) == 0 || len(in.Check) == 0 || len(in.Want) == 0:
		return fmt.Errorf("plan %s: data, check and want must not be empty", in.ID)
	}
	return s.db.plan(ctx, chain, in)
}

// Status returns what is known of an intent, or ErrUnknown.
func (s *Sender) Status(ctx context.Context, id string) (Status, error) {
	all, err := s.db.list(ctx, "WHERE id = ?", id)
	if err == nil && len(all) == 0 {
		err = fmt.Errorf("intent %s: %w", id, ErrUnknown)
	}
	if err != nil {
		return Status{}, err
	}
	return all[0], nil
}

// Unrecorded returns the intents that are neither PhaseRecorded nor PhaseOvertaken,
// oldest first.
func (s *Sender) Unrecorded(ctx context.Context) ([]Status, error) {
	return s.db.list(ctx, "WHERE phase NOT IN (?, ?)", PhaseRecorded, PhaseOvertaken)
}

// Ours reports whether a transaction is an attempt of this journal.
func (s *Sender) Ours(ctx context.Context, tx []byte) (bool, error) {
	all, err := s.db.list(ctx, "WHERE id IN (SELECT intent FROM attempt WHERE id = ?)", tx)
	return len(all) > 0, err
}

// Recent returns the newest intents, newest first.
func (s *Sender) Recent(ctx context.Context, limit int) ([]Status, error) {
	all, err := s.db.list(ctx, "WHERE n > (SELECT coalesce(max(n), 0) - ? FROM intent)", limit)
	slices.Reverse(all)
	return all, err
}

// Record notes that the caller has dealt with a final intent.
func (s *Sender) Record(ctx context.Context, id string) error {
	st, err := s.Status(ctx, id)
	if err != nil {
		return err
	}
	if !st.Phase.Done() {
		return fmt.Errorf("record %s, which is %s: %w", id, st.Phase, ErrNotFinal)
	}
	return s.db.setPhase(ctx, id, PhaseRecorded, "")
}

// Halt stops all sending to a chain until Halt is called with an empty reason;
// it outlives restarts. What is on its way is still followed.
func (s *Sender) Halt(ctx context.Context, chain, why string) error {
	if s.chains[chain] == nil {
		return fmt.Errorf("halt chain %q: %w", chain, ErrUnknown)
	}
	return s.db.halt(ctx, chain, why)
}

// Alarms returns what a person has to look at, as sentences: halted chains,
// intents that are stopped or stuck, and the last error of each chain. How long an
// intent has been stuck before it was sent, or in a block, begins anew with a restart.
func (s *Sender) Alarms(ctx context.Context) ([]string, error) {
	var alarms []string
	for _, chain := range slices.Sorted(maps.Keys(s.chains)) {
		why, err := s.db.halted(ctx, chain)
		if err != nil {
			return nil, err
		}
		if why != "" {
			alarms = append(alarms, chain+" is halted: "+why)
		}
		s.mu.Lock()
		if err := s.errors[chain]; err != nil {
			alarms = append(alarms, chain+": "+err.Error())
		}
		s.mu.Unlock()
	}
	open, err := s.db.list(ctx, "WHERE phase NOT IN (?, ?, ?)", PhaseFinal, PhaseRecorded, PhaseOvertaken)
	p := s.cfg.Policy.orDefaults()
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, st := range open {
		stay := s.stays[st.ID]
		switch {
		case st.Phase == PhasePlanned || st.Phase == PhaseArmed || st.Phase == PhaseMined:
			if stay.phase == st.Phase && s.cfg.Now().Sub(stay.since) > p.Long {
				alarms = append(alarms, fmt.Sprintf("%s is %s since %s", st.ID, st.Phase, stay.since.Format(time.RFC3339)))
			}
		case st.Phase == PhaseStopped:
			alarms = append(alarms, st.ID+" is stopped: "+st.Why)
		case len(st.Tries) > 0 && s.cfg.Now().Sub(st.Tries[0].Made) > p.Bump*time.Duration(p.Bumps):
			alarms = append(alarms, st.ID+" is in no block since "+st.Tries[0].Made.Format(time.RFC3339))
		}
	}
	return alarms, err
}

// Run works on all intents until ctx ends or the journal fails. Each chain has a
// goroutine of its own, so one that hangs holds up nothing else.
func (s *Sender) Run(ctx context.Context) error {
	ctx, cancel := context.WithCancelCause(ctx)
	var wg sync.WaitGroup
	for chain := range s.chains {
		wg.Go(func() {
			tick := time.NewTicker(s.cfg.Interval)
			defer tick.Stop()
			for {
				if err := s.stepChain(ctx, chain); err != nil && ctx.Err() == nil {
					// Without a journal nothing may be signed or sent.
					cancel(err)
				}
				select {
				case <-ctx.Done():
					return
				case <-tick.C:
				}
			}
		})
	}
	wg.Wait()
	defer cancel(nil)
	if err := context.Cause(ctx); !errors.Is(err, context.Canceled) {
		return err
	}
	return nil
}

// Step does one round over all unfinished intents: it asks what became of each
// and makes its next move. It returns the errors of the journal alone; those of
// chains are to be expected, and show in Alarms while they last.
func (s *Sender) Step(ctx context.Context) error {
	for _, chain := range slices.Sorted(maps.Keys(s.chains)) {
		if err := s.stepChain(ctx, chain); err != nil {
			return err
		}
	}
	return nil
}
