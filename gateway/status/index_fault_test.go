package status_test

import (
	"errors"
	"path/filepath"
	"strings"
	"testing"

	"github.com/killick-ledger/killick/chaincode/credential"
	"github.com/killick-ledger/killick/chaincode/ledger"
	"github.com/killick-ledger/killick/gateway/status"
	"github.com/killick-ledger/killick/gateway/submit"
)

// What cannot be read ends the stream and does not pass by.
func TestBlocksThatCannotBeRead(t *testing.T) {
	for name, w := range map[string]submit.Write{
		"not JSON":          {Key: "credential/x", Value: []byte("{")},
		"an issuer of none": {Key: "credential/x", Value: []byte(`{"issuer":"x"}`)},
		"an entry of none":  {Key: "entry/x", Value: []byte("ref")},
		"a list of none":    {Key: "entry/" + (ledger.ID{7}).String() + "/x/00000000", Value: []byte("ref")},
		"no entry":          state(t, ledger.ID{7}, 0, 1, credential.Revoked),
	} {
		t.Run(name, func(t *testing.T) {
			c := &chain{}
			c.block(w)
			i := open(t, filepath.Join(t.TempDir(), "status.db"))
			defer i.Close()
			var got error
			for block, err := range i.Watch(c).Blocks(t.Context(), 0) {
				if err == nil {
					t.Errorf("block %d passed", block.Number)
				}
				got = err
			}
			if got == nil || errors.Is(got, errEnd) || i.Next() != 0 {
				t.Errorf("got %v, next %d", got, i.Next())
			}
		})
	}
}

// A file of another ledger is refused.
func TestOtherNetwork(t *testing.T) {
	path := filepath.Join(t.TempDir(), "status.db")
	if err := open(t, path).Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := status.Open(path, "other-0011223344556677"); err == nil || !strings.Contains(err.Error(), "network") {
		t.Errorf("got %v", err)
	}
}

// Whatever a block writes, it is taken in or refused.
func FuzzWrite(f *testing.F) {
	f.Add("credential/a", []byte(`{"issuer":"did:killick:main-0011223344556677:4KZXuGpR4R28YfKeELEnVp4TLR2y","list":1,"index":2,"status":"revoked"}`))
	f.Add("entry/4KZXuGpR4R28YfKeELEnVp4TLR2y/00000001/00000002", []byte("ref"))
	f.Add("entry/a/b/c/d", []byte{})
	i := open(f, filepath.Join(f.TempDir(), "status.db"))
	f.Cleanup(func() { _ = i.Close() })
	f.Fuzz(func(t *testing.T, key string, value []byte) {
		next := i.Next()
		c := &chain{blocks: make([]submit.Block, next)} // those before are not read
		c.block(submit.Write{Key: key, Value: value})
		for _, err := range i.Watch(c).Blocks(t.Context(), next) {
			if err == nil && i.Next() != next+1 || err != nil && i.Next() > next+1 {
				t.Errorf("next is %d, was %d: %v", i.Next(), next, err)
			}
		}
	})
}
