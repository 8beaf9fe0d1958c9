package operator_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"github.com/killick-ledger/killick/gateway/enclave/operator"
)

// What a killed process had begun to write does not keep the folder of a job that ended.
func TestUnfinishedIsDropped(t *testing.T) {
	dir := t.TempDir()
	d := operator.Folder(dir)
	if err := d.Write("jobs/one/end", []byte("{}")); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "jobs/one/record-3.new"), []byte("half"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := d.Remove("jobs/one"); err == nil {
		t.Fatal("a folder with a file was removed")
	}
	for _, name := range []string{"jobs/one/end", "jobs/one", "jobs/one"} {
		if err := d.Remove(name); err != nil {
			t.Errorf("remove %s: %v", name, err)
		}
	}
	if _, err := os.Stat(filepath.Join(dir, "jobs/one")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the folder is there: %v", err)
	}
}
