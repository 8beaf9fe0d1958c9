package node

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"os"
	"syscall"
)

// maxRecord bounds a record's length, so that a torn length is not believed.
const maxRecord = 64 << 20

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// journal is an append-only file of records, each with its length and CRC-32C.
// A record is there as a whole or not at all: what a crash has left unfinished
// at the end is cut off when the file is opened.
type journal struct {
	f    *os.File
	at   []int64 // where each record's payload begins
	size []int
	end  int64
}

// openJournal opens or creates the file and takes it for this process alone.
func openJournal(path string) (*journal, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open block file: %w", err)
	}
	j := &journal{f: f}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		return nil, errors.Join(fmt.Errorf("block file %s is in use: %w", path, err), f.Close())
	}
	if err := j.scan(); err != nil {
		return nil, errors.Join(fmt.Errorf("read block file %s: %w", path, err), f.Close())
	}
	return j, nil
}

// scan finds the whole records and cuts off the rest. A damaged record that is
// followed by others is not the mark of a crash and is refused.
func (j *journal) scan() error {
	info, err := j.f.Stat()
	if err != nil {
		return err
	}
	r := bufio.NewReaderSize(j.f, 1<<20)
	var head [8]byte
	for {
		if _, err := io.ReadFull(r, head[:]); err != nil {
			break
		}
		n := binary.BigEndian.Uint32(head[:4])
		if n > maxRecord || j.end+8+int64(n) > info.Size() {
			break
		}
		data := make([]byte, n)
		if _, err := io.ReadFull(r, data); err != nil {
			return err
		}
		next := j.end + 8 + int64(n)
		if crc32.Checksum(data, castagnoli) != binary.BigEndian.Uint32(head[4:]) {
			if next < info.Size() {
				return fmt.Errorf("record %d at byte %d is damaged", len(j.at), j.end)
			}
			break
		}
		j.at, j.size = append(j.at, j.end+8), append(j.size, int(n))
		j.end = next
	}
	if j.end == info.Size() {
		return nil
	}
	if err := j.f.Truncate(j.end); err != nil {
		return err
	}
	return j.f.Sync()
}

func (j *journal) len() int { return len(j.at) }

// read returns record i.
func (j *journal) read(i int) ([]byte, error) {
	data := make([]byte, j.size[i])
	if _, err := j.f.ReadAt(data, j.at[i]); err != nil {
		return nil, fmt.Errorf("read record %d: %w", i, err)
	}
	return data, nil
}

// append adds a record and returns once it is on the disk.
func (j *journal) append(data []byte) error {
	rec := make([]byte, 8, 8+len(data))
	binary.BigEndian.PutUint32(rec, uint32(len(data)))
	binary.BigEndian.PutUint32(rec[4:], crc32.Checksum(data, castagnoli))
	rec = append(rec, data...)
	if _, err := j.f.WriteAt(rec, j.end); err != nil {
		return fmt.Errorf("append record: %w", err)
	}
	if err := j.f.Sync(); err != nil {
		return fmt.Errorf("append record: %w", err)
	}
	j.at, j.size = append(j.at, j.end+8), append(j.size, len(data))
	j.end += int64(len(rec))
	return nil
}

func (j *journal) close() error { return j.f.Close() }
