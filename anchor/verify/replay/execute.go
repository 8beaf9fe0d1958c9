package replay

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"slices"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/killick-ledger/killick/anchor/block"
	"github.com/killick-ledger/killick/anchor/log"
	"github.com/killick-ledger/killick/chaincode/canon"
	"github.com/killick-ledger/killick/chaincode/fault"
	"github.com/killick-ledger/killick/chaincode/ledger"
	"github.com/killick-ledger/killick/chaincode/ops"
)

// collection is the private one of Killick's chaincode, as chaincode/contract has it.
const collection = "contents"

// against is what a transaction does that the rules do not.
type against struct{ field, found, want string }

func (a *against) Error() string { return fmt.Sprintf("%s is %s, want %s", a.field, a.found, a.want) }

// execute runs a valid transaction of Killick's chaincode on the state that it comes to,
// and compares what it answers and writes. Errors: *against; others say that this program
// cannot execute it. One that asks nothing of the chaincode's policy touches nothing of
// its state: others, and what a member puts into its own collection in whatever name.
func (r *run) execute(members block.Members, t *block.Tx, x *examined) error {
	if !slices.Contains(x.asked, log.Namespace) {
		r.report.Foreign++
		return nil
	}
	var public, private []block.Write
	for _, e := range x.effects {
		written := len(e.Writes)+len(e.Metadata) > 0
		for _, p := range e.Private {
			written = written || len(p.Writes)+len(p.Metadata) > 0
			switch {
			case e.Namespace != log.Namespace:
			case p.Collection != collection && len(p.Writes) > 0 || len(p.Metadata) > 0:
				return &against{"a write to collection " + p.Collection, "there", "none"}
			default:
				private = append(private, p.Writes...)
			}
		}
		switch {
		case written && (e.Namespace == log.Namespace) != (t.Chaincode == log.Namespace):
			return &against{"a write to the keys of " + e.Namespace, "by chaincode " + t.Chaincode, "none"}
		case e.Namespace != log.Namespace:
		case len(e.Metadata) > 0:
			return &against{"metadata of key " + printable(e.Metadata[0].Key), "set", "none"}
		default:
			public = e.Writes
		}
	}
	r.report.Executed++
	f, tx, err := r.call(members, t)
	if err != nil {
		return err
	}
	if !f.Writes { // a query that was submitted: its answer may depend on the peer
		return compare(nil, nil, public, private)
	}
	answer, err := r.engine.Execute(tx, f.Name, t.Args[1:])
	if fault.Of(err) >= fault.Internal { // such as rules that this program does not contain
		return fmt.Errorf("transaction %s: %w", t.ID, err)
	}
	if err != nil {
		return &against{"answer of " + f.Name, "an accepted transaction", "refused: " + err.Error()}
	}
	if !bytes.Equal(answer, t.Response) {
		return answers(f.Name, t.Response, answer)
	}
	return compare(tx.Changes(), tx.PrivateChanges(), public, private)
}

// call begins the transaction as the chaincode service does.
func (r *run) call(members block.Members, t *block.Tx) (f ops.Function, tx *ledger.Tx, err error) {
	if len(t.Args) == 0 {
		return f, nil, &against{"function", "none", "one"}
	}
	if f, err = ops.LookupFunction(string(t.Args[0])); err != nil {
		return f, nil, &against{"function", err.Error(), "one of the rules"}
	}
	channel, claimed, err := t.Claimed()
	if err != nil || claimed < 0 {
		return f, nil, &against{"claimed time", fmt.Sprint(claimed), "a time"}
	}
	var caller ledger.Caller
	if f.Organisation {
		msp, units, err := members.Creator(t)
		if err != nil {
			return f, nil, &against{"creator", err.Error(), "a member's"}
		}
		caller.MSP = msp
		for _, unit := range units {
			if slices.Contains([]string{"admin", "client", "peer", "orderer"}, unit) {
				caller.Role = unit
			}
		}
	}
	if f.Name == "ops:Init" && len(t.Args) == 2 {
		var request struct {
			Network string `json:"network"`
		}
		if json.Unmarshal(t.Args[1], &request) != nil || !strings.HasPrefix(request.Network, channel+"-") {
			return f, nil, &against{"network", request.Network, "of channel " + channel}
		}
	}
	tx = ledger.Begin(view{r.state.in(space{namespace: log.Namespace})}, uint64(claimed), caller)
	tx.AssumeContents(r.missing(f, t)...)
	return f, tx, nil
}

// missing are the contents that did not come with a transaction, by what its endorsers
// answered: a content is in no block, so their word stands. It also counts operations.
func (r *run) missing(f ops.Function, t *block.Tx) (contents []string) {
	var items []ops.Item
	switch {
	case len(t.Args) != 2:
	case f.Name == "ops:Batch":
		items, _ = ops.DecodeFrame(t.Args[1])
	case f.Name == "ops:Apply":
		if one, err := ops.ParseCompact(string(t.Args[1])); err == nil {
			items = []ops.Item{one}
		}
	}
	r.report.Operations += uint64(len(items))
	for i, item := range items {
		if i >= len(t.Response) || fault.Code(t.Response[i]) != fault.ContentMissing {
			continue
		}
		if o, err := ops.Open(item); err == nil && o.Content() != "" {
			contents = append(contents, o.Content())
		}
	}
	return contents
}

// answers names the first item of a batch whose result is another one.
func answers(function string, found, want []byte) error {
	name := func(b byte) string { return fault.Code(b &^ ops.Replayed).String() }
	if function == "ops:Batch" && len(found) == len(want) {
		for i := range found {
			if found[i] != want[i] {
				return &against{fmt.Sprintf("result of item %d", i), name(found[i]), name(want[i])}
			}
		}
	}
	return &against{"answer of " + function, shown(found), shown(want)}
}

// compare names the first key, in the order of keys, that is not written as the rules
// write it.
func compare(changes, privates []ledger.Entry, public, private []block.Write) error {
	for i := 0; i < len(changes) || i < len(public); i++ {
		switch {
		case i == len(public) || i < len(changes) && changes[i].Key < string(public[i].Key):
			return &against{"key " + printable(changes[i].Key), "not written", shown(changes[i].Value)}
		case i == len(changes) || string(public[i].Key) < changes[i].Key:
			return &against{"key " + printable(string(public[i].Key)), written(public[i]), "not written"}
		case !bytes.Equal(changes[i].Value, public[i].Value):
			return &against{"key " + printable(changes[i].Key), written(public[i]), shown(changes[i].Value)}
		}
	}
	return comparePrivate(privates, private)
}

// comparePrivate compares hashes, of which the rules know the keys.
func comparePrivate(changes []ledger.Entry, found []block.Write) error {
	want := map[string]ledger.Entry{}
	for _, c := range changes {
		hash := sha256.Sum256([]byte(c.Key))
		want[string(hash[:])] = c
	}
	for _, w := range found {
		c, ok := want[string(w.Key)]
		delete(want, string(w.Key))
		name := "private key " + printable(c.Key)
		switch {
		case !ok:
			return &against{fmt.Sprintf("private key with hash %x", w.Key), "written", "not written"}
		case c.Value == nil && w.Delete != block.Purge:
			return &against{name, "written", "purged"}
		case w.Purges:
			return &against{name, "written and purged", "written"}
		case c.Value != nil && (w.Delete != block.Put || !bytes.Equal(c.Value, w.Value)):
			return &against{name, fmt.Sprintf("%x", w.Value), canon.Hex(c.Value)}
		}
	}
	for _, c := range changes {
		hash := sha256.Sum256([]byte(c.Key))
		if _, missing := want[string(hash[:])]; missing {
			return &against{"private key " + printable(c.Key), "not written", "written"}
		}
	}
	return nil
}

func written(w block.Write) string {
	if w.Delete != block.Put {
		return "deleted"
	}
	return shown(w.Value)
}

// shown is a value for people; nil deletes.
func shown(value []byte) string {
	if value == nil {
		return "deleted"
	}
	if len(value) > 120 {
		sum := canon.Sum(value)
		return fmt.Sprintf("%d bytes with hash %x", len(value), sum)
	}
	return printable(string(value))
}
