package login_test

import (
	"errors"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/killick-ledger/killick/gateway/login"
	"github.com/killick-ledger/killick/gateway/login/logintest"
)

func TestTickets(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		one, other := login.NewTickets(), login.NewTickets()
		text := one.New("a", time.Minute, []byte("content"))
		ticket, err := one.Read("a", text)
		if err != nil || string(ticket.Content) != "content" {
			t.Fatalf("%v, %v", ticket, err)
		}
		if text == one.New("a", time.Minute, []byte("content")) {
			t.Error("two tickets are alike")
		}
		changed := "A" // of the same alphabet
		if text[0] == 'A' {
			changed = "B"
		}
		for name, read := range map[string]func() error{
			"of another kind":  func() error { _, err := one.Read("b", text); return err },
			"of another maker": func() error { _, err := other.Read("a", text); return err },
			"changed":          func() error { _, err := one.Read("a", changed+text[1:]); return err },
			"cut short":        func() error { _, err := one.Read("a", text[:len(text)-4]); return err },
			"empty":            func() error { _, err := one.Read("a", ""); return err },
			"too long":         func() error { _, err := one.Read("a", strings.Repeat("A", 5000)); return err },
		} {
			if err := read(); !errors.Is(err, login.ErrTicket) {
				t.Errorf("%s: %v", name, err)
			}
		}
		if err := one.Spend(ticket); err != nil {
			t.Error(err)
		}
		for range 59 {
			if err := one.Spend(ticket); !errors.Is(err, login.ErrSpent) {
				t.Fatalf("spent again: %v", err)
			}
			time.Sleep(10 * time.Second) // also when what was spent is turned over
		}
		if _, err := one.Read("a", text); !errors.Is(err, login.ErrLate) {
			t.Errorf("late: %v", err)
		}
	})
}

// TestManyProofs: what anybody can send takes nobody's place. Where there is no room for
// proofs their nonces are used up, and no proof is taken twice then or later.
func TestManyProofs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tickets := login.NewTickets()
		nonce := func() *login.Ticket {
			ticket, err := tickets.Read("nonce", tickets.New("nonce", 5*time.Minute, nil))
			if err != nil {
				t.Fatal(err)
			}
			return ticket
		}
		common, own := nonce(), nonce()
		for i := range login.MaxProofs {
			if err := tickets.SpendProof("key", strconv.Itoa(i), common); err != nil {
				t.Fatal(err)
			}
		}
		for _, step := range []struct {
			name, id string
			nonce    *login.Ticket
			want     error
		}{
			{"one more", "a", own, nil},
			{"again", "a", own, login.ErrNonce},
			{"another with its nonce", "b", own, login.ErrNonce},
			{"another with the common nonce", "c", common, nil},
			{"one that was remembered", "0", nonce(), login.ErrSpent},
			{"one that is new", "d", nonce(), nil},
		} {
			if err := tickets.SpendProof("key", step.id, step.nonce); !errors.Is(err, step.want) {
				t.Errorf("%s: %v, want %v", step.name, err, step.want)
			}
		}
		time.Sleep(login.ProofLife)
		if err := tickets.SpendProof("key", "a", own); !errors.Is(err, login.ErrNonce) {
			t.Errorf("again once there is room: %v", err)
		}
		if err := errors.Join(tickets.SpendProof("key", "e", nonce()), tickets.SpendProof("key", "f", nonce())); err != nil {
			t.Error(err)
		}
		if err := tickets.SpendProof("key", "0", nonce()); !errors.Is(err, login.ErrSpent) {
			t.Errorf("the first: %v", err)
		}
		time.Sleep(2 * login.ProofLife)
		if err := tickets.SpendProof("key", "0", nonce()); err != nil {
			t.Errorf("the first, much later: %v", err)
		}
	})
}

// TestManyTickets: using tickets up takes no room, and one that is beyond the window is
// not taken for one that was not used.
func TestManyTickets(t *testing.T) {
	tickets := login.NewTickets()
	made := func() *login.Ticket {
		ticket, err := tickets.Read("a", tickets.New("a", time.Hour, nil))
		if err != nil {
			t.Fatal(err)
		}
		return ticket
	}
	used, kept := made(), made()
	if err := tickets.Spend(used); err != nil {
		t.Fatal(err)
	}
	tickets.Skip(login.Window - 2)
	if err := errors.Join(tickets.Spend(kept), tickets.Spend(made())); err != nil { // the place of used
		t.Error(err)
	}
	if err := tickets.Spend(used); !errors.Is(err, login.ErrLate) {
		t.Errorf("used: %v", err)
	}
	if err := tickets.SpendProof("key", "id", used); !errors.Is(err, login.ErrNonce) {
		t.Errorf("as a nonce: %v", err)
	}
}

func TestProofsAreKeptApart(t *testing.T) {
	tickets := login.NewTickets()
	nonce, err := tickets.Read("a", tickets.New("a", time.Minute, nil))
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(tickets.SpendProof("a", "bc", nonce), tickets.SpendProof("ab", "c", nonce), tickets.SpendProof("abc", "", nonce)); err != nil {
		t.Error(err)
	}
}

// FuzzRead: no text brings the reader down, and none is taken that was not handed out.
func FuzzRead(f *testing.F) {
	tickets := login.NewTickets()
	f.Add(tickets.New("other", time.Hour, []byte("x")))
	f.Fuzz(func(t *testing.T, text string) {
		if _, err := tickets.Read("kind", text); err == nil {
			t.Fatalf("%q was taken", text)
		}
	})
}

// FuzzAssertion: no text brings the decoder down.
func FuzzAssertion(f *testing.F) {
	key := logintest.NewKey("EdDSA")
	f.Add(key.JWS(logintest.Claims{"typ": "killick-login", "kid": key.KeyID()}, logintest.Claims{
		"iss": key.DID(), "sub": key.DID(), "aud": origin, "nonce": "n", "iat": 1, "exp": 2, "cnf": logintest.Claims{"jkt": "x"},
	}))
	f.Fuzz(func(t *testing.T, compact string) { _ = login.DecodeAssertion(compact) })
}

// FuzzURL: the form that is compared is its own form.
func FuzzURL(f *testing.F) {
	for _, text := range []string{origin + "/page", "HTTPS://Gateway.example:443/%7ea/../b%2F?x#y", "http://[::1]:80", "https://a//b/./c/..", "https://a/%zz", "https:opaque"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		one, ok := login.NormalURL(text)
		if !ok {
			return
		}
		if two, ok := login.NormalURL(one); !ok || two != one || !login.SameURL(text, one) {
			t.Fatalf("%q, %q, %q, %v", text, one, two, ok)
		}
	})
}

// FuzzProof: no DPoP header brings the service down, and none is taken.
func FuzzProof(f *testing.F) {
	key := logintest.NewKey("ES256")
	f.Add(key.JWS(logintest.Claims{"typ": "dpop+jwt", "jwk": key.JWK()}, logintest.Claims{"jti": "a", "htm": "POST", "htu": origin + "/v1/token", "iat": 1, "nonce": "x"}))
	w := begin(&testing.T{})
	c := w.client()
	f.Fuzz(func(t *testing.T, proof string) {
		a := c.Send("POST", "/v1/token", "application/x-www-form-urlencoded", "grant_type="+logintest.BearerGrant+"&assertion=x", "DPoP", proof)
		if a.Status == 200 || a.Status >= 500 {
			t.Fatalf("%d %s", a.Status, a.Body)
		}
	})
}
