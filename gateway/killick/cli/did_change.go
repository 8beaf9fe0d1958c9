package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/killick-ledger/killick/gateway/client"
	"github.com/spf13/cobra"
)

func (a *app) didUpdate() *cobra.Command {
	var rotate, alg string
	var keep bool
	var services, drop, dropKeys []string
	c := a.signing(&cobra.Command{
		Use: "update", Short: "Replace the signing key, or change the services of a DID", Args: cobra.NoArgs,
		Long: `Replace the signing key of a key file, change services, or both, and leave the rest of
the document as it is. The new key goes to a new file before anything is sent; from
then on the old file signs nothing more. The recovery key stays the same.

Credentials that the old key signed are void with it, unless --keep-credentials leaves
it in the document for them alone. Do not keep a key that somebody else may have.`,
		Example: `  killick did update --keys alice.keys --rotate alice2.keys
  killick did update --keys alice.keys --service files,LinkedDomains,https://alice.example`,
		RunE: func(c *cobra.Command, _ []string) error {
			return a.signed(c, func(ctx context.Context, gateway *client.Client, signer client.Signer) error {
				edit, err := gateway.Edit(ctx, signer.DID())
				if err != nil {
					return err
				}
				if err := editServices(edit, services, drop); err != nil {
					return err
				}
				for _, id := range dropKeys {
					if !edit.RemoveKey(strings.TrimPrefix(id, "#")) {
						return fmt.Errorf("the document has no key %s", id)
					}
				}
				var written []string
				if rotate != "" {
					next, err := edit.Rotate(signer, alg, keep)
					if err != nil {
						return err
					}
					if err := a.saveNew(next, rotate); err != nil {
						return err
					}
					written = append(written, rotate)
				}
				jws, err := signer.Update(edit)
				if err != nil {
					return err
				}
				return a.sendKeys(ctx, gateway, jws, signer.DID(), written...)
			})
		},
	})
	c.Flags().StringVar(&rotate, "rotate", "", "`file` for a new signing key that replaces that of --keys")
	c.Flags().BoolVar(&keep, "keep-credentials", false, "with --rotate: credentials that the old key signed stay good")
	c.Flags().StringArrayVar(&dropKeys, "remove-key", nil, "`fragment` of a key to remove; may be repeated")
	c.Flags().StringVar(&alg, "alg", "EdDSA", "`algorithm` of the new signing key: EdDSA, ES256 or ES256K")
	c.Flags().StringArrayVar(&services, "service", nil, "`service` to add or replace: fragment,type,https://...; may be repeated")
	c.Flags().StringArrayVar(&drop, "remove-service", nil, "`fragment` of a service to remove; may be repeated")
	c.MarkFlagsOneRequired("rotate", "service", "remove-service", "remove-key")
	return c
}

func editServices(edit *client.Edit, set, drop []string) error {
	for _, id := range drop {
		if !edit.RemoveService(strings.TrimPrefix(id, "#")) {
			return fmt.Errorf("the document has no service %s", id)
		}
	}
	for _, text := range set {
		parts := strings.SplitN(text, ",", 3)
		if len(parts) != 3 {
			return fmt.Errorf("service %q is not fragment,type,https://HOST", text)
		}
		edit.SetService(strings.TrimPrefix(parts[0], "#"), parts[1], parts[2])
	}
	return nil
}

// saveNew writes an identity to a new file, under a passphrase that is asked for.
func (a *app) saveNew(identity *client.Identity, path string) error {
	passphrase, err := a.ask("passphrase of "+path, true)
	if err != nil {
		return err
	}
	return identity.Save(path, passphrase)
}

// sendKeys submits an operation that puts the keys of the files in the place of
// others. They were written before: if we stop in between, the key that acts is on
// disk, whatever became of the operation. They stay when it was refused, too: that is
// the word of one gateway, which has the signed operation all the same.
func (a *app) sendKeys(ctx context.Context, gateway *client.Client, jws, name string, files ...string) error {
	o, err := gateway.Submit(ctx, jws)
	if err != nil && len(files) > 0 {
		return &kept{err, files}
	}
	if err != nil {
		return err
	}
	return a.done(o, "did", name)
}

// kept is why an operation may not have put the keys of the files in force.
type kept struct {
	error
	files []string
}

func (k *kept) Unwrap() error { return k.error }

// note tells people what to do with the files.
func (k *kept) note() string {
	return "; " + strings.Join(k.files, " and ") + " may be in force all the same: keep what you have until the ledger shows it or the operation has expired"
}

// recovering runs f with a connection and a recovery key.
func (a *app) recovering(c *cobra.Command, path string, f func(ctx context.Context, gateway *client.Client, recovery *client.Recovery, network string) error) error {
	return a.connected(c, func(ctx context.Context, gateway *client.Client) error {
		network, err := gateway.Network(ctx)
		if err != nil {
			return err
		}
		passphrase, err := a.ask("passphrase of "+path, false)
		if err != nil {
			return err
		}
		recovery, err := client.LoadRecovery(path, passphrase)
		if err != nil {
			return err
		}
		return f(ctx, gateway, recovery, network.GetNetwork())
	})
}

func (a *app) didRecover() *cobra.Command {
	var path, out, alg, payout string
	c := &cobra.Command{
		Use: "recover", Short: "Replace all keys of a DID with its recovery key", Args: cobra.NoArgs,
		Long: `Replace all keys of a DID, and the recovery key itself, which has been shown then. The
new document has the new signing key and no services; a deactivation that is pending
is cancelled, and so is what was linked, unlinked or preferred in this epoch. Linked
identities stay otherwise. The payout preference of "killick did create" stays while it is
in force; another one may be a thief's, and nobody is paid until you prefer an account
anew, or name it here with --payout. The new keys are written to NAME.keys and
NAME.recovery before anything is sent.`,
		Example: "  killick did recover --recovery alice.recovery --out alice2",
		RunE: func(c *cobra.Command, _ []string) error {
			return a.recovering(c, path, func(ctx context.Context, gateway *client.Client, recovery *client.Recovery, network string) error {
				identity, spare, err := recovery.Successors(alg)
				if err != nil {
					return err
				}
				signer := recovery.On(network)
				jws, err := signer.Recover(identity, payout)
				if err != nil {
					return err
				}
				if err := a.preferring(ctx, gateway, payout); err != nil {
					return err
				}
				passphrase, err := a.ask("new passphrase", true)
				if err != nil {
					return err
				}
				keys, spareFile, err := savePair(identity, spare, out, passphrase)
				if err != nil {
					return err
				}
				return a.sendKeys(ctx, gateway, jws, signer.DID(), keys, spareFile)
			})
		},
	}
	c.Flags().StringVar(&path, "recovery", "", "`file` of the recovery key (required)")
	c.Flags().StringVar(&out, "out", "", "`name` of the new files, for example alice2 (required)")
	c.Flags().StringVar(&alg, "alg", "EdDSA", "`algorithm` of the new signing key: EdDSA, ES256 or ES256K")
	c.Flags().StringVar(&payout, "payout", "", "linked `account` (CAIP-10 id) that is to be paid, from now on")
	require(c, "recovery", "out")
	return c
}

func (a *app) didDeactivate() *cobra.Command {
	var path string
	c := &cobra.Command{
		Use: "deactivate", Short: "End a DID for good", Args: cobra.NoArgs,
		Long: `End a DID for good: at once with its recovery key, or with --keys so that it can be
completed ("killick did complete") when the ledger's checkpoints have counted 72 hours.
Until then the DID works as before, and "killick did recover" cancels it.`,
		Example: "  killick did deactivate --recovery alice.recovery",
		RunE: func(c *cobra.Command, _ []string) error {
			if path == "" {
				return a.signed(c, func(ctx context.Context, gateway *client.Client, signer client.Signer) error {
					jws, err := signer.Deactivate()
					if err != nil {
						return err
					}
					return a.sendKeys(ctx, gateway, jws, signer.DID())
				})
			}
			return a.recovering(c, path, func(ctx context.Context, gateway *client.Client, recovery *client.Recovery, network string) error {
				signer := recovery.On(network)
				jws, err := signer.Deactivate()
				if err != nil {
					return err
				}
				return a.sendKeys(ctx, gateway, jws, signer.DID())
			})
		},
	}
	c.Flags().StringVar(&a.keys, "keys", "", "key `file` of the DID: deactivation is pending for 72 hours")
	c.Flags().StringVar(&path, "recovery", "", "`file` of the recovery key: at once")
	c.MarkFlagsOneRequired("keys", "recovery")
	c.MarkFlagsMutuallyExclusive("keys", "recovery")
	return c
}

func (a *app) didComplete() *cobra.Command {
	return a.signing(&cobra.Command{
		Use: "complete DID", Short: "Complete a deactivation that was pending for 72 hours", Args: cobra.ExactArgs(1),
		Long: "Complete the deactivation of a DID that was asked for with one of its keys when the\nledger's checkpoints have counted 72 hours since. Anyone may do so.",
		RunE: func(c *cobra.Command, args []string) error {
			return a.signed(c, func(ctx context.Context, gateway *client.Client, signer client.Signer) error {
				jws, err := signer.Complete(args[0])
				if err != nil {
					return err
				}
				return a.sendKeys(ctx, gateway, jws, args[0])
			})
		},
	})
}

// savePair writes a signing key and a recovery key to NAME.keys and NAME.recovery.
// The recovery key comes first: no key that acts may be there without it. One that
// belongs to no key must not lie about either.
func savePair(identity *client.Identity, recovery *client.Recovery, name string, passphrase []byte) (keys, recoveryFile string, err error) {
	base := strings.TrimSuffix(name, ".keys")
	keys, recoveryFile = base+".keys", base+".recovery"
	if err := recovery.Save(recoveryFile, passphrase); err != nil {
		return "", "", err
	}
	if err := identity.Save(keys, passphrase); err != nil {
		return "", "", errors.Join(err, os.Remove(recoveryFile))
	}
	return keys, recoveryFile, nil
}

// require makes flags that were added before required.
func require(c *cobra.Command, flags ...string) {
	for _, f := range flags {
		if err := c.MarkFlagRequired(f); err != nil {
			panic(err) // the flag was added before
		}
	}
}
