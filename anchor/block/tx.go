package block

import (
	"bytes"
	"crypto/sha256"
	"fmt"
)

// Delete says what a write does to its key.
type Delete uint8

// What a write does to its key.
const (
	Put    Delete = 0
	Remove Delete = 1
	Purge  Delete = 2 // private data only: history goes too
)

// Write is one key of a valid transaction's write set. For private data the block holds
// hashes: Key is the key's and Value the value's, as they stand there. Fabric takes what is
// no hash as well, of any length.
type Write struct {
	Namespace  string
	Collection string // empty for a public write
	Private    bool
	Key        []byte
	Delete     Delete
	Value      []byte   // nil unless Delete is Put
	ValueHash  [32]byte // zeros unless Delete is Put; of private data Value, or the hash of one that is not 32 bytes
	// Purges is set when Delete is Put and what the hash is of is purged all the same, with
	// all that was under the key before (Fabric's pvtdataPurgeTracker).
	Purges bool
}

// decode fills t from its envelope. An error concerns a valid transaction only;
// an invalid one is decoded as far as it goes.
func (t *Tx) decode() error {
	call, err := t.headers()
	if err == nil && t.Type == TypeEndorser {
		var results []byte
		if results, err = t.call(call); err == nil && t.Code == CodeValid {
			t.Writes, err = decodeWrites(results)
		}
	}
	if t.Code != CodeValid {
		return nil
	}
	if err != nil {
		return err
	}
	switch {
	case t.Type == TypeConfig:
	case t.Type != TypeEndorser:
		return fmt.Errorf("header type %d", t.Type)
	case t.ID == "":
		return fmt.Errorf("no transaction id")
	case len(t.Nonce) == 0:
		return fmt.Errorf("no nonce")
	}
	return nil
}

// headers reads type, id, creator and nonce, and returns the payload's data. A
// broken SignatureHeader leaves type and id as they are.
func (t *Tx) headers() (data []byte, err error) {
	t.Type = TypeUndecodable
	var payload, channel, signature []byte
	var present bool
	if err := into(t.Envelope, sink{1: toBytes(&payload)}); err != nil {
		return nil, fmt.Errorf("envelope: %w", err)
	}
	header := sink{1: toBytes(&channel), 2: toBytes(&signature)}
	if err := into(payload, sink{1: toMessage(&present, header), 2: toBytes(&data)}); err != nil {
		return nil, fmt.Errorf("payload: %w", err)
	}
	if !present {
		return nil, fmt.Errorf("payload without header")
	}
	var typ int32
	var id, channelID string
	err = into(channel, sink{
		1: toNumber(&typ),
		3: toMessage(nil, nil), // timestamp: framing only
		4: toString(&channelID),
		5: toString(&id),
	})
	if err != nil {
		return nil, fmt.Errorf("channel header: %w", err)
	}
	if typ >= 0 && typ < TypeUndecodable {
		t.Type = typ
	}
	if isID(id) {
		t.ID = id
	}
	if err := into(signature, sink{1: toBytes(&t.Creator), 2: toBytes(&t.Nonce)}); err != nil {
		return nil, fmt.Errorf("signature header: %w", err)
	}
	return data, nil
}

// call reads the one action of an endorser transaction: the chaincode's
// arguments, its answer, and the bytes of its read-write set.
func (t *Tx) call(transaction []byte) (results []byte, err error) {
	var actions [][]byte
	if err := into(transaction, sink{1: toList(&actions)}); err != nil {
		return nil, fmt.Errorf("transaction: %w", err)
	}
	if len(actions) != 1 {
		return nil, fmt.Errorf("%d actions", len(actions))
	}
	var payload, proposal, response, action []byte
	if err := into(actions[0], sink{2: toBytes(&payload)}); err != nil {
		return nil, fmt.Errorf("action: %w", err)
	}
	endorsed := sink{1: toBytes(&response)}
	if err := into(payload, sink{1: toBytes(&proposal), 2: toMessage(nil, endorsed)}); err != nil {
		return nil, fmt.Errorf("action payload: %w", err)
	}
	if err := into(response, sink{2: toBytes(&action)}); err != nil {
		return nil, fmt.Errorf("response payload: %w", err)
	}
	err = into(action, sink{
		1: toBytes(&results),
		3: toMessage(nil, sink{3: toBytes(&t.Response)}),
		4: toMessage(nil, sink{2: toString(&t.Chaincode)}),
	})
	if err != nil {
		return nil, fmt.Errorf("chaincode action: %w", err)
	}
	t.Args = arguments(proposal)
	return results, nil
}

// arguments are those of a proposal. Peers that validate hash it and do not read it, so
// that what is no message has none and is no fault.
func arguments(proposal []byte) (args [][]byte) {
	var input []byte
	spec := sink{3: toMessage(nil, sink{1: toList(&args)})}
	if into(proposal, sink{1: toBytes(&input)}) != nil || into(input, sink{1: toMessage(nil, spec)}) != nil {
		return nil
	}
	return args
}

// decodeWrites reads the writes of a read-write set: namespaces in order, in each
// the public writes and then the hashed writes of its collections.
func decodeWrites(results []byte) ([]Write, error) {
	var namespaces [][]byte
	if err := into(results, sink{2: toList(&namespaces)}); err != nil {
		return nil, fmt.Errorf("read-write set: %w", err)
	}
	var out []Write
	for _, msg := range namespaces {
		var name string
		var public []byte
		var collections [][]byte
		err := into(msg, sink{1: toString(&name), 2: toBytes(&public), 3: toList(&collections)})
		if err != nil {
			return nil, fmt.Errorf("read-write set: %w", err)
		}
		if out, err = publicWrites(out, name, public); err != nil {
			return nil, fmt.Errorf("writes of %q: %w", name, err)
		}
		for _, c := range collections {
			if out, err = privateWrites(out, name, c); err != nil {
				return nil, fmt.Errorf("private writes of %q: %w", name, err)
			}
		}
	}
	return out, nil
}

func publicWrites(out []Write, namespace string, set []byte) ([]Write, error) {
	var w Write
	var del bool
	one := sink{1: toText(&w.Key), 2: toBool(&del), 3: toBytes(&w.Value)}
	out = room(out, set, 3)
	err := each(set, 3, func(msg []byte) error {
		w, del = Write{Namespace: namespace, Key: []byte{}}, false
		if err := into(msg, one); err != nil {
			return err
		}
		// Fabric treats an empty value as a deletion (rwsetutil.IsKVWriteDelete).
		if del || len(w.Value) == 0 {
			w.Delete, w.Value = Remove, nil
		} else {
			w.ValueHash = sha256.Sum256(w.Value)
		}
		out = append(out, w)
		return nil
	})
	return out, err
}

var hashOfNothing = sha256.Sum256(nil)

func privateWrites(out []Write, namespace string, msg []byte) ([]Write, error) {
	var collection string
	var set []byte
	if err := into(msg, sink{1: toString(&collection), 2: toBytes(&set)}); err != nil {
		return nil, err
	}
	var w Write
	var hash []byte
	var del, purge bool
	one := sink{1: toBytes(&w.Key), 2: toBool(&del), 3: toBytes(&hash), 4: toBool(&purge)}
	out = room(out, set, 2)
	err := each(set, 2, func(m []byte) error {
		// Without the name of a collection Fabric writes to the public keys
		// (publicAndHashUpdates.applyWriteSet).
		w = Write{Namespace: namespace, Collection: collection, Private: collection != ""}
		hash, del, purge = nil, false, false
		if err := into(m, one); err != nil {
			return err
		}
		// As rwsetutil.IsKVWriteHashDelete has it, whatever is to be purged.
		switch deletes := del || len(hash) == 0 || bytes.Equal(hash, hashOfNothing[:]); {
		case deletes && purge && w.Private:
			w.Delete = Purge
		case deletes:
			w.Delete = Remove
		default:
			w.Value, w.ValueHash, w.Purges = hash, sha256.Sum256(hash), purge && w.Private
			if w.Private && len(hash) == 32 {
				w.ValueHash = [32]byte(hash)
			}
		}
		out = append(out, w)
		return nil
	})
	return out, err
}
