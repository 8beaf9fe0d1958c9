package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"

	"github.com/killick-ledger/killick/chaincode/fault"
	"github.com/killick-ledger/killick/gateway/client"
	"github.com/killick-ledger/killick/gateway/jwe"
	"github.com/spf13/cobra"
)

// seal encrypts the content, if it is to be private; otherwise what it returns is
// empty.
func (d *content) seal(ctx context.Context, gateway *client.Client, signer client.Signer) (*client.Sealed, error) {
	if !d.private {
		if len(d.to) > 0 {
			return nil, errors.New("--to names who reads a private content: add --private")
		}
		return &client.Sealed{}, nil
	}
	others, err := gateway.Recipients(ctx, d.to...)
	if err != nil {
		return nil, err
	}
	for _, address := range d.compare {
		if err := d.sameAt(ctx, address, others); err != nil {
			return nil, fmt.Errorf("gateway %s: %w", address, err)
		}
	}
	return signer.Seal(d.salt, d.data, others...)
}

// sameAt wants another gateway to show the same keys of the recipients.
func (d *content) sameAt(ctx context.Context, address string, keys []jwe.Recipient) (err error) {
	gateway, err := client.Dial(address)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, gateway.Close()) }()
	others, err := gateway.Recipients(ctx, d.to...)
	if err != nil {
		return err
	}
	same := slices.EqualFunc(keys, others, func(a, b jwe.Recipient) bool { return a.KeyID == b.KeyID && a.Key.Equal(b.Key) })
	if !same {
		return errors.New("it shows other keys of --to; one of the two gateways lies, or a key was just replaced")
	}
	return nil
}

// signedRecord is a signed operation about a record, with its private content if it
// has one.
type signedRecord struct {
	jws, ref string
	content  []byte
}

// send submits the operation. One with a content is written beside the receipt first,
// with it, and removed once its outcome is known: the same two have to be sent again
// otherwise, since encrypting again makes another content.
func (s signedRecord) send(ctx context.Context, gateway *client.Client, receipt string) (*client.Operation, error) {
	if s.content == nil {
		return gateway.Submit(ctx, s.jws)
	}
	op, content := receipt+".op", receipt+".content"
	if err := errors.Join(writeBytes(op, []byte(s.jws)), writeBytes(content, s.content)); err != nil {
		return nil, fmt.Errorf("write operation: %w", err)
	}
	o, err := gateway.SubmitWith(ctx, s.jws, s.content)
	var refused *client.Error
	switch again := fmt.Sprintf("send it again: killick operation submit %s --content %s", op, content); {
	case err == nil, refusedForGood(err):
		return o, errors.Join(err, os.Remove(op), os.Remove(content))
	case errors.As(err, &refused):
		refused.Fault.Text += "; " + again
		return o, err
	default:
		return o, fmt.Errorf("%w; %s", err, again)
	}
}

// refusedForGood says that the gateway refused an operation as it is. One whose content
// a gateway has lost in a restart can be sent again.
func refusedForGood(err error) bool {
	var refused *client.Error
	return errors.As(err, &refused) && refused.Fault.Code < fault.Internal && refused.Fault.Code != fault.ContentMissing
}

// writeBytes writes a file that must not exist, readable by its owner only, and syncs it.
func writeBytes(path string, data []byte) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	return errors.Join(err, f.Sync(), f.Close())
}

func (a *app) recordFetch() *cobra.Command {
	var out, old string
	c := a.signing(&cobra.Command{
		Use: "fetch RECORD --out FILE", Short: "Fetch and open a record's private content", Args: cobra.ExactArgs(1),
		Long: `Fetch the private content of a record's newest version and open it with the key file of
its owner or of a DID that it is encrypted to. RECORD is a reference or a receipt file.
What is written is what the record commits to: that is checked. What was encrypted before
"killick did recover" is fetched with the new keys and opened with --old-keys.`,
		RunE: func(c *cobra.Command, args []string) error {
			record, err := recordName(args[0])
			if err != nil {
				return err
			}
			return a.signed(c, func(ctx context.Context, gateway *client.Client, signer client.Signer) error {
				content, err := gateway.Content(ctx, signer, record)
				if err != nil {
					return err
				}
				data, err := a.open(content, signer, old)
				if err != nil {
					return err
				}
				if err := writeBytes(out, data); err != nil {
					return fmt.Errorf("write content: %w", err)
				}
				return a.show(map[string]any{"record": record, "version": content.GetVersion(), "file": out, "size": len(data)}, func(w io.Writer) {
					fmt.Fprintf(w, "%s is the content of record %s, version %d (%d bytes)\n", out, record, content.GetVersion(), len(data))
				})
			})
		},
	})
	c.Flags().StringVar(&out, "out", "", "`file` to write (required)")
	c.Flags().StringVar(&old, "old-keys", "", "key `file` of the same DID from before its recovery, to open what those of --keys do not")
	require(c, "out")
	return c
}

// open opens a content with the signer's keys, or with those of an old key file if one
// is named.
func (a *app) open(content *client.Content, signer client.Signer, old string) ([]byte, error) {
	_, data, err := signer.Open(content)
	if old == "" || !errors.Is(err, jwe.ErrNotRecipient) {
		return data, err
	}
	identity, err := a.load(old)
	if err != nil {
		return nil, err
	}
	_, data, err = identity.On(signer.Network()).Open(content)
	return data, err
}
