package story

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/killick-ledger/killick/gateway/client"
)

// party is somebody who works for a member of the consortium, with a key file.
type party struct {
	who    *client.Identity
	name   string
	member int // in member order
}

// drawParty makes the keys of a party.
func (w *World) drawParty(name string, member int) (party, error) {
	identity, _, err := client.Generate("EdDSA", false)
	if err != nil {
		return party{}, err
	}
	return party{identity, name, member}, identity.Save(w.keyFile(name), []byte(passphrase))
}

// verifiersOfEach is how many verifiers each member has licensed.
const verifiersOfEach = 3

// drawParties makes the keys of all who take part in jobs.
func (w *World) drawParties() error {
	var err error
	if w.treasurer, _, err = client.Generate("EdDSA", false); err != nil {
		return err
	}
	for i, name := range []string{"operator", "outdated", "debugged"} {
		o, err := w.drawParty(name, i)
		if err != nil {
			return err
		}
		w.operators = append(w.operators, o)
	}
	for member := range 4 {
		for i := range verifiersOfEach {
			v, err := w.drawParty(fmt.Sprintf("verifier%d%c", member+1, 'a'+i), member)
			if err != nil {
				return err
			}
			w.verifiers = append(w.verifiers, v)
		}
	}
	return nil
}

// said waits for a message in the log, lines of JSON, of a program that runs beside the
// network, and returns one member of it.
func (w *World) said(ctx context.Context, name, message, member string) (text string, err error) {
	err = await(ctx, time.Minute, name+" says "+message, func() (bool, error) {
		data, err := os.ReadFile(filepath.Join(w.Cluster.LogDir(), name+".log"))
		if err != nil {
			return false, err
		}
		for line := range bytes.Lines(data) {
			var entry map[string]any
			if json.Unmarshal(line, &entry) == nil && entry["msg"] == message {
				text, _ = entry[member].(string)
			}
		}
		return text != "", nil
	})
	return text, err
}

// parties are the identities of all who take part in jobs beside the owners and the partner.
func (w *World) parties() []*client.Identity {
	all := []*client.Identity{w.treasurer}
	for _, p := range append(w.operators[:len(w.operators):len(w.operators)], w.verifiers...) {
		all = append(all, p.who)
	}
	return all
}

// Dismiss ends the operators and verifiers of the story and has the members take their
// licences back, so that others can be drawn without them.
func (w *World) Dismiss(ctx context.Context) error {
	errs := []error{w.stopServices(), w.Cluster.Kill("enclave.1")}
	for _, v := range w.verifiers {
		errs = append(errs, w.Cluster.Kill(v.daemon()))
	}
	m, err := w.Members()
	if err != nil {
		return errors.Join(append(errs, err)...)
	}
	defer m.Close()
	for _, v := range w.verifiers {
		errs = append(errs, m.Decide(ctx, "licence/"+idOf(v.who), struct{}{}))
	}
	return errors.Join(errs...)
}

// daemon is the name of a verifier's process.
func (p party) daemon() string { return "verifier." + strings.TrimPrefix(p.name, "verifier") }
