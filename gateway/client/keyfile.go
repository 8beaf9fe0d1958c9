package client

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/killick-ledger/killick/chaincode/canon"
	"golang.org/x/crypto/argon2"
	"golang.org/x/crypto/chacha20poly1305"
)

// keyFile is a file of keys, JSON in strict form. The secret is sealed with
// XChaCha20-Poly1305 under a key that Argon2id derives from a passphrase; all
// other members are its additional data, as compact JSON with Sealed empty, so
// that none of them can be exchanged. docs/formats/keys.md specifies it.
type keyFile struct {
	Format    string `json:"format"`
	Kind      string `json:"kind"`
	Public    string `json:"public"` // base64url of what is known without the passphrase
	KDF       string `json:"kdf"`
	Time      uint32 `json:"time"`
	MemoryKiB uint32 `json:"memoryKiB"`
	Threads   uint8  `json:"threads"`
	Salt      string `json:"salt"`
	Cipher    string `json:"cipher"`
	Nonce     string `json:"nonce"`
	Sealed    string `json:"sealed"`
}

const (
	keyFormat = "killick-keys-1"
	keyKDF    = "argon2id"
	keyCipher = "xchacha20-poly1305"

	// Argon2id at the second recommendation of RFC 9106: 64 MiB, 3 passes.
	kdfTime    = 3
	kdfMemory  = 64 << 10
	kdfThreads = 4
	// Files of others may ask for more, up to what no honest file needs.
	maxTime   = 16
	maxMemory = 1 << 20
	saltSize  = 16
)

// ErrPassphrase says that the passphrase is wrong, or that the file was changed;
// the two cannot be told apart.
var ErrPassphrase = errors.New("the passphrase does not open the key file")

func seal(kind string, public, secret, passphrase []byte) ([]byte, error) {
	if len(passphrase) == 0 {
		return nil, errors.New("the passphrase is empty")
	}
	random := make([]byte, saltSize+chacha20poly1305.NonceSizeX)
	if _, err := rand.Read(random); err != nil {
		return nil, fmt.Errorf("draw salt: %w", err)
	}
	salt, nonce := random[:saltSize], random[saltSize:]
	f := keyFile{
		Format: keyFormat, Kind: kind, Public: canon.B64(public), KDF: keyKDF, Time: kdfTime, MemoryKiB: kdfMemory, Threads: kdfThreads,
		Salt: canon.B64(salt), Cipher: keyCipher, Nonce: canon.B64(nonce),
	}
	head, err := canon.Marshal(f)
	if err != nil {
		return nil, err
	}
	aead, err := chacha20poly1305.NewX(argon2.IDKey(passphrase, salt, f.Time, f.MemoryKiB, f.Threads, chacha20poly1305.KeySize))
	if err != nil {
		return nil, err
	}
	f.Sealed = canon.B64(aead.Seal(nil, nonce, secret, head))
	return canon.Marshal(f)
}

// readKeyFile reads the part of a key file that needs no passphrase.
func readKeyFile(path, kind string) (keyFile, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return keyFile{}, fmt.Errorf("read key file: %w", err)
	}
	var f keyFile
	if err := canon.Decode(trimLine(data), &f); err != nil {
		return keyFile{}, fmt.Errorf("key file %s: %w", path, err)
	}
	if f.Format != keyFormat || f.KDF != keyKDF || f.Cipher != keyCipher {
		return keyFile{}, fmt.Errorf("key file %s: format %q with %q and %q is not known", path, f.Format, f.KDF, f.Cipher)
	}
	if f.Kind != kind {
		return keyFile{}, fmt.Errorf("key file %s holds a key of kind %q, want %q", path, f.Kind, kind)
	}
	if f.Time < 1 || f.Time > maxTime || f.MemoryKiB < 8 || f.MemoryKiB > maxMemory || f.Threads < 1 {
		return keyFile{}, fmt.Errorf("key file %s: parameters of %s are out of range", path, keyKDF)
	}
	return f, nil
}

func (f keyFile) public() ([]byte, error) { return canon.UnB64(f.Public) }

func (f keyFile) open(passphrase []byte) ([]byte, error) {
	salt, err := canon.UnB64(f.Salt)
	if err != nil || len(salt) < 8 {
		return nil, errors.New("key file: salt is malformed")
	}
	nonce, err := canon.UnB64(f.Nonce)
	if err != nil || len(nonce) != chacha20poly1305.NonceSizeX {
		return nil, errors.New("key file: nonce is malformed")
	}
	sealed, err := canon.UnB64(f.Sealed)
	if err != nil {
		return nil, errors.New("key file: sealed is malformed")
	}
	f.Sealed = ""
	head, err := canon.Marshal(f)
	if err != nil {
		return nil, err
	}
	aead, err := chacha20poly1305.NewX(argon2.IDKey(passphrase, salt, f.Time, f.MemoryKiB, f.Threads, chacha20poly1305.KeySize))
	if err != nil {
		return nil, err
	}
	secret, err := aead.Open(nil, nonce, sealed, head)
	if err != nil {
		return nil, ErrPassphrase
	}
	return secret, nil
}

// writeNew writes a file that must not exist, readable by its owner only, and
// syncs it: a key that is lost after its DID exists cannot be made again.
func writeNew(path string, data []byte) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("%s exists; keys are never overwritten", path)
	}
	if err != nil {
		return fmt.Errorf("write key file: %w", err)
	}
	_, err = f.Write(append(data, '\n'))
	return errors.Join(err, f.Sync(), f.Close())
}

func trimLine(data []byte) []byte {
	if n := len(data); n > 0 && data[n-1] == '\n' {
		return data[:n-1]
	}
	return data
}
