package block

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"

	"google.golang.org/protobuf/encoding/protowire"
)

// Effects is what a transaction read and writes in one namespace, as its endorsers
// signed it, whatever its validation code is.
type Effects struct {
	Namespace string
	Reads     []Read
	Ranges    []Range
	Writes    []Write // public ones
	Metadata  []Metadata
	Private   []PrivateEffects
}

// PrivateEffects are those in one collection, of which blocks hold hashes: keys are the
// hash of a key, or whatever stands in its place.
type PrivateEffects struct {
	Collection string
	Reads      []Read
	Writes     []Write
	Metadata   []Metadata
}

// Metadata is a write of a key's metadata, such as a policy of its own.
type Metadata struct {
	Key     string
	Removes bool // there is nothing in it
}

// Height is the transaction that wrote a value.
type Height struct{ Block, Tx uint64 }

// Read is one key that was read by its name, with the height of its value.
type Read struct {
	Key     string
	Present bool // it had a value
	Height  Height
}

// Range is one range of keys that was read: all that lies from Start on and before End,
// End included unless the reader came to the end of the range.
type Range struct {
	Start, End string
	Exhausted  bool
	Reads      []Read
	// Summary, if there is one, stands for the reads: Fabric hashes many.
	Summary *Summary
}

// Summary is Fabric's QueryReadsMerkleSummary.
type Summary struct {
	Degree, Level uint32
	Hashes        [][]byte
}

// Effects returns what the transaction read and writes, namespace by namespace.
func (t *Tx) Effects() ([]Effects, error) {
	own := *t // decoding fills fields in
	call, err := own.headers()
	if err != nil {
		return nil, err
	}
	results, err := own.call(call)
	if err != nil {
		return nil, err
	}
	var namespaces [][]byte
	if err := into(results, sink{2: toList(&namespaces)}); err != nil {
		return nil, fmt.Errorf("read-write set: %w", err)
	}
	out := make([]Effects, len(namespaces))
	for i, msg := range namespaces {
		if err := out[i].decode(msg); err != nil {
			return nil, fmt.Errorf("read-write set of %q: %w", out[i].Namespace, err)
		}
	}
	return out, nil
}

// implicit begins the names of the collections that Fabric has for each organisation, in
// which it writes by the policy that it gave itself (implicitcollection.NameForOrg).
const implicit = "_implicit_org_"

// written says whether anything is written in a collection.
func (p PrivateEffects) written() bool { return len(p.Writes)+len(p.Metadata) > 0 }

// Asked returns the namespaces whose chaincode's policy must have been satisfied for a
// transaction: those that it writes to, and that of the chaincode called in any case.
// None is asked for one in which all that is written is in collections of single
// organisations (Fabric's dispatcherImpl.Dispatch and statebased.policyCheckerV20).
func (t *Tx) Asked(effects []Effects) (namespaces []string) {
	called := true
	for _, e := range effects {
		public := len(e.Writes)+len(e.Metadata) > 0
		apart := false
		for _, p := range e.Private {
			own := strings.HasPrefix(p.Collection, implicit)
			public = public || p.written() && !own
			apart = apart || p.written() && own
		}
		if public {
			namespaces = append(namespaces, e.Namespace)
		}
		called = called && (e.Namespace != t.Chaincode || !public && !apart)
	}
	if called {
		namespaces = append(namespaces, t.Chaincode)
	}
	return namespaces
}

func (e *Effects) decode(msg []byte) error {
	var public []byte
	err := into(msg, sink{1: toString(&e.Namespace), 2: toBytes(&public)})
	if err == nil {
		e.Writes, err = publicWrites(nil, e.Namespace, public)
	}
	if err == nil {
		e.Reads, err = decodeReads(nil, public)
	}
	if err == nil {
		e.Metadata, err = decodeMetadata(public, 4)
	}
	if err == nil {
		e.Ranges = room(e.Ranges, public, 2)
		err = each(public, 2, func(m []byte) error {
			r, err := decodeRange(m)
			e.Ranges = append(e.Ranges, r)
			return err
		})
	}
	if err != nil {
		return err
	}
	e.Private = room(e.Private, msg, 3)
	return each(msg, 3, func(m []byte) error {
		p, err := decodePrivate(e.Namespace, m)
		e.Private = append(e.Private, p)
		return err
	})
}

func decodePrivate(namespace string, msg []byte) (p PrivateEffects, err error) {
	var set []byte
	if err := into(msg, sink{1: toString(&p.Collection), 2: toBytes(&set)}); err != nil {
		return p, err
	}
	if p.Writes, err = privateWrites(nil, namespace, msg); err != nil {
		return p, err
	}
	if p.Reads, err = decodeReads(nil, set); err != nil {
		return p, err
	}
	p.Metadata, err = decodeMetadata(set, 3)
	return p, err
}

// decodeMetadata reads KVMetadataWrite and KVMetadataWriteHash: a key or its hash, and
// entries of a name and a value each.
func decodeMetadata(set []byte, field protowire.Number) ([]Metadata, error) {
	var key []byte
	var some bool
	var name string
	one := sink{1: toBytes(&key), 2: toMessage(&some, sink{1: toString(&name)})}
	out := room([]Metadata(nil), set, field)
	err := each(set, field, func(m []byte) error {
		key, some = nil, false
		err := into(m, one)
		out = append(out, Metadata{string(key), !some})
		return err
	})
	return out, err
}

// decodeReads appends the reads under field 1.
func decodeReads(out []Read, set []byte) ([]Read, error) {
	var key []byte
	var r Read
	version := sink{1: toNumber(&r.Height.Block), 2: toNumber(&r.Height.Tx)}
	one := sink{1: toBytes(&key), 2: toMessage(&r.Present, version)}
	out = room(out, set, 1)
	err := each(set, 1, func(m []byte) error {
		key, r = nil, Read{}
		err := into(m, one)
		r.Key = string(key)
		out = append(out, r)
		return err
	})
	return out, err
}

// decodeRange reads a RangeQueryInfo, in which reads and their summary are one of two: the
// last one stands, and what was before it is forgotten.
func decodeRange(msg []byte) (r Range, err error) {
	err = into(msg, sink{
		1: toString(&r.Start), 2: toString(&r.End), 3: toBool(&r.Exhausted),
		4: func(v value) error {
			if !v.isBytes() {
				return nil
			}
			r.Summary = nil
			r.Reads, err = decodeReads(r.Reads, v.b)
			return err
		},
		5: func(v value) error {
			if !v.isBytes() {
				return nil
			}
			if r.Reads = nil; r.Summary == nil {
				r.Summary = &Summary{}
			}
			s := r.Summary
			return into(v.b, sink{1: toNumber(&s.Degree), 2: toNumber(&s.Level), 3: toList(&s.Hashes)})
		},
	})
	return r, err
}

// Summarise returns the summary that Fabric makes of the results of a range, nil when
// they are too few for one. A degree below 2 is none.
func Summarise(reads []Read, degree uint32) *Summary {
	if degree < 2 || uint64(len(reads)) <= uint64(degree) {
		return nil
	}
	levels := [][][]byte{nil, nil} // by level; the leaves are level 1
	combine := func(level int) []byte {
		h := sha256.Sum256(slices.Concat(levels[level]...))
		levels[level] = nil
		return h[:]
	}
	// A leaf stands for degree + 1 results, or for the last ones.
	for part := range slices.Chunk(reads, int(degree)+1) {
		leaf := sha256.Sum256(encodeReads(part))
		levels[1] = append(levels[1], leaf[:])
		for level := 1; len(levels[level]) > int(degree); level++ {
			if level+1 == len(levels) {
				levels = append(levels, nil)
			}
			levels[level+1] = append(levels[level+1], combine(level))
		}
	}
	top := len(levels) - 1
	for level := 1; level < top; level++ {
		switch len(levels[level]) {
		case 0:
		case 1:
			levels[level+1] = append(levels[level+1], levels[level][0])
		default:
			levels[level+1] = append(levels[level+1], combine(level))
		}
	}
	if len(levels[top]) > int(degree) {
		levels = append(levels, [][]byte{combine(top)})
		top++
	}
	return &Summary{Degree: degree, Level: uint32(top), Hashes: levels[top]}
}

// encodeReads is kvrwset.QueryReads as protobuf writes it.
func encodeReads(reads []Read) (out []byte) {
	number := func(dst []byte, num protowire.Number, v uint64) []byte {
		if v == 0 {
			return dst
		}
		return protowire.AppendVarint(protowire.AppendTag(dst, num, protowire.VarintType), v)
	}
	for _, r := range reads {
		one := protowire.AppendString(protowire.AppendTag(nil, 1, protowire.BytesType), r.Key)
		version := number(number(nil, 1, r.Height.Block), 2, r.Height.Tx)
		one = protowire.AppendBytes(protowire.AppendTag(one, 2, protowire.BytesType), version)
		out = protowire.AppendBytes(protowire.AppendTag(out, 1, protowire.BytesType), one)
	}
	return out
}

// NominalID returns the id under which peers keep an envelope, whatever its validation
// code is: the one that it states, or else the hash of its nonce and creator. ok is false
// for what has no readable header.
func (t *Tx) NominalID() (id string, ok bool) {
	h, err := t.header()
	if err != nil || h.id != "" {
		return h.id, err == nil
	}
	own := *t
	if _, err := own.headers(); err != nil {
		return "", false
	}
	return computedID(own.Nonce, own.Creator), true
}

func computedID(nonce, creator []byte) string {
	h := sha256.New()
	h.Write(nonce)
	h.Write(creator)
	return hex.EncodeToString(h.Sum(nil))
}
