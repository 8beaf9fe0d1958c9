// Package ballot keeps what a verifier needs to reveal the ballot that it committed to, in
// a file that is on disk before the commitment leaves (docs/formats/keys.md). It sends
// nothing, and never writes over a file: a commitment may be on its way, and no other
// ballot opens it.
package ballot

import (
	"bytes"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/killick-ledger/killick/chaincode/attest"
	"github.com/killick-ledger/killick/chaincode/canon"
	"github.com/killick-ledger/killick/chaincode/did"
	"github.com/killick-ledger/killick/chaincode/fault"
	"github.com/killick-ledger/killick/chaincode/ops"
)

const (
	format = "killick-ballot-1"
	// Suffix ends the names of ballot files.
	Suffix = ".ballot"
	// maxFile is the size of the largest file that is read; ballot files have less than
	// 600 bytes.
	maxFile = 4096
)

// Ballot is a verifier's ballot on a job, with the salt that hides it.
type Ballot struct {
	Format     string `json:"format"`
	Network    string `json:"network"`
	Job        string `json:"job"`
	Verifier   string `json:"verifier"`
	Ballot     string `json:"ballot"` // valid, invalid or malicious
	Salt       string `json:"salt"`
	Commitment string `json:"commitment"`
}

// Draw makes a ballot with a fresh salt. Errors: fault.InvalidValue for what is no ballot.
func Draw(network, job, verifier, word string) (*Ballot, error) {
	var salt [32]byte
	if _, err := rand.Read(salt[:]); err != nil {
		return nil, fmt.Errorf("draw salt: %w", err)
	}
	return Make(network, job, verifier, word, salt)
}

// Make makes a ballot with a salt, which nobody else may know before the ballot is
// revealed. Errors: fault.InvalidValue for what is no ballot.
func Make(network, job, verifier, word string, salt [32]byte) (*Ballot, error) {
	b := &Ballot{Format: format, Network: network, Job: job, Verifier: verifier, Ballot: word, Salt: canon.Hex(salt[:])}
	var err error
	b.Commitment, err = b.digest()
	return b, err
}

// digest is the commitment to the ballot.
func (b *Ballot) digest() (string, error) {
	job, err := ops.ParseReference(b.Job)
	if err != nil {
		return "", fault.New(fault.InvalidValue, "%.80q is not the reference of a job", b.Job)
	}
	verifier, err := did.ParseOn(b.Network, b.Verifier)
	if err != nil {
		return "", err
	}
	salt, err := canon.UnHex32(b.Salt)
	if err != nil {
		return "", err
	}
	verdict, err := attest.ParseBallot(b.Ballot)
	if err != nil {
		return "", err
	}
	sum := canon.BallotDigest(b.Network, job.ID, verifier, byte(verdict), salt)
	return canon.Hex(sum[:]), nil
}

// Name is the name of the file of a verifier's ballot on a job. Errors:
// fault.InvalidValue.
func Name(job, verifier string) (string, error) {
	if _, err := ops.ParseReference(job); err != nil { // it becomes the name of a file
		return "", fault.New(fault.InvalidValue, "%.80q is not the reference of a job", job)
	}
	_, id, err := did.Parse(verifier)
	return job + "." + id.String() + Suffix, err
}

// Encode returns the content of the file.
func (b *Ballot) Encode() ([]byte, error) {
	data, err := canon.Marshal(b)
	return append(data, '\n'), err
}

// Decode reads the content of a ballot file. It refuses one with another commitment than
// that of its ballot and salt.
func Decode(data []byte) (*Ballot, error) {
	b := new(Ballot)
	if err := canon.Decode(bytes.TrimSuffix(data, []byte("\n")), b); err != nil {
		return nil, err
	}
	digest, err := b.digest()
	if err != nil {
		return nil, err
	}
	if b.Format != format || digest != b.Commitment {
		return nil, errors.New("it is no ballot file, or was changed")
	}
	return b, nil
}

// Read reads a ballot file, which must be of the verifier on the job. The error of one
// that is not there is os.ErrNotExist.
func Read(path, network, job, verifier string) (*Ballot, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("read ballot: %w", err)
	}
	data, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err = errors.Join(err, f.Close()); err != nil {
		return nil, fmt.Errorf("read ballot: %w", err)
	}
	if len(data) > maxFile {
		return nil, fmt.Errorf("ballot %s has more than %d bytes", path, maxFile)
	}
	b, err := Decode(data)
	if err != nil {
		return nil, fmt.Errorf("ballot %s: %w", path, err)
	}
	if b.Job != job || b.Network != network || b.Verifier != verifier {
		return nil, fmt.Errorf("%s is the ballot of %s on %s of %s", path, b.Verifier, b.Job, b.Network)
	}
	return b, nil
}

// Write keeps the ballot under a name that must not exist: all of it or nothing, and on
// disk when Write returns, its name as well.
func (b *Ballot) Write(path string) error {
	data, err := b.Encode()
	if err != nil {
		return err
	}
	draft, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".*.draft")
	if err != nil {
		return err
	}
	_, err = draft.Write(data)
	if err = errors.Join(err, draft.Sync(), draft.Close()); err == nil {
		err = os.Link(draft.Name(), path) // fails when there is one
	}
	if err = errors.Join(err, os.Remove(draft.Name())); err != nil {
		return err
	}
	return syncFolder(filepath.Dir(path))
}

func syncFolder(path string) error {
	dir, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}

// Keep returns the ballot that is to be committed to, once it is on disk: the one that is
// there, or a new one. Another ballot than the one that is there is fault.AlreadyDone.
func Keep(path, network, job, verifier, word string) (*Ballot, error) {
	if _, err := os.Lstat(path); errors.Is(err, os.ErrNotExist) {
		b, err := Draw(network, job, verifier, word)
		if err != nil {
			return nil, err
		}
		if err := b.Write(path); err != nil {
			return nil, fmt.Errorf("write ballot: %w", err)
		}
	}
	b, err := Read(path, network, job, verifier)
	if err != nil {
		return nil, err
	}
	// What a process wrote that was killed before it synced the folder is there, and could be
	// gone after a loss of power.
	if err := syncFolder(filepath.Dir(path)); err != nil {
		return nil, fmt.Errorf("write ballot: %w", err)
	}
	if b.Ballot != word {
		return nil, fault.New(fault.AlreadyDone, "%s has this DID's ballot on the job, and it is %s: a commitment to it may be on the ledger or on its way, and no other ballot can be revealed for it", path, b.Ballot)
	}
	return b, nil
}

// Is says whether a commitment on the ledger, or none, is to this ballot. One to another
// ballot is an error.
func (b *Ballot) Is(commitment string) (bool, error) {
	switch commitment {
	case "":
		return false, nil
	case b.Commitment:
		return true, nil
	}
	return false, fmt.Errorf("the ledger has a commitment of this DID to another ballot, %s: look for the file of that one", commitment)
}
