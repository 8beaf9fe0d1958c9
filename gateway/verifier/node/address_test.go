package node_test

import (
	"testing"

	"github.com/killick-ledger/killick/gateway/verifier/node"
)

// An operator's document leads a node to public addresses alone, in whatever form they
// are written.
func TestPublicOnly(t *testing.T) {
	for address, want := range map[string]bool{
		"93.184.216.34:443": true, "[2606:2800:220:1::1]:443": true, "[::ffff:93.184.216.34]:443": true,
		"127.0.0.1:443": false, "10.1.2.3:443": false, "172.16.0.1:443": false, "192.168.1.1:443": false, "169.254.169.254:80": false,
		"100.64.0.1:443": false, "0.0.0.0:443": false, "0.1.2.3:443": false, "224.0.0.1:443": false, "255.255.255.255:443": false,
		"192.0.0.192:80": false, "198.18.0.1:443": false, "240.0.0.1:443": false,
		"[::1]:443": false, "[fe80::1%eth0]:443": false, "[fc00::1]:443": false, "[fec0::1]:443": false, "[fec0::1%eth0]:443": false, "[::]:443": false,
		"[::ffff:127.0.0.1]:443": false, "[::7f00:1]:443": false, "[64:ff9b::a9fe:a9fe]:80": false, "[64:ff9b:1::7f00:1]:443": false,
		"[2002:7f00:1::]:443": false, "[2001:0:7f00:1::]:443": false, "name:443": false,
	} {
		if err := node.PublicOnly(address); (err == nil) != want {
			t.Errorf("%s: %v", address, err)
		}
	}
}
