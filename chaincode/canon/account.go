package canon

import (
	"strconv"
	"strings"

	"github.com/killick-ledger/killick/chaincode/fault"
	"github.com/mr-tron/base58"
)

// Account is an account or contract on a public chain. Chain is a CAIP-2 id;
// Address is 20 bytes, on Tron without the 0x41 prefix.
type Account struct {
	Chain   string
	Address [20]byte
}

// ParseAccount reads a CAIP-10 id in the one spelling that String gives:
// "eip155:1:0x" with lower-case hex, or "tron:0x2b6653dc:T...".
// Errors: fault.InvalidValue.
func ParseAccount(text string) (Account, error) {
	i := strings.LastIndexByte(text, ':')
	if i < 0 {
		return Account{}, fault.New(fault.InvalidValue, "want <chain>:<address>, a CAIP-10 id")
	}
	chain, address := text[:i], text[i+1:]
	if _, err := ChainNumber(chain); err != nil {
		return Account{}, err
	}
	a := Account{Chain: chain}
	if strings.HasPrefix(chain, "tron:") {
		addr, err := ParseTronAddress(address)
		a.Address = addr
		return a, err
	}
	if !strings.HasPrefix(address, "0x") {
		return Account{}, fault.New(fault.InvalidValue, "want an address that begins with 0x")
	}
	b, err := UnHex(address[2:], 20)
	if err != nil {
		return Account{}, err
	}
	copy(a.Address[:], b)
	return a, nil
}

// String returns the CAIP-10 id.
func (a Account) String() string {
	if strings.HasPrefix(a.Chain, "tron:") {
		return a.Chain + ":" + TronAddress(a.Address)
	}
	return a.Chain + ":0x" + Hex(a.Address[:])
}

// ChainNumber returns the number that contracts know a chain by: that of
// "eip155:<decimal>", or the four bytes of "tron:0x<8 hex>".
// Errors: fault.InvalidValue.
func ChainNumber(chain string) (uint64, error) {
	if n, ok := strings.CutPrefix(chain, "eip155:"); ok {
		v, err := strconv.ParseUint(n, 10, 53)
		if err == nil && strconv.FormatUint(v, 10) == n && v > 0 {
			return v, nil
		}
	}
	if n, ok := strings.CutPrefix(chain, "tron:0x"); ok {
		if b, err := UnHex(n, 4); err == nil {
			return uint64(b[0])<<24 | uint64(b[1])<<16 | uint64(b[2])<<8 | uint64(b[3]), nil
		}
	}
	return 0, fault.New(fault.InvalidValue, "chain %.80q is not eip155:<number> or tron:0x<8 hex digits>", chain)
}

// TronAddress returns the base58check form, which begins with T.
func TronAddress(a [20]byte) string {
	b := append([]byte{0x41}, a[:]...)
	return base58.Encode(append(b, checksum(b)...))
}

// tronLength is the length of every address that begins with the byte 0x41.
const tronLength = 34

// ParseTronAddress reads the base58check form. Errors: fault.InvalidValue.
func ParseTronAddress(text string) ([20]byte, error) {
	// Decoding base58 takes time that grows with the square of the length.
	if len(text) != tronLength {
		return [20]byte{}, fault.New(fault.InvalidValue, "%.40q is not a Tron address", text)
	}
	b, err := base58.Decode(text)
	if err != nil || len(b) != 25 || b[0] != 0x41 || string(checksum(b[:21])) != string(b[21:]) {
		return [20]byte{}, fault.New(fault.InvalidValue, "%q is not a Tron address", text)
	}
	return [20]byte(b[1:21]), nil
}

func checksum(b []byte) []byte {
	once := Sum(b)
	twice := Sum(once[:])
	return twice[:4]
}

// LinkText is what the key of a chain account signs to link it to a DID
// (docs/formats/did-method.md): the DID names the network, the account its chain, and
// version the one state of the DID for which the signature is good.
func LinkText(did string, account Account, version string) string {
	return "killick link v2\n" + did + "\n" + account.String() + "\n" + version
}

// LinkDigest is the hash of LinkText that is signed: EIP-191 on eip155, the form of
// TIP-191 on Tron.
func LinkDigest(did string, account Account, version string) [32]byte {
	text := LinkText(did, account, version)
	prefix := "\x19Ethereum Signed Message:\n"
	if strings.HasPrefix(account.Chain, "tron:") {
		prefix = "\x19TRON Signed Message:\n"
	}
	return Keccak([]byte(prefix), []byte(strconv.Itoa(len(text))), []byte(text))
}
