package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/killick-ledger/killick/gateway/client"
	"github.com/spf13/cobra"
)

// linked is the identity that a command is about: exactly one member is set.
type linked struct{ chain, account, web string }

func (l *linked) flags(c *cobra.Command) *cobra.Command {
	c.Flags().StringVar(&l.chain, "chain", "", "`chain` (CAIP-2 id): the account of the key file's own chain key there")
	c.Flags().StringVar(&l.account, "account", "", "`account` on a public chain (CAIP-10 id) whose key is elsewhere, in a wallet say")
	c.Flags().StringVar(&l.web, "web", "", "`URI` of another identity, for example https://social.example/@alice")
	c.MarkFlagsOneRequired("chain", "account", "web")
	c.MarkFlagsMutuallyExclusive("chain", "account", "web")
	return c
}

// text returns what names the identity.
func (l *linked) text(signer client.Signer) (string, error) {
	switch {
	case l.web != "":
		return l.web, nil
	case l.account != "":
		return l.account, nil
	}
	account, err := signer.Account(l.chain)
	return account.String(), err
}

// leaf returns the leaf of the identity and what names it.
func (l *linked) leaf(signer client.Signer) (leaf, text string, err error) {
	if text, err = l.text(signer); err != nil {
		return "", "", err
	}
	kind := client.KindAccount
	if l.web != "" {
		kind = client.KindWeb
	}
	leaf, err = signer.Leaf(kind, text)
	return leaf, text, err
}

// change submits an operation that is signed for the newest version of the signer's DID.
func (a *app) change(c *cobra.Command, l *linked, sign func(signer client.Signer, version string) (jws string, err error)) error {
	return a.signed(c, func(ctx context.Context, gateway *client.Client, signer client.Signer) error {
		now, err := gateway.Identity(ctx, signer.DID())
		if err != nil {
			return err
		}
		leaf, _, err := l.leaf(signer)
		if err != nil {
			return err
		}
		jws, err := sign(signer, now.GetVersion())
		if jws == "" || err != nil {
			return err
		}
		o, err := gateway.Submit(ctx, jws)
		if err != nil {
			return err
		}
		return a.done(o, "leaf", leaf)
	})
}

func (a *app) didLink() *cobra.Command {
	var l linked
	var signature string
	c := a.signing(l.flags(&cobra.Command{
		Use: "link", Short: "Link an account or another identity to a DID", Args: cobra.NoArgs,
		Long: `Link an account on a public chain, or another identity, to a DID. An account is linked
by its own key: with --chain that of the key file signs; with --account the text to be
signed is printed, for a wallet to sign as a personal message, and the same command with
--signature sends it. The DID must not change in between. Of an identity that --web names
the ledger sees a commitment only. An account can be paid from the next epoch on.`,
		Example: `  killick did link --keys alice.keys --chain eip155:1337
  killick did link --keys alice.keys --account eip155:1:0x52908400098527886e0f7030069857d2e4169ee7
  killick did link --keys alice.keys --web https://social.example/@alice`,
		RunE: func(c *cobra.Command, _ []string) error {
			return a.change(c, &l, func(signer client.Signer, version string) (string, error) {
				switch {
				case l.web != "":
					return signer.LinkWeb(l.web, version)
				case l.chain != "":
					return signer.LinkOwn(l.chain, version)
				case signature == "":
					text, err := signer.LinkText(l.account, version)
					if err != nil {
						return "", err
					}
					return "", a.show(map[string]string{"sign": text}, func(w io.Writer) {
						fmt.Fprintln(w, text)
						fmt.Fprintf(a.err, "sign the lines above with the key of %s, without a line break at the end, and give --signature\n", l.account)
					})
				}
				proof, err := client.ParseSignature(signature)
				if err != nil {
					return "", err
				}
				return signer.Link(l.account, proof, version)
			})
		},
	}))
	c.Flags().StringVar(&signature, "signature", "", "`hex` of the wallet's signature, 65 bytes, for --account")
	return c
}

func (a *app) didUnlink() *cobra.Command {
	var l linked
	return a.signing(l.flags(&cobra.Command{
		Use: "unlink", Short: "Take a linked account or identity from a DID", Args: cobra.NoArgs,
		Long: `Take a linked account or identity from a DID. It is under the identity root no more; an
account that was to be paid still is until the epoch ends, and then nobody is until
another one is preferred.`,
		Example: "  killick did unlink --keys alice.keys --web https://social.example/@alice",
		RunE: func(c *cobra.Command, _ []string) error {
			return a.change(c, &l, func(signer client.Signer, version string) (string, error) {
				kind := client.KindAccount
				if l.web != "" {
					kind = client.KindWeb
				}
				text, err := l.text(signer)
				if err != nil {
					return "", err
				}
				return signer.Unlink(kind, text, version)
			})
		},
	}))
}

func (a *app) didPrefer() *cobra.Command {
	return a.signing(&cobra.Command{
		Use: "prefer ACCOUNT|CHAIN|none", Short: "Choose which linked account is paid, from the next epoch on", Args: cobra.ExactArgs(1),
		Long: `Choose which linked account is paid from the next epoch on: its CAIP-10 id, or a chain
for the account of the key file's own chain key there, or none. What the current epoch
brings goes where it would have gone. Where no vault pays out on that chain, it says so:
"killick network" lists the vaults.`,
		Example: "  killick did prefer --keys alice.keys tron:0x2b6653dc",
		RunE: func(c *cobra.Command, args []string) error {
			return a.signed(c, func(ctx context.Context, gateway *client.Client, signer client.Signer) error {
				account := args[0]
				if own, err := signer.Account(account); err == nil {
					account = own.String()
				}
				body := account
				if body == "none" {
					body = ""
				}
				jws, err := signer.Prefer(body)
				if err != nil {
					return err
				}
				if err := a.preferring(ctx, gateway, body); err != nil {
					return err
				}
				o, err := gateway.Submit(ctx, jws)
				if err != nil {
					return err
				}
				return a.done(o, "payout", account)
			})
		},
	})
}

func (a *app) didIdentity() *cobra.Command {
	return &cobra.Command{
		Use: "identity DID", Short: "Show what anyone may know of what is linked to a DID", Args: cobra.ExactArgs(1),
		Long: `Show the identity root of a DID, the leaves under it, which of them is paid from which
epoch on, and whether a person is bound to the DID. DID may be a key file.`,
		RunE: func(c *cobra.Command, args []string) error {
			return a.connected(c, func(ctx context.Context, gateway *client.Client) error {
				did, err := a.didOf(ctx, gateway, args[0])
				if err != nil {
					return err
				}
				v, err := gateway.Identity(ctx, did)
				if err != nil {
					return err
				}
				return a.show(identityOf(v), func(w io.Writer) { printIdentity(w, v) })
			})
		},
	}
}

// identityOf is the answer with every member, also where it is zero.
func identityOf(v *client.Linked) map[string]any {
	leaves, payouts := []map[string]any{}, []map[string]any{}
	for _, l := range v.GetLeaves() {
		leaves = append(leaves, map[string]any{"leaf": l.GetLeaf(), "from": l.GetFrom()})
	}
	for _, p := range v.GetPayouts() {
		payouts = append(payouts, map[string]any{"epoch": p.GetEpoch(), "leaf": p.GetLeaf()})
	}
	return map[string]any{
		"did": v.GetDid(), "version": v.GetVersion(), "root": v.GetRoot(), "leaves": leaves, "payouts": payouts, "epoch": v.GetEpoch(),
		"bound": v.GetBound(), "organisations": v.GetOrganisations(),
	}
}

func printIdentity(w io.Writer, v *client.Linked) {
	fmt.Fprintf(w, "did          %s\nroot         %s\nepoch        %d\n", v.GetDid(), v.GetRoot(), v.GetEpoch())
	for _, l := range v.GetLeaves() {
		fmt.Fprintf(w, "leaf         %s (from epoch %d)\n", l.GetLeaf(), l.GetFrom())
	}
	for _, p := range v.GetPayouts() {
		to := p.GetLeaf()
		if to == "" {
			to = "nobody"
		}
		fmt.Fprintf(w, "paid         %s (from epoch %d)\n", to, p.GetEpoch())
	}
	person := "no person is bound"
	if v.GetBound() {
		person = "a person is bound"
	}
	fmt.Fprintf(w, "person       %s; vouched for by %s\n", person, strings.Join(append(v.GetOrganisations(), "no others"), ", "))
}

func (a *app) didDisclose() *cobra.Command {
	var l linked
	var out string
	c := a.signing(l.flags(&cobra.Command{
		Use: "disclose", Short: "Write a file that shows one linked identity and hides the others", Args: cobra.NoArgs,
		Long: `Write a file that shows that one account or identity is linked to a DID. Whoever has it
learns that, how many others there are, and nothing else. It is good until another
identity is linked or unlinked.`,
		Example: "  killick did disclose --keys alice.keys --web https://social.example/@alice --out alice.disclosure",
		RunE: func(c *cobra.Command, _ []string) error {
			return a.signed(c, func(ctx context.Context, gateway *client.Client, signer client.Signer) error {
				now, err := gateway.Identity(ctx, signer.DID())
				if err != nil {
					return err
				}
				text, err := l.text(signer)
				if err != nil {
					return err
				}
				kind := client.KindAccount
				if l.web != "" {
					kind = client.KindWeb
				}
				d, err := signer.Disclose(kind, text, now)
				if err != nil {
					return err
				}
				if err := writeNew(out, d); err != nil {
					return err
				}
				return a.show(map[string]string{"disclosure": out, "identity": d.Identity}, func(w io.Writer) {
					fmt.Fprintf(w, "disclosure   %s (shows %s)\n", out, d.Identity)
				})
			})
		},
	}))
	c.Flags().StringVar(&out, "out", "", "`file` to write; it must not exist (required)")
	require(c, "out")
	return c
}

func (a *app) didVerifyLink() *cobra.Command {
	var root string
	c := &cobra.Command{
		Use: "verify-link FILE", Short: "Check a file that shows a linked identity", Args: cobra.ExactArgs(1),
		Long: `Check a file that "killick did disclose" wrote, against the identity root that the
gateway answers for its DID, or against --root: that of a proof which killick-verify has
checked needs no gateway and trusts none. An account was linked by its own key; of another
identity the holder of the DID has said so. That the file comes from that holder, it does
not show.`,
		Example: "  killick did verify-link alice.disclosure",
		RunE: func(c *cobra.Command, args []string) error {
			data, err := os.ReadFile(args[0])
			if err != nil {
				return err
			}
			d, err := client.DecodeDisclosure([]byte(strings.TrimSpace(string(data))))
			if err != nil {
				return err
			}
			if root == "" {
				err := a.connected(c, func(ctx context.Context, gateway *client.Client) error {
					v, err := gateway.Identity(ctx, d.DID)
					root = v.GetRoot()
					if err == nil && root == "" {
						err = errors.New("nothing is linked to the DID")
					}
					return err
				})
				if err != nil {
					return err
				}
			}
			if err := d.Verify(root); err != nil {
				return err
			}
			return a.show(map[string]any{"did": d.DID, "kind": d.Kind, "identity": d.Identity, "root": root}, func(w io.Writer) {
				fmt.Fprintf(w, "%-12s %s\nis linked to %s\nunder        %s\n", d.Kind, d.Identity, d.DID, root)
			})
		},
	}
	c.Flags().StringVar(&root, "root", "", "identity root in `hex`, from a proof that was checked")
	return c
}

func (a *app) didBind() *cobra.Command {
	return a.signing(&cobra.Command{
		Use: "bind DID TAG", Short: "Vouch, as an identity verifier, for the person behind a DID", Args: cobra.ExactArgs(2),
		Long: `Vouch, with the keys of an accredited identity verifier, for the person behind a DID. TAG
is 64 hex digits: the HMAC of the evidence, made in the verifiers' HSM. The person is
bound when the verifier of another organisation has said the same. The evidence goes
nowhere.`,
		RunE: func(c *cobra.Command, args []string) error {
			return a.signed(c, func(ctx context.Context, gateway *client.Client, signer client.Signer) error {
				jws, err := signer.Bind(args[0], args[1])
				if err != nil {
					return err
				}
				o, err := gateway.Submit(ctx, jws)
				if err != nil {
					return err
				}
				return a.done(o, "did", args[0])
			})
		},
	})
}
