//go:build e2e

package e2e_test

import (
	"encoding/json"
	"errors"
	"testing"
	"time"

	"github.com/killick-ledger/killick/gateway/client"
)

// login logs a DID in at two organisations' gateways; once its key is rotated at one of
// them, the old key's login ends at both, and the new key logs in. (LO-2)
func (n *network) login(t *testing.T) {
	identity, _, err := client.Generate("ES256K", false)
	if err != nil {
		t.Fatal(err)
	}
	owner := identity.On(n.name)
	session := func(s client.Signer, org int) *client.Session {
		t.Helper()
		made, err := s.Session("http://"+n.Cluster.Orgs()[org].GatewayHTTP(), nil)
		if err != nil {
			t.Fatal(err)
		}
		return made
	}
	me := func(s *client.Session) (string, error) {
		answer, err := s.Call(t.Context(), "GET", "/v1/me", nil)
		if err != nil {
			return "", err
		}
		var v struct{ Key string }
		return v.Key, json.Unmarshal(answer, &v)
	}
	refused := func(err error) bool {
		var known *client.LoginError
		return errors.As(err, &known) && known.Code == "invalid_grant"
	}
	here, there := session(owner, 0), session(owner, 1)
	if _, err := me(here); !refused(err) {
		t.Errorf("a DID that is not there: %v", err)
	}
	jws, err := owner.Create(nil, "")
	if err == nil {
		_, err = n.Client.Submit(t.Context(), jws)
	}
	if err != nil {
		t.Fatal(err)
	}
	// The other organisation's peer may be a block behind.
	until := func(what string, s *client.Session, ok func(key string, err error) bool) {
		t.Helper()
		for deadline := time.Now().Add(time.Minute); ; time.Sleep(100 * time.Millisecond) {
			key, err := me(s)
			if ok(key, err) {
				return
			}
			if time.Now().After(deadline) {
				t.Fatalf("%s: %q %v", what, key, err)
			}
		}
	}
	until("logged in here", here, func(key string, err error) bool { return key == owner.KeyID() && err == nil })
	until("logged in there", there, func(key string, err error) bool { return key == owner.KeyID() && err == nil })

	edit := n.edit(t, owner.DID())
	next, err := edit.Rotate(owner, "EdDSA", false)
	if err != nil {
		t.Fatal(err)
	}
	update, err := owner.Update(edit)
	if err == nil {
		_, err = n.Client.Submit(t.Context(), update)
	}
	if err != nil {
		t.Fatal(err)
	}
	until("the old key has ended here", here, func(_ string, err error) bool { return refused(err) })
	until("the old key has ended there", there, func(_ string, err error) bool { return refused(err) })
	until("the new key logs in", session(next.On(n.name), 1), func(key string, err error) bool { return key == next.On(n.name).KeyID() && err == nil })
}
