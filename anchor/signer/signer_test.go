package signer_test

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/decred/dcrd/dcrec/secp256k1/v4"
	"github.com/ethereum/go-ethereum/accounts/keystore"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/google/uuid"

	"github.com/killick-ledger/killick/anchor/signer"
	"github.com/killick-ledger/killick/anchor/signer/signertest"
	"github.com/killick-ledger/killick/chaincode/canon"
)

// priv is some key.
func priv(name string) *secp256k1.PrivateKey {
	seed := sha256.Sum256([]byte(name))
	return secp256k1.PrivKeyFromBytes(seed[:])
}

func write(t *testing.T, path, text string) string {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// gethKeystore is the key's keystore file as go-ethereum makes it.
func gethKeystore(t *testing.T, k *secp256k1.PrivateKey, pass string) string {
	t.Helper()
	plain, err := crypto.ToECDSA(k.Serialize())
	if err != nil {
		t.Fatal(err)
	}
	data, err := keystore.EncryptKey(&keystore.Key{Id: uuid.New(), Address: crypto.PubkeyToAddress(plain.PublicKey), PrivateKey: plain},
		pass, keystore.LightScryptN, keystore.LightScryptP)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

func TestEveryKind(t *testing.T) {
	k := priv("one")
	dir := t.TempDir()
	hex := write(t, filepath.Join(dir, "hex.key"), canon.Hex(k.Serialize())+"\n")
	store := write(t, filepath.Join(dir, "store.key"), gethKeystore(t, k, "open sesame"))
	write(t, signer.PassphraseFile(store), "open sesame\n")
	for name, path := range map[string]string{"hex": hex, "keystore": store, "remote": serve(t, signer.Software(k)).file(t)} {
		t.Run(name, func(t *testing.T) {
			opened, err := signer.Open(path)
			if err != nil {
				t.Fatal(err)
			}
			if opened.Address() != canon.KeyAddress(k.PubKey()) {
				t.Errorf("address %x", opened.Address())
			}
			signertest.Run(t, opened)
		})
	}
}

// Of a device everything is possible.
type device func(ctx context.Context, digest [32]byte) ([64]byte, error)

func (d device) Sign(ctx context.Context, digest [32]byte) ([64]byte, error) { return d(ctx, digest) }

func bare(k *secp256k1.PrivateKey, digest [32]byte) [64]byte {
	sig := canon.SignDigest(k, digest)
	return [64]byte(sig[:64])
}

func TestDevices(t *testing.T) {
	k, other := priv("one"), priv("two")
	away := errors.New("no token in the slot")
	order := crypto.S256().Params().N
	for name, c := range map[string]struct {
		device device
		want   error
	}{
		"high s": {func(_ context.Context, d [32]byte) ([64]byte, error) {
			rs := bare(k, d)
			s := new(big.Int).SetBytes(rs[32:])
			s.Sub(order, s).FillBytes(rs[32:])
			return rs, nil
		}, nil},
		"away":           {func(context.Context, [32]byte) ([64]byte, error) { return [64]byte{}, away }, away},
		"another key":    {func(_ context.Context, d [32]byte) ([64]byte, error) { return bare(other, d), nil }, signer.ErrWrong},
		"another digest": {func(_ context.Context, d [32]byte) ([64]byte, error) { return bare(k, sha256.Sum256(d[:])), nil }, signer.ErrWrong},
		"an old answer":  {func(context.Context, [32]byte) ([64]byte, error) { return bare(k, [32]byte{1}), nil }, signer.ErrWrong},
		"zeros":          {func(context.Context, [32]byte) ([64]byte, error) { return [64]byte{}, nil }, signer.ErrWrong},
		"r is zero": {func(_ context.Context, d [32]byte) ([64]byte, error) {
			rs := bare(k, d)
			clear(rs[:32])
			return rs, nil
		}, signer.ErrWrong},
		"s is zero": {func(_ context.Context, d [32]byte) ([64]byte, error) {
			rs := bare(k, d)
			clear(rs[32:])
			return rs, nil
		}, signer.ErrWrong},
		"s is the order": {func(_ context.Context, d [32]byte) ([64]byte, error) {
			rs := bare(k, d)
			order.FillBytes(rs[32:])
			return rs, nil
		}, signer.ErrWrong},
		"a bit off": {func(_ context.Context, d [32]byte) ([64]byte, error) {
			rs := bare(k, d)
			rs[40] ^= 1
			return rs, nil
		}, signer.ErrWrong},
	} {
		t.Run(name, func(t *testing.T) {
			key := signer.New(canon.KeyAddress(k.PubKey()), c.device)
			if c.want == nil {
				signertest.Run(t, key)
				return
			}
			sig, err := key.Sign(t.Context(), sha256.Sum256([]byte("what is signed")))
			if !errors.Is(err, c.want) || sig != [65]byte{} {
				t.Errorf("%x, %v; want %v and no signature", sig, err, c.want)
			}
			if c.want == away && errors.Is(err, signer.ErrWrong) {
				t.Error("a device that is away is not one that is wrong")
			}
		})
	}
}

func TestKeyFiles(t *testing.T) {
	k := priv("one")
	secret := canon.Hex(k.Serialize())
	dir := t.TempDir()
	good := gethKeystore(t, k, "right")
	for name, c := range map[string]struct{ text, pass, want string }{
		"too short":                {"abcd", "", "neither 64 hexadecimal digits"},
		"not of the curve":         {strings.Repeat("f", 64), "", "not a key of secp256k1"},
		"zero":                     {strings.Repeat("0", 64), "", "not a key of secp256k1"},
		"upper case":               {strings.ToUpper(secret), "", "neither 64 hexadecimal digits"},
		"no JSON":                  {"{", "", "not JSON"},
		"other JSON":               {`{"a":1}`, "x", "keystore"},
		"wrong passphrase":         {good, "wrong", "could not decrypt"},
		"no passphrase file":       {good, "", "passphrase"},
		"address of another key":   {changed(t, good, "address", strings.Repeat("a", 40)), "right", "it states address"},
		"remote without the rest":  {`{"remote":"https://h:1"}`, "", "cert, key and ca are needed"},
		"remote without TLS":       {`{"remote":"http://h:1","address":"0x` + strings.Repeat("a", 40) + `"}`, "", "want https://"},
		"remote with a path":       {`{"remote":"https://h:1/x"}`, "", "want https://"},
		"remote, member not known": {`{"remote":"https://h:1","timeout":3}`, "", "unknown field"},
		"remote, address":          {`{"remote":"https://h:1","address":"AA"}`, "", "address: want 0x"},
	} {
		t.Run(name, func(t *testing.T) {
			path := write(t, filepath.Join(dir, strings.ReplaceAll(name, " ", "-")), c.text)
			if c.pass != "" {
				write(t, signer.PassphraseFile(path), c.pass)
			}
			_, err := signer.Open(path)
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Fatalf("%v, want %q", err, c.want)
			}
			if strings.Contains(strings.ToLower(err.Error()), secret) || strings.Contains(err.Error(), c.text) {
				t.Errorf("the error quotes the file: %v", err)
			}
		})
	}
	path := write(t, filepath.Join(dir, "open"), secret)
	if err := os.Chmod(path, 0o640); err != nil {
		t.Fatal(err)
	}
	if _, err := signer.Open(path); err == nil || !strings.Contains(err.Error(), "can be read by others") {
		t.Errorf("readable by others: %v", err)
	}
}

func TestFiles(t *testing.T) {
	var files signer.Files
	path := write(t, filepath.Join(t.TempDir(), "store.key"), gethKeystore(t, priv("one"), "right"))
	write(t, signer.PassphraseFile(path), "wrong")
	if _, err := files.Open(path); err == nil {
		t.Error("opened with another passphrase")
	}
	write(t, signer.PassphraseFile(path), "right")
	first, err := files.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	if again, err := files.Open(path); err != nil || again != first {
		t.Errorf("opened again: %v", err)
	}
	write(t, path, canon.Hex(priv("two").Serialize()))
	if other, err := files.Open(path); err != nil || other.Address() != canon.KeyAddress(priv("two").PubKey()) {
		t.Errorf("a file that changed is the old one: %v", err)
	}
}

// A key where a file's name belongs is refused, and stands in no error.
func TestKeyInsteadOfName(t *testing.T) {
	secret := canon.Hex(priv("one").Serialize())
	for _, name := range []string{secret, "0x" + secret, secret + signer.Next, strings.ToUpper(secret),
		"PRIVATE+KEY+Org1MSP.net+00000000+" + secret, `{"crypto":"` + secret + `"}`} {
		_, err := signer.Open(name)
		if err == nil || !strings.Contains(err.Error(), "there is a key") || strings.Contains(strings.ToLower(err.Error()), secret) {
			t.Errorf("%v", err)
		}
	}
}

func TestNewFile(t *testing.T) {
	dir := t.TempDir()
	plain := filepath.Join(dir, "plain.key")
	locked := filepath.Join(dir, "locked.key")
	write(t, signer.PassphraseFile(locked), "a passphrase\n")
	for path, begins := range map[string]string{plain: "", locked: "{", locked + signer.Next: "{"} {
		text, err := signer.NewFile(path)
		if err != nil || !strings.HasPrefix(string(text), begins) {
			t.Fatalf("%s: %v", text, err)
		}
		k, err := signer.Open(write(t, path, string(text)))
		if err != nil {
			t.Fatal(err)
		}
		if sig, err := k.Sign(t.Context(), [32]byte{9}); err != nil || sig == [65]byte{} {
			t.Errorf("%s: %v", path, err)
		}
	}
	// One renaming replaces a key: the passphrase is that of both.
	if err := os.Rename(locked+signer.Next, locked); err != nil {
		t.Fatal(err)
	}
	if _, err := signer.Open(locked); err != nil {
		t.Error(err)
	}
	write(t, signer.PassphraseFile(locked), "\n")
	if _, err := signer.NewFile(locked); err == nil {
		t.Error("encrypted with nothing")
	}
}

func changed(t *testing.T, object, member, value string) string {
	t.Helper()
	m := map[string]any{}
	if err := json.Unmarshal([]byte(object), &m); err != nil {
		t.Fatal(err)
	}
	m[member] = value
	data, err := json.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}
