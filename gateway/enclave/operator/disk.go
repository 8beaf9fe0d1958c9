package operator

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// disk keeps the journal's files, by names with slashes. Write replaces a file as a whole
// and returns when it is durable; one that fails may have done so all the same. Read
// returns fs.ErrNotExist for what is not there. Names of List are relative to the folder.
type disk interface {
	Write(name string, data []byte) error
	Read(name string) ([]byte, error)
	List(folder string) ([]string, error)
	Remove(name string) error
}

// folder is the disk itself.
type folder string

// unfinished ends the name of a file that is being written.
const unfinished = ".new"

// Write writes beside the file, syncs, and renames. If we stop in between, the file is
// the old one.
func (f folder) Write(name string, data []byte) error {
	path := filepath.Join(string(f), filepath.FromSlash(name))
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	file, err := os.OpenFile(path+unfinished, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = file.Write(data)
	if err := errors.Join(err, file.Sync(), file.Close()); err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	if err := os.Rename(path+unfinished, path); err != nil {
		return err
	}
	return errors.Join(syncDir(filepath.Dir(path)), syncDir(filepath.Dir(filepath.Dir(path))))
}

// syncDir makes names in a folder durable.
func syncDir(path string) error {
	d, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

func (f folder) Read(name string) ([]byte, error) {
	return os.ReadFile(filepath.Join(string(f), filepath.FromSlash(name)))
}

// List lists a folder; one that does not exist is empty.
func (f folder) List(name string) ([]string, error) {
	entries, err := os.ReadDir(filepath.Join(string(f), filepath.FromSlash(name)))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	var names []string
	for _, e := range entries {
		if !strings.HasSuffix(e.Name(), unfinished) {
			names = append(names, e.Name())
		}
	}
	return names, err
}

// Remove removes a file, or a folder in which nothing is left but what was being written
// when a process was killed.
func (f folder) Remove(name string) error {
	path := filepath.Join(string(f), filepath.FromSlash(name))
	entries, err := os.ReadDir(path) // of a file there are none
	if err == nil {
		for _, e := range entries {
			if strings.HasSuffix(e.Name(), unfinished) {
				err = errors.Join(err, os.Remove(filepath.Join(path, e.Name())))
			}
		}
		if err != nil {
			return err
		}
	}
	err = os.Remove(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}
