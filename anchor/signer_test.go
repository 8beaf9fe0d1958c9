package main

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/decred/dcrd/dcrec/secp256k1/v4"

	"github.com/killick-ledger/killick/anchor/signer"
	"github.com/killick-ledger/killick/chaincode/canon"
)

// moody is a member's device, which is at times away or has another key.
type moody struct {
	key   *secp256k1.PrivateKey
	away  bool
	wrong bool
	asked int
}

func (d *moody) Sign(_ context.Context, digest [32]byte) (rs [64]byte, err error) {
	d.asked++
	if d.away {
		return rs, errors.New("no token in the slot")
	}
	if d.wrong {
		digest[0] ^= 1
	}
	sig := canon.SignDigest(d.key, digest)
	return [64]byte(sig[:64]), nil
}

// moods puts the key of every member that attests behind a device.
func (w *world) moods() []*moody {
	var all []*moody
	for _, m := range w.members {
		d := &moody{key: secp256k1.PrivKeyFromBytes(m.seed[:])}
		k := *m.keys
		k.attest = signer.New(k.attest.Address(), d)
		m.keys = &k
		m.stop()
		m.start()
		all = append(all, d)
	}
	return all
}

// KE-2: a signer that is away or wrong is an alarm; when it is back there are checkpoints
// again, also of a ledger on which nothing else has happened.
func TestSignerComesBack(t *testing.T) {
	t.Parallel()
	for name, ill := range map[string]struct {
		set  func(d *moody, on bool)
		want string
	}{
		"away":  {func(d *moody, on bool) { d.away = on }, "no token in the slot"},
		"wrong": {func(d *moody, on bool) { d.wrong = on }, signer.ErrWrong.Error()},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			devices := w.moods()
			for _, d := range devices {
				ill.set(d, true)
			}
			w.tickFor(30 * time.Second)
			blocks := len(w.blocks)
			w.tickFor(30 * time.Second)
			if len(w.blocks) != blocks || w.head().Number > 0 {
				t.Fatal("something happens without a signature")
			}
			for _, m := range w.members {
				if a := strings.Join(m.alarms.list(), "\n"); !strings.Contains(a, ill.want) {
					t.Errorf("%s: alarms %q", m.keys.msp, a)
				}
			}
			for _, d := range devices {
				ill.set(d, false)
			}
			w.until("a checkpoint", time.Minute, func() bool { return w.head().Number > 0 })
			w.until("anchored", time.Minute, func() bool { return w.anchored(1) })
			w.tickFor(5 * time.Second)
			w.quiet()
		})
	}
}

// A signer that hangs costs its time once in a while, however many candidates others put.
func TestSignerIsAskedOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.until("a checkpoint", 20*time.Second, func() bool { return w.head().Number > 0 })
	d := w.moods()[0]
	w.tickFor(time.Second)
	d.away, d.asked = true, 0
	for _, m := range w.members[1:] {
		m.asleep = true
	}
	for range 4 {
		w.cutRecord()
		w.now = w.now.Add(time.Second)
		m := w.members[0]
		if err := m.catchUp(t.Context()); err != nil {
			t.Fatal(err)
		}
		size := m.log.Size()
		root, err := m.log.Root(size)
		if err != nil {
			t.Fatal(err)
		}
		if err := w.lie(w.members[1], size, root, w.now); err != nil {
			t.Fatal(err)
		}
	}
	w.tick()
	if d.asked != 1 {
		t.Errorf("asked %d times", d.asked)
	}
	w.tickFor(again - time.Second)
	if d.asked != 1 {
		t.Errorf("asked %d times before the pause was over", d.asked)
	}
	w.tickFor(2 * time.Second)
	if d.asked != 2 {
		t.Errorf("asked %d times after it", d.asked)
	}
}

// KE-3: where the name of a key file belongs no key is taken, and no error quotes one.
func TestNoKeyInConfiguration(t *testing.T) {
	secret := strings.Repeat("5a", 32)
	for _, key := range []string{"cosign", "attest", "sender"} {
		for _, value := range []string{secret, "0x" + secret, "PRIVATE+KEY+Org1MSP.main-0011223344556677+01020304+AQ" + secret} {
			path, dir := writeConfig(t, keysYAML)
			cfg, err := readKeysConfig(path)
			if err != nil {
				t.Fatal(err)
			}
			if err := printKeys(new(strings.Builder), cfg, false); err != nil {
				t.Fatal(err)
			}
			text := strings.Replace(readFile(t, path), key+": "+filepath.Join(dir, "keys", key+".key"), key+": \""+value+"\"", 1)
			if !strings.Contains(text, value) {
				t.Fatal(text)
			}
			if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
			if cfg, err = readKeysConfig(path); err == nil {
				_, err = openKeys(cfg.Organisation, cfg.Network, cfg.Keys)
			}
			if err == nil || !strings.Contains(err.Error(), "there is a key") || strings.Contains(err.Error(), secret) {
				t.Errorf("%s: %v", key, err)
			}
			if err := printKeys(new(strings.Builder), cfg, false); err == nil || strings.Contains(err.Error(), secret) {
				t.Errorf("%s: keys made: %v", key, err)
			}
			if _, err := os.Stat(value); !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("a file is named by a key: %v", err)
			}
		}
	}
}

// KE-4: no program of the anchors reads a variable of the environment.
func TestNoEnvironment(t *testing.T) {
	files := 0
	err := filepath.WalkDir(".", func(path string, d fs.DirEntry, err error) error {
		if path == "verify" { // the auditor's program: it holds no key, and knows proxies
			return filepath.SkipDir
		}
		if err != nil || d.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return err
		}
		files++
		text := readFile(t, path)
		for _, call := range []string{"os.Getenv(", "os.LookupEnv(", "os.Environ(", "os.ExpandEnv(", "syscall.Getenv("} {
			if strings.Contains(text, call) {
				t.Errorf("%s calls %s", path, call)
			}
		}
		return nil
	})
	if err != nil || files < 50 {
		t.Errorf("%d files: %v", files, err)
	}
}
