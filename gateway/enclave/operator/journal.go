package operator

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"strconv"

	"github.com/killick-ledger/killick/chaincode/canon"
	"github.com/killick-ledger/killick/chaincode/ledger"
	"github.com/killick-ledger/killick/gateway/enclave/inside"
)

// The journal is a folder: "secret", the platform's, and for each job "jobs/<job>/" with
//
//	order        the consumer's order, as it came
//	accept       the operation that accepts it, before it leaves
//	record-<n>   what the owner of line n sealed, as it came, until the job is run
//	output       the output with its quote, before anybody sees either
//	evidence     the operation that hands it in, before it leaves
//	end          how it ended
//
// A job's state follows from which files there are and from the ledger.
type journal struct{ disk disk }

const secretFile = "secret"

// sent is an operation that left, or is about to.
type sent struct {
	JWS       string `json:"jws"`
	Reference string `json:"reference"`
	Expires   uint64 `json:"expires"` // seconds since 1970: after that it is not executed
	Asset     string `json:"asset,omitzero"`
	Deposit   string `json:"deposit,omitzero"` // micro-units, of an acceptance
}

// end is how a job ended.
type end struct {
	State  string `json:"state"`  // declined, lost, failed or settled
	Reason string `json:"reason"` // for people
	Time   uint64 `json:"time"`   // seconds since 1970
}

// output is what the enclave made, and the SHA-256 of each sealed record that went in.
type output struct {
	ciphertext, quote []byte
	used              [][32]byte // zeros: absent
}

const outputType = 0x71

func (o *output) encode() []byte {
	b := canon.NewRecord(outputType).Var32(o.ciphertext).Var32(o.quote).U8(uint8(len(o.used)))
	for _, h := range o.used {
		b.Fixed(h[:])
	}
	return b.Bytes()
}

func decodeOutput(data []byte) (*output, error) {
	b := canon.OpenRecord(data, outputType)
	o := &output{ciphertext: b.Var32(), quote: b.Var32()}
	for range b.U8() {
		o.used = append(o.used, b.Hash())
	}
	return o, b.Done()
}

// open returns the platform's secret, which it draws in an empty journal when that is
// permitted.
func (j journal) open(init bool) ([]byte, error) {
	secret, err := j.disk.Read(secretFile)
	if err == nil && len(secret) != inside.SecretSize {
		return nil, errors.New("the platform's secret has another length")
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return secret, err
	}
	if !init {
		return nil, errors.New("the journal is empty: permit that with init when this is its first start; if it was lost, jobs under way must not be run again")
	}
	secret = make([]byte, inside.SecretSize)
	if _, err := rand.Read(secret); err != nil {
		return nil, fmt.Errorf("draw secret: %w", err)
	}
	return secret, j.disk.Write(secretFile, secret)
}

// jobs lists the jobs that the journal knows.
func (j journal) jobs() ([]string, error) {
	names, err := j.disk.List("jobs")
	if err != nil {
		return nil, err
	}
	for _, name := range names {
		if _, err := ledger.ParseReference(name); err != nil {
			return nil, fmt.Errorf("the journal has %q among its jobs", name)
		}
	}
	return names, nil
}

func file(job, name string) string { return "jobs/" + job + "/" + name }

func recordFile(line int) string { return "record-" + strconv.Itoa(line) }

// read returns a file of a job, nil when there is none.
func (j journal) read(job, name string) ([]byte, error) {
	data, err := j.disk.Read(file(job, name))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read %s of job %s: %w", name, job, err)
	}
	return data, nil
}

func (j journal) write(job, name string, data []byte) error {
	if err := j.disk.Write(file(job, name), data); err != nil {
		return fmt.Errorf("write %s of job %s: %w", name, job, err)
	}
	return nil
}

// drop removes a job. If we stop in between, what is left begins with its end.
func (j journal) drop(job string) error {
	names, err := j.disk.List("jobs/" + job)
	if err != nil {
		return err
	}
	for _, name := range names {
		if name != "end" {
			if err := j.remove(job, name); err != nil {
				return err
			}
		}
	}
	if err := j.remove(job, "end"); err != nil {
		return err
	}
	return j.disk.Remove("jobs/" + job)
}

func (j journal) remove(job, name string) error { return j.disk.Remove(file(job, name)) }

// load reads a JSON file of a job into v, and says whether there is one.
func (j journal) load(job, name string, v any) (bool, error) {
	data, err := j.read(job, name)
	if data == nil || err != nil {
		return false, err
	}
	if err := canon.Decode(data, v); err != nil {
		return false, fmt.Errorf("%s of job %s: %w", name, job, err)
	}
	return true, nil
}

func (j journal) save(job, name string, v any) error {
	data, err := canon.Marshal(v)
	if err != nil {
		return err
	}
	return j.write(job, name, data)
}
