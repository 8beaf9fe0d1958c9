package signer

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/decred/dcrd/dcrec/secp256k1/v4"
	"github.com/ethereum/go-ethereum/accounts/keystore"
	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/google/uuid"

	"github.com/killick-ledger/killick/chaincode/canon"
)

// passphraseSuffix ends the name of the file with a keystore's passphrase.
const passphraseSuffix = ".pass"

// Next ends the name of a key file that is to replace the one without it. Both have one
// passphrase file, so that replacing is one renaming.
const Next = ".next"

// PassphraseFile returns the name of the file with the passphrase of a key file.
func PassphraseFile(path string) string { return strings.TrimSuffix(path, Next) + passphraseSuffix }

// Open opens a key file of one of three forms: the key as 64 hexadecimal digits; a
// go-ethereum keystore (JSON, version 3), with its passphrase in the file of the same
// name with .pass at the end; or JSON that names a remote signer. A remote signer is not
// asked for anything yet.
func Open(path string) (*Key, error) {
	text, err := ReadSecret(path)
	if err != nil {
		return nil, err
	}
	if !strings.HasPrefix(text, "{") {
		raw, err := canon.UnHex(text, 32)
		if err != nil { // which would quote it
			return nil, fmt.Errorf("key %s: neither 64 hexadecimal digits nor a keystore nor a remote signer", path)
		}
		key, err := FromBytes(raw)
		if err != nil {
			return nil, fmt.Errorf("key %s: %w", path, err)
		}
		return key, nil
	}
	var form struct {
		Remote *string `json:"remote"`
	}
	if err := json.Unmarshal([]byte(text), &form); err != nil {
		return nil, fmt.Errorf("key %s: not JSON: %w", path, err)
	}
	if form.Remote != nil {
		return openRemote(path, text)
	}
	return openKeystore(path, text)
}

func openKeystore(path, text string) (*Key, error) {
	pass, err := ReadSecret(PassphraseFile(path))
	if err != nil {
		// Not wrapped: that there is no passphrase does not mean that there is no key.
		return nil, fmt.Errorf("keystore %s: passphrase: %v", path, err)
	}
	opened, err := keystore.DecryptKey([]byte(text), pass)
	if err != nil {
		return nil, fmt.Errorf("keystore %s: %w", path, err)
	}
	var file struct {
		Address string `json:"address"`
	}
	// It was JSON when it was decrypted.
	_ = json.Unmarshal([]byte(text), &file)
	if file.Address != "" && common.HexToAddress(file.Address) != opened.Address {
		return nil, fmt.Errorf("keystore %s: it states address %.42s and holds the key of %s", path, file.Address, opened.Address)
	}
	return FromBytes(crypto.FromECDSA(opened.PrivateKey))
}

// Files opens key files again and again: a file that has not changed since is not
// decrypted a second time, which takes a second and a quarter of a gigabyte. The zero
// value is ready; it is not for concurrent use.
type Files struct{ opened map[[32]byte]*Key }

// Open is the function of that name.
func (f *Files) Open(path string) (*Key, error) {
	text, err := ReadSecret(path)
	if err != nil {
		return nil, err
	}
	pass, _ := os.ReadFile(PassphraseFile(path)) // whether it is needed, the function says
	is := canon.Sum([]byte(path), []byte(text), pass)
	k := f.opened[is]
	if k == nil {
		if k, err = Open(path); err != nil {
			return nil, err
		}
		if f.opened == nil {
			f.opened = map[[32]byte]*Key{}
		}
		f.opened[is] = k
	}
	return k, nil
}

// NewFile returns what to write into a new key file at path: a keystore when there is a
// passphrase file for it, else hexadecimal digits.
func NewFile(path string) ([]byte, error) {
	key, err := secp256k1.GeneratePrivateKey()
	if err != nil {
		return nil, fmt.Errorf("make key: %w", err)
	}
	if _, err := os.Stat(PassphraseFile(path)); os.IsNotExist(err) {
		return []byte(canon.Hex(key.Serialize()) + "\n"), nil
	}
	pass, err := ReadSecret(PassphraseFile(path))
	if err != nil {
		return nil, err
	}
	if pass == "" {
		return nil, fmt.Errorf("passphrase file %s is empty", PassphraseFile(path))
	}
	id, err := uuid.NewRandom()
	if err != nil {
		return nil, fmt.Errorf("make key: %w", err)
	}
	plain, err := crypto.ToECDSA(key.Serialize())
	if err != nil {
		return nil, fmt.Errorf("make key: %w", err)
	}
	data, err := keystore.EncryptKey(&keystore.Key{Id: id, Address: crypto.PubkeyToAddress(plain.PublicKey), PrivateKey: plain},
		pass, keystore.StandardScryptN, keystore.StandardScryptP)
	if err != nil {
		return nil, fmt.Errorf("make keystore: %w", err)
	}
	return append(data, '\n'), nil
}

// ReadSecret reads a file with a secret, without the newline at its end, and refuses one
// that others than its user can read.
func ReadSecret(path string) (string, error) {
	if err := CheckName(path); err != nil {
		return "", err
	}
	info, err := os.Stat(path)
	if err != nil {
		return "", fmt.Errorf("read key: %w", err)
	}
	if info.Mode().Perm()&0o077 != 0 {
		return "", fmt.Errorf("read key: %s can be read by others (%v): allow its user only", path, info.Mode().Perm())
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return "", fmt.Errorf("read key: %w", err)
	}
	return string(bytes.TrimSuffix(data, []byte("\n"))), nil
}

// CheckName refuses the name of a file that is no name but a key: hexadecimal digits, a
// keystore, or a note signer key. It does not quote it, which would put it into logs.
func CheckName(name string) error {
	digits := strings.TrimPrefix(strings.TrimSuffix(name, Next), "0x")
	if strings.HasPrefix(name, "{") || strings.HasPrefix(name, "PRIVATE+KEY+") ||
		len(digits) == 64 && strings.Trim(strings.ToLower(digits), "0123456789abcdef") == "" {
		return errors.New("where the name of a key file belongs there is a key: put it into a file of its own, and use it no more where others have seen it")
	}
	return nil
}
