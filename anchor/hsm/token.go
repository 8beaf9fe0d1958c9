//go:build cgo

package main

import (
	"bytes"
	"context"
	"encoding/asn1"
	"errors"
	"fmt"
	"sync"

	"github.com/decred/dcrd/dcrec/secp256k1/v4"
	"github.com/miekg/pkcs11"

	"github.com/killick-ledger/killick/anchor/signer"
	"github.com/killick-ledger/killick/chaincode/canon"
)

// secp256k1OID is the curve's object identifier in DER, as CKA_EC_PARAMS holds it.
var secp256k1OID = []byte{0x06, 0x05, 0x2b, 0x81, 0x04, 0x00, 0x0a}

// token signs with one key in a PKCS#11 token. A session that has failed is let go and
// opened anew by the next signature: tokens are pulled, and network ones start anew.
type token struct {
	cfg    tokenConfig
	module *pkcs11.Ctx

	mu      sync.Mutex // a session does one thing at a time
	open    bool
	session pkcs11.SessionHandle
	private pkcs11.ObjectHandle
	address [20]byte
}

// logins are the *loginState of each token, by serial number and label.
var logins sync.Map

// loginState is that a token did not take a PIN. It counts wrong ones for all of its keys
// together, and locks itself after a few: one is tried, whoever asks. A token that hangs
// holds up its own keys alone.
type loginState struct {
	sync.Mutex
	refused error
}

// openToken loads the module, logs in, and finds the key pair.
func openToken(cfg tokenConfig) (*signer.Key, error) {
	t := &token{cfg: cfg, module: pkcs11.New(cfg.Module)}
	if t.module == nil {
		return nil, fmt.Errorf("token: %s is no PKCS#11 module", cfg.Module)
	}
	// One process initialises a module once, for however many keys.
	if err := t.module.Initialize(); err != nil && !errors.Is(err, pkcs11.Error(pkcs11.CKR_CRYPTOKI_ALREADY_INITIALIZED)) {
		return nil, fmt.Errorf("token: initialise %s: %w", cfg.Module, err)
	}
	address, err := t.begin()
	if err != nil {
		return nil, err
	}
	t.address = address
	return signer.New(address, t), nil
}

// Sign implements signer.Device. A module cannot be told to give up: whoever waits does.
func (t *token) Sign(_ context.Context, digest [32]byte) (rs [64]byte, err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.open {
		address, err := t.begin()
		if err != nil {
			return rs, err
		}
		if address != t.address {
			t.end()
			return rs, fmt.Errorf("token %q: key %q is another one than before", t.cfg.Label, t.cfg.Key)
		}
	}
	err = t.module.SignInit(t.session, []*pkcs11.Mechanism{pkcs11.NewMechanism(pkcs11.CKM_ECDSA, nil)}, t.private)
	var raw []byte
	if err == nil {
		raw, err = t.module.Sign(t.session, digest[:])
	}
	if err == nil && len(raw) != len(rs) {
		err = fmt.Errorf("a signature of %d bytes", len(raw))
	}
	if err != nil {
		t.end()
		return rs, fmt.Errorf("token %q: sign: %w", t.cfg.Label, err)
	}
	return [64]byte(raw), nil
}

// begin opens a session, logs in and finds the key; it returns the key's address.
func (t *token) begin() (address [20]byte, err error) {
	slot, info, err := t.slot()
	if err != nil {
		return address, err
	}
	// Read only: this program changes nothing in a token.
	if t.session, err = t.module.OpenSession(slot, pkcs11.CKF_SERIAL_SESSION); err != nil {
		return address, fmt.Errorf("token %q: open session: %w", t.cfg.Label, err)
	}
	t.open = true
	if address, err = t.find(info); err != nil {
		t.end()
		return address, fmt.Errorf("token %q: %w", t.cfg.Label, err)
	}
	return address, nil
}

// end lets the session go; a broken one cannot be closed, and need not be.
func (t *token) end() {
	_ = t.module.CloseSession(t.session)
	t.open = false
}

func (t *token) slot() (uint, pkcs11.TokenInfo, error) {
	slots, err := t.module.GetSlotList(true)
	if err != nil {
		return 0, pkcs11.TokenInfo{}, fmt.Errorf("token %q: list slots: %w", t.cfg.Label, err)
	}
	for _, s := range slots {
		if info, err := t.module.GetTokenInfo(s); err == nil && info.Label == t.cfg.Label {
			return s, info, nil
		}
	}
	return 0, pkcs11.TokenInfo{}, fmt.Errorf("token %q is in none of the %d slots of %s", t.cfg.Label, len(slots), t.cfg.Module)
}

// login logs in, unless the token has refused a PIN before, or would lock itself if this
// one were wrong.
func (t *token) login(info pkcs11.TokenInfo) error {
	pin, err := signer.ReadSecret(t.cfg.PIN)
	if err != nil {
		return fmt.Errorf("PIN: %w", err)
	}
	known, _ := logins.LoadOrStore(info.SerialNumber+" "+info.Label, &loginState{})
	state := known.(*loginState)
	state.Lock()
	defer state.Unlock()
	// A process is logged in to a token once, with whichever session.
	if s, err := t.module.GetSessionInfo(t.session); err == nil && (s.State == pkcs11.CKS_RO_USER_FUNCTIONS || s.State == pkcs11.CKS_RW_USER_FUNCTIONS) {
		return nil
	}
	if state.refused != nil {
		return state.refused
	}
	if info.Flags&pkcs11.CKF_USER_PIN_FINAL_TRY != 0 {
		return errors.New("log in: wrong PINs came before and one more would lock the token: not tried; log in once by the token maker's program")
	}
	err = t.module.Login(t.session, pkcs11.CKU_USER, pin)
	if err == nil || errors.Is(err, pkcs11.Error(pkcs11.CKR_USER_ALREADY_LOGGED_IN)) {
		return nil
	}
	if tookPIN(err) {
		err = fmt.Errorf("%w: not tried again until a new start, since tokens lock themselves", err)
		state.refused = err
	}
	return fmt.Errorf("log in: %w", err)
}

// tookPIN reports whether a token may have counted a wrong PIN with this error of a login.
// Makers have codes of their own for that, so all count but those that say that the token
// or the session was not there to be asked.
func tookPIN(err error) bool {
	for _, away := range []pkcs11.Error{
		pkcs11.CKR_TOKEN_NOT_PRESENT, pkcs11.CKR_TOKEN_NOT_RECOGNIZED, pkcs11.CKR_DEVICE_REMOVED, pkcs11.CKR_SLOT_ID_INVALID,
		pkcs11.CKR_SESSION_CLOSED, pkcs11.CKR_SESSION_HANDLE_INVALID, pkcs11.CKR_CRYPTOKI_NOT_INITIALIZED, pkcs11.CKR_USER_PIN_NOT_INITIALIZED,
	} {
		if errors.Is(err, away) {
			return false
		}
	}
	return true
}

// find logs in and looks for the pair.
func (t *token) find(info pkcs11.TokenInfo) (address [20]byte, err error) {
	if err := t.login(info); err != nil {
		return address, err
	}
	if t.private, err = t.object(pkcs11.CKO_PRIVATE_KEY); err != nil {
		return address, err
	}
	public, err := t.object(pkcs11.CKO_PUBLIC_KEY)
	if err != nil {
		return address, err
	}
	values, err := t.module.GetAttributeValue(t.session, public, []*pkcs11.Attribute{
		pkcs11.NewAttribute(pkcs11.CKA_EC_PARAMS, nil), pkcs11.NewAttribute(pkcs11.CKA_EC_POINT, nil),
	})
	if err != nil || len(values) != 2 {
		return address, fmt.Errorf("read public key %q: %w", t.cfg.Key, err)
	}
	if !bytes.Equal(values[0].Value, secp256k1OID) {
		return address, fmt.Errorf("key %q is not on the curve secp256k1", t.cfg.Key)
	}
	point := values[1].Value
	if len(point) != 65 { // PKCS#11 wraps the point; some tokens do not
		if _, err := asn1.Unmarshal(values[1].Value, &point); err != nil {
			return address, fmt.Errorf("public key %q: %w", t.cfg.Key, err)
		}
	}
	key, err := secp256k1.ParsePubKey(point)
	if err != nil {
		return address, fmt.Errorf("public key %q: %w", t.cfg.Key, err)
	}
	return canon.KeyAddress(key), nil
}

// object returns the one object of a class with the key's label.
func (t *token) object(class uint) (pkcs11.ObjectHandle, error) {
	if err := t.module.FindObjectsInit(t.session, []*pkcs11.Attribute{
		pkcs11.NewAttribute(pkcs11.CKA_CLASS, class), pkcs11.NewAttribute(pkcs11.CKA_LABEL, t.cfg.Key),
	}); err != nil {
		return 0, fmt.Errorf("look for key %q: %w", t.cfg.Key, err)
	}
	found, _, err := t.module.FindObjects(t.session, 2)
	if err := errors.Join(err, t.module.FindObjectsFinal(t.session)); err != nil {
		return 0, fmt.Errorf("look for key %q: %w", t.cfg.Key, err)
	}
	if len(found) != 1 {
		kind := map[uint]string{pkcs11.CKO_PRIVATE_KEY: "private", pkcs11.CKO_PUBLIC_KEY: "public"}[class]
		return 0, fmt.Errorf("%d %s keys with label %q, want one", len(found), kind, t.cfg.Key)
	}
	return found[0], nil
}
