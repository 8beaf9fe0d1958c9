//go:build cgo && hsm

package main

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/miekg/pkcs11"

	"github.com/killick-ledger/killick/anchor/signer"
	"github.com/killick-ledger/killick/anchor/signer/signertest"
)

const pin = "2468"

// softToken makes a token of SoftHSM2 with key pairs, and returns its module.
func softToken(t *testing.T, pairs ...string) (module, pinFile string) {
	t.Helper()
	module = os.Getenv("KILLICK_PKCS11")
	if module == "" {
		t.Fatal("KILLICK_PKCS11 must name libsofthsm2.so: run make hsm")
	}
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "tokens"), 0o700); err != nil {
		t.Fatal(err)
	}
	t.Setenv("SOFTHSM2_CONF", write(t, filepath.Join(dir, "softhsm2.conf"), "directories.tokendir = "+filepath.Join(dir, "tokens")+"\nobjectstore.backend = file\n"))
	p := pkcs11.New(module)
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	must(p.Initialize())
	t.Cleanup(func() { _ = p.Finalize() })
	slots, err := p.GetSlotList(false)
	must(err)
	must(p.InitToken(slots[0], "so-pin", "killick"))
	slots, err = p.GetSlotList(true)
	must(err)
	s, err := p.OpenSession(slots[0], pkcs11.CKF_SERIAL_SESSION|pkcs11.CKF_RW_SESSION)
	must(err)
	must(p.Login(s, pkcs11.CKU_SO, "so-pin"))
	must(p.InitPIN(s, pin))
	must(p.Logout(s))
	must(p.Login(s, pkcs11.CKU_USER, pin))
	for _, name := range pairs {
		label, curve, _ := strings.Cut(name, "@")
		params := secp256k1OID
		if curve == "P-256" {
			params = []byte{0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07}
		}
		_, _, err := p.GenerateKeyPair(s, []*pkcs11.Mechanism{pkcs11.NewMechanism(pkcs11.CKM_EC_KEY_PAIR_GEN, nil)},
			[]*pkcs11.Attribute{pkcs11.NewAttribute(pkcs11.CKA_LABEL, label), pkcs11.NewAttribute(pkcs11.CKA_TOKEN, true),
				pkcs11.NewAttribute(pkcs11.CKA_VERIFY, true), pkcs11.NewAttribute(pkcs11.CKA_EC_PARAMS, params)},
			[]*pkcs11.Attribute{pkcs11.NewAttribute(pkcs11.CKA_LABEL, label), pkcs11.NewAttribute(pkcs11.CKA_TOKEN, true),
				pkcs11.NewAttribute(pkcs11.CKA_PRIVATE, true), pkcs11.NewAttribute(pkcs11.CKA_SENSITIVE, true),
				pkcs11.NewAttribute(pkcs11.CKA_EXTRACTABLE, false), pkcs11.NewAttribute(pkcs11.CKA_SIGN, true)})
		must(err)
	}
	must(p.Logout(s))
	must(p.CloseSession(s))
	return module, write(t, filepath.Join(dir, "pin"), pin+"\n")
}

func TestToken(t *testing.T) {
	module, pinFile := softToken(t, "attest", "sender")
	cfg := func(key string) *tokenConfig {
		return &tokenConfig{Module: module, Label: "killick", PIN: pinFile, Key: key}
	}
	keys, files := start(t, []keyConfig{{Token: cfg("attest")}, {Token: cfg("sender")}})
	if keys[0].Address() == keys[1].Address() {
		t.Error("two pairs have one address")
	}
	for i, f := range files {
		t.Run(fmt.Sprint("in the process ", i), func(t *testing.T) { signertest.Run(t, keys[i]) })
		t.Run(fmt.Sprint("over the wire ", i), func(t *testing.T) {
			k, err := signer.Open(f)
			if err != nil {
				t.Fatal(err)
			}
			signertest.Run(t, k)
		})
	}
}

// A token that was away is used again when it is back, and a request meanwhile is no
// signature of anything.
func TestTokenComesBack(t *testing.T) {
	module, pinFile := softToken(t, "sender")
	k, err := openToken(tokenConfig{Module: module, Label: "killick", PIN: pinFile, Key: "sender"})
	if err != nil {
		t.Fatal(err)
	}
	p := pkcs11.New(module)
	slots, err := p.GetSlotList(true)
	if err != nil {
		t.Fatal(err)
	}
	for range 3 {
		for _, s := range slots { // as when somebody pulls it
			if err := p.CloseAllSessions(s); err != nil {
				t.Fatal(err)
			}
		}
		digest := sha256.Sum256([]byte("digest"))
		if sig, err := k.Sign(t.Context(), digest); err == nil || errors.Is(err, signer.ErrWrong) || sig != [65]byte{} {
			t.Errorf("without a session: %x, %v", sig, err)
		}
		if _, err := k.Sign(t.Context(), digest); err != nil {
			t.Errorf("afterwards: %v", err)
		}
	}
}

func TestTokenRefuses(t *testing.T) {
	module, pinFile := softToken(t, "sender", "twice", "twice", "other@P-256")
	for name, c := range map[string]struct {
		cfg  tokenConfig
		want string
	}{
		"another token":  {tokenConfig{module, "none", pinFile, "sender"}, "is in none of"},
		"no such key":    {tokenConfig{module, "killick", pinFile, "none"}, "0 private keys"},
		"two such keys":  {tokenConfig{module, "killick", pinFile, "twice"}, "2 private keys"},
		"another curve":  {tokenConfig{module, "killick", pinFile, "other"}, "not on the curve"},
		"no PIN file":    {tokenConfig{module, "killick", pinFile + "x", "sender"}, "PIN: "},
		"another module": {tokenConfig{pinFile, "killick", pinFile, "sender"}, "no PKCS#11 module"},
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := openToken(c.cfg); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%v, want %q", err, c.want)
			}
		})
	}
}

// pulled ends all sessions, and with them the logins, of keys of one token.
func pulled(t *testing.T, names ...string) (keys []*signer.Key, pinFile string) {
	t.Helper()
	module, pinFile := softToken(t, names...)
	for _, name := range names {
		k, err := openToken(tokenConfig{Module: module, Label: "killick", PIN: pinFile, Key: name})
		if err != nil {
			t.Fatal(err)
		}
		keys = append(keys, k)
	}
	p := pkcs11.New(module)
	slots, err := p.GetSlotList(true)
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range slots {
		_ = p.CloseAllSessions(s) // one holds no token
	}
	for i, k := range keys {
		if _, err := k.Sign(t.Context(), [32]byte{1}); err == nil { // finds that its session is gone
			t.Errorf("key %d signed without a session", i)
		}
	}
	return keys, pinFile
}

// A token that did not take a PIN is asked no more, for however many keys.
func TestTokenPINOnce(t *testing.T) {
	keys, pinFile := pulled(t, "attest", "sender")
	for i, wrong := range []string{"1357", pin} { // the second would be let in
		write(t, pinFile, wrong)
		if _, err := keys[i].Sign(t.Context(), [32]byte{1}); err == nil || !strings.Contains(err.Error(), "PIN_INCORRECT: not tried again") {
			t.Errorf("key %d: %v", i, err)
		}
	}
}

// Whatever error a token has for a wrong PIN, only one that says that nobody was there to
// be asked has the PIN tried again.
func TestTookPIN(t *testing.T) {
	for err, want := range map[pkcs11.Error]bool{
		pkcs11.CKR_PIN_INCORRECT: true, pkcs11.CKR_PIN_LOCKED: true, pkcs11.CKR_GENERAL_ERROR: true, pkcs11.CKR_FUNCTION_FAILED: true,
		pkcs11.CKR_VENDOR_DEFINED + 7: true, pkcs11.CKR_DEVICE_ERROR: true,
		pkcs11.CKR_TOKEN_NOT_PRESENT: false, pkcs11.CKR_DEVICE_REMOVED: false, pkcs11.CKR_SESSION_HANDLE_INVALID: false,
	} {
		if got := tookPIN(fmt.Errorf("log in: %w", err)); got != want {
			t.Errorf("%v: %t", err, got)
		}
	}
}

// A token that hangs while somebody logs in holds up no key of another one.
func TestTokenHangs(t *testing.T) {
	logins.Store("1 hung", &loginState{})
	hung, _ := logins.Load("1 hung")
	hung.(*loginState).Lock() // as within a call of its module, for good
	module, pinFile := softToken(t, "sender")
	opened := make(chan error, 1)
	go func() {
		_, err := openToken(tokenConfig{Module: module, Label: "killick", PIN: pinFile, Key: "sender"})
		opened <- err
	}()
	select {
	case err := <-opened:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(time.Minute):
		t.Fatal("it waits")
	}
}

// A token that would lock itself is not given a PIN, not even the right one; a process
// that is logged in needs none.
func TestTokenFinalTry(t *testing.T) {
	module, pinFile := softToken(t, "sender")
	cfg := tokenConfig{Module: module, Label: "killick", PIN: pinFile, Key: "sender"}
	k := &token{cfg: cfg, module: pkcs11.New(module)}
	slot, info, err := k.slot()
	if err != nil {
		t.Fatal(err)
	}
	last := info
	last.Flags |= pkcs11.CKF_USER_PIN_FINAL_TRY
	if k.session, err = k.module.OpenSession(slot, pkcs11.CKF_SERIAL_SESSION); err != nil {
		t.Fatal(err)
	}
	if _, err := k.find(last); err == nil || !strings.Contains(err.Error(), "would lock the token") {
		t.Errorf("a last try: %v", err)
	}
	for _, i := range []pkcs11.TokenInfo{info, last} {
		if _, err := k.find(i); err != nil {
			t.Error(err)
		}
	}
}
