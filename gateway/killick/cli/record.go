package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/killick-ledger/killick/chaincode/canon"
	"github.com/killick-ledger/killick/chaincode/ops"
	"github.com/killick-ledger/killick/gateway/client"
	"github.com/spf13/cobra"
)

// evidence is a receipt file: what the owner needs to show what a record is
// about. Whoever has it and the content can check the record.
type evidence struct {
	Format     string `json:"format"`
	Record     string `json:"record"`
	Operation  string `json:"operation"`
	Network    string `json:"network"`
	Owner      string `json:"owner"`
	Schema     string `json:"schema"`
	Size       uint64 `json:"size"`
	Location   string `json:"location"`
	Salt       string `json:"salt"`
	Commitment string `json:"commitment"`
}

const evidenceFormat = "killick-record-1"

func (a *app) recordCommand() *cobra.Command {
	return group("record", "Submit, change, find, check and share records", a.recordSubmit(), a.recordAmend(), a.recordDelete(), a.recordShow(), a.recordFetch(), a.recordCheck(),
		a.recordList(), a.recordHistory(), a.recordAllow(), a.recordOffer(), a.recordWithdraw(), a.recordGrant(), a.recordGrants(), a.recordCatalogue(),
		a.recordUse(), a.recordUses())
}

// content holds the flags that describe a record's content.
type content struct {
	schema, location, receipt string
	private                   bool
	to, compare               []string

	salt [32]byte
	data []byte
}

func (d *content) flags(c *cobra.Command) {
	c.Flags().StringVar(&d.schema, "schema", "file", "`name` of what the content is")
	c.Flags().StringVar(&d.location, "location", "", "`URI` where the content is kept")
	c.Flags().StringVar(&d.receipt, "receipt", "", "receipt `file` to write (default: FILE.record)")
	c.Flags().BoolVar(&d.private, "private", false, "have the members keep the content, encrypted to this DID and those of --to")
	c.Flags().StringArrayVar(&d.to, "to", nil, "`DID` that is to read the private content; may be repeated")
	c.Flags().StringArrayVar(&d.compare, "compare", nil, "`address` of another organisation's gateway that must show the same keys of --to; may be repeated")
}

// commit hashes a file under a fresh salt.
func (d *content) commit(path string) (*evidence, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("read content: %w", err)
	}
	commitment, salt, err := client.Commitment(data)
	if err != nil {
		return nil, err
	}
	d.salt, d.data = salt, data
	if d.receipt == "" {
		d.receipt = path + ".record"
	}
	return &evidence{
		Format: evidenceFormat, Schema: d.schema, Location: d.location, Size: uint64(len(data)),
		Salt: canon.Hex(salt[:]), Commitment: canon.Hex(commitment[:]),
	}, nil
}

func (a *app) recordSubmit() *cobra.Command {
	var d content
	c := a.signing(&cobra.Command{
		Use: "submit FILE", Short: "Put a commitment to a file on the ledger", Args: cobra.ExactArgs(1),
		Long: `Put a commitment to a file on the ledger: a hash of its content under a fresh random
salt, its size, and where it is kept. The content stays here. The receipt file holds
the salt; without it nobody can show what the record is about, so keep it.

With --private the members' peers keep the content, some 48 kB at most, encrypted to
keys under keyAgreement: yours and those of the DIDs of --to, who can fetch it. It is in
no block, and goes when the record is amended or deleted. A gateway that lies could show a
key of its own for a DID: --compare asks others too.`,
		Example: `  killick record submit --keys alice.keys --schema invoice invoice.pdf
  killick record submit --keys alice.keys --private --to did:killick:NETWORK:ID note.txt`,
		RunE: func(c *cobra.Command, args []string) error {
			e, err := d.commit(args[0])
			if err != nil {
				return err
			}
			return a.signed(c, func(ctx context.Context, gateway *client.Client, signer client.Signer) error {
				sealed, err := d.seal(ctx, gateway, signer)
				if err != nil {
					return err
				}
				jws, ref, err := signer.Operation(&ops.RecordSubmit{
					Schema: e.Schema, Commitment: e.Commitment, Size: e.Size, Location: e.Location, Private: sealed.Digest,
				}, "")
				if err != nil {
					return err
				}
				e.Record = ref
				return a.sendRecord(ctx, gateway, signer, e, signedRecord{jws, ref, sealed.Data}, d.receipt)
			})
		},
	})
	d.flags(c)
	return c
}

// sendRecord writes the receipt file and then submits: if we stop in between, the
// salt is on disk and the operation can be looked up by its reference. The file
// goes again only when the ledger refused.
func (a *app) sendRecord(ctx context.Context, gateway *client.Client, signer client.Signer, e *evidence, op signedRecord, path string) error {
	e.Operation, e.Owner, e.Network = op.ref, signer.DID(), signer.Network()
	if err := writeNew(path, e); err != nil {
		return fmt.Errorf("write receipt file: %w", err)
	}
	o, err := op.send(ctx, gateway, path)
	if refusedForGood(err) {
		return errors.Join(err, os.Remove(path))
	}
	if err != nil {
		return err
	}
	return a.show(map[string]any{"record": e.Record, "receipt": path, "operation": receiptOf(o)}, func(w io.Writer) {
		fmt.Fprintf(w, "record       %s\nreceipt      %s (keep it)\n", e.Record, path)
		receiptOf(o).print(w)
	})
}

// writeNew writes v as JSON to a file that must not exist, and syncs it.
func writeNew(path string, v any) error {
	data, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return err
	}
	return writeBytes(path, append(data, '\n'))
}

func (a *app) recordAmend() *cobra.Command {
	var d content
	c := a.signing(&cobra.Command{
		Use: "amend RECORD FILE", Short: "Replace a record's content", Args: cobra.ExactArgs(2),
		Long: "Replace a record's content by that of FILE. RECORD is a reference or a receipt file. The\nversion before stays on the ledger; the new one has a salt and a receipt file of its own. A\nprivate content of the version before is purged: give --private again to keep one, and --to\nfor everybody who is to read it from now on.",
		RunE: func(c *cobra.Command, args []string) error {
			record, err := recordName(args[0])
			if err != nil {
				return err
			}
			e, err := d.commit(args[1])
			if err != nil {
				return err
			}
			e.Record = record
			return a.signed(c, func(ctx context.Context, gateway *client.Client, signer client.Signer) error {
				current, err := gateway.Record(ctx, record)
				if err != nil {
					return err
				}
				sealed, err := d.seal(ctx, gateway, signer)
				if err != nil {
					return err
				}
				jws, ref, err := signer.Operation(&ops.RecordAmend{
					Record: record, Schema: e.Schema, Commitment: e.Commitment, Size: e.Size, Location: e.Location, Private: sealed.Digest,
				}, current.GetHash())
				if err != nil {
					return err
				}
				return a.sendRecord(ctx, gateway, signer, e, signedRecord{jws, ref, sealed.Data}, d.receipt)
			})
		},
	})
	d.flags(c)
	return c
}

func (a *app) recordDelete() *cobra.Command {
	return a.signing(&cobra.Command{
		Use: "delete RECORD", Short: "Delete a record for good", Args: cobra.ExactArgs(1),
		Long: "Delete a record for good. RECORD is a reference or a receipt file. Its commitment stays, so\nthat the deletion can be shown; everything else about it can no longer be used. A private\ncontent is purged on the peers of all members.",
		RunE: func(c *cobra.Command, args []string) error {
			record, err := recordName(args[0])
			if err != nil {
				return err
			}
			return a.signed(c, func(ctx context.Context, gateway *client.Client, signer client.Signer) error {
				current, err := gateway.Record(ctx, record)
				if err != nil {
					return err
				}
				jws, _, err := signer.Operation(&ops.RecordDelete{Record: record}, current.GetHash())
				if err != nil {
					return err
				}
				o, err := gateway.Submit(ctx, jws)
				if err != nil {
					return err
				}
				return a.done(o, "record", record)
			})
		},
	})
}

func (a *app) recordShow() *cobra.Command {
	return &cobra.Command{
		Use: "show RECORD", Short: "Show a record as it is on the ledger", Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			record, err := recordName(args[0])
			if err != nil {
				return err
			}
			return a.connected(c, func(ctx context.Context, gateway *client.Client) error {
				r, err := gateway.Record(ctx, record)
				if err != nil {
					return err
				}
				return a.show(recordView(r), func(w io.Writer) {
					fmt.Fprintf(w, "record       %s\nowner        %s\nstatus       %s, version %d\nschema       %s\ncommitment   %s\nsize         %d\nlocation     %s\noperation    %s\n",
						r.GetId(), r.GetOwner(), r.GetStatus(), r.GetVersion(), r.GetSchema(), r.GetCommitment(), r.GetSize(), r.GetLocation(), r.GetOperation())
					if r.GetPrivate() != "" {
						fmt.Fprintf(w, "private      %s\n", r.GetPrivate())
					}
				})
			})
		},
	}
}

// recordView is a version of a record as it is printed.
func recordView(r *client.Record) map[string]any {
	return map[string]any{
		"record": r.GetId(), "owner": r.GetOwner(), "status": r.GetStatus(), "version": r.GetVersion(), "schema": r.GetSchema(),
		"commitment": r.GetCommitment(), "size": r.GetSize(), "location": r.GetLocation(), "operation": r.GetOperation(), "hash": r.GetHash(), "private": r.GetPrivate(),
	}
}

func (a *app) recordCheck() *cobra.Command {
	return &cobra.Command{
		Use: "check RECEIPT FILE", Short: "Check a file against its record on the ledger", Args: cobra.ExactArgs(2),
		Long: "Check that FILE is the content that a record on the ledger commits to, by the salt in the\nreceipt file. The gateway is trusted for what is on the ledger; killick-verify trusts nobody.",
		RunE: func(c *cobra.Command, args []string) error {
			e, err := readEvidence(args[0])
			if err != nil {
				return err
			}
			data, err := os.ReadFile(args[1])
			if err != nil {
				return fmt.Errorf("read content: %w", err)
			}
			salt, err := canon.UnHex32(e.Salt)
			if err != nil {
				return fmt.Errorf("receipt file: salt: %w", err)
			}
			commitment := client.CommitmentWith(salt, data)
			return a.connected(c, func(ctx context.Context, gateway *client.Client) error {
				r, err := gateway.Record(ctx, e.Record)
				if err != nil {
					return err
				}
				if got := canon.Hex(commitment[:]); got != r.GetCommitment() {
					return fmt.Errorf("%s is not what the record commits to: its commitment is %s, the record's %s", args[1], got, r.GetCommitment())
				}
				return a.show(map[string]any{"record": e.Record, "matches": true, "status": r.GetStatus(), "version": r.GetVersion()}, func(w io.Writer) {
					fmt.Fprintf(w, "%s is the content of record %s, version %d, which is %s\n", args[1], e.Record, r.GetVersion(), r.GetStatus())
				})
			})
		},
	}
}

// recordName takes a reference, or the name of a receipt file.
func recordName(text string) (string, error) {
	if _, err := ops.ParseReference(text); err == nil {
		return text, nil
	}
	e, err := readEvidence(text)
	if err != nil {
		return "", fmt.Errorf("%s is no reference: %w", text, err)
	}
	return e.Record, nil
}

func readEvidence(path string) (*evidence, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("read receipt file: %w", err)
	}
	e := new(evidence)
	if n := len(data); n > 0 && data[n-1] == '\n' {
		data = data[:n-1]
	}
	if err := canon.Decode(data, e); err != nil {
		return nil, fmt.Errorf("receipt file %s: %w", path, err)
	}
	if e.Format != evidenceFormat {
		return nil, fmt.Errorf("receipt file %s has the format %q, want %q", path, e.Format, evidenceFormat)
	}
	return e, nil
}
