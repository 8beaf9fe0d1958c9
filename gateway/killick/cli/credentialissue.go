package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"time"

	"github.com/killick-ledger/killick/chaincode/canon"
	"github.com/killick-ledger/killick/chaincode/credential"
	"github.com/killick-ledger/killick/chaincode/did"
	"github.com/killick-ledger/killick/chaincode/fault"
	"github.com/killick-ledger/killick/chaincode/ops"
	"github.com/killick-ledger/killick/gateway/certificate"
	"github.com/killick-ledger/killick/gateway/client"
	"github.com/killick-ledger/killick/gateway/vc"
	"github.com/spf13/cobra"
)

// issuing is what a credential is issued with.
type issuing struct {
	out, schema, evidence, endorser, lists, from, format string
	contexts                                             []string
	list                                                 uint32
	days                                                 uint
}

func (a *app) credentialIssue() *cobra.Command {
	var i issuing
	c := a.signing(&cobra.Command{
		Use: "issue FILE", Short: "Issue a credential", Args: cobra.ExactArgs(1),
		Long: `Issue a credential: FILE is a credential of the W3C's data model without proof and status.
It gets issuer and times where it lacks them, schema, evidence, and an entry of the
issuer's status lists drawn at random; it is signed and put on the ledger, which holds
its digest. OUT is for its holder.`,
		RunE: func(c *cobra.Command, args []string) error {
			if _, err := os.Stat(i.out); err == nil {
				return fmt.Errorf("%s exists; nothing is overwritten", i.out)
			}
			return a.signed(c, func(ctx context.Context, gateway *client.Client, signer client.Signer) error {
				return a.issue(ctx, gateway, signer, args[0], &i)
			})
		},
	})
	f := c.Flags()
	f.StringVar(&i.out, "out", "", "`file` to write the credential to (required)")
	f.StringVar(&i.schema, "schema", "", "`reference` of the schema (required)")
	f.StringVar(&i.evidence, "evidence", "provider", "what it rests on: oracle, provider, third-party, on-chain or zero-knowledge")
	f.StringVar(&i.endorser, "endorser", "", "`DID` of who vouches for what it says (default: the issuer)")
	f.StringVar(&i.from, "valid-from", "", "`time` from which it is valid, as 2026-01-31T00:00:00Z (default: now)")
	f.UintVar(&i.days, "days", 365, "how long it is valid")
	f.StringVar(&i.format, "format", certificate.DataIntegrity, "`form`: "+certificate.DataIntegrity+" or "+certificate.JWT)
	f.StringVar(&i.lists, "lists", "", "`URL` where status lists are found (default: that of the gateway)")
	f.Uint32Var(&i.list, "list", 0, "`number` of the status list; the next ones are taken when it is full")
	a.contextFlag(c, &i.contexts)
	require(c, "schema", "out")
	return c
}

// contextFlag adds the flag that names further contexts.
func (a *app) contextFlag(c *cobra.Command, into *[]string) {
	c.Flags().StringArrayVar(into, "context", nil, "further context that credentials may name, as `URL=FILE` (again for each)")
}

// openContexts reads the contexts that were named.
func openContexts(named []string) (*vc.Contexts, error) {
	var more []vc.Context
	for _, entry := range named {
		url, path, ok := cutLast(entry, '=')
		if !ok {
			return nil, fmt.Errorf("context %q is not URL=FILE", entry)
		}
		file, err := os.ReadFile(path)
		if err != nil {
			return nil, fmt.Errorf("read context: %w", err)
		}
		own, err := vc.OwnContext(url, file)
		if err != nil {
			return nil, err
		}
		more = append(more, own)
	}
	return vc.NewContexts(more...)
}

func cutLast(text string, at byte) (before, after string, ok bool) {
	for i := len(text) - 1; i >= 0; i-- {
		if text[i] == at {
			return text[:i], text[i+1:], true
		}
	}
	return text, "", false
}

const (
	// listDraws is how often an entry is drawn in one list before the next is tried, and
	// maxDraws how often in all: half of a list is free on the first draw for most, and a
	// full one for none.
	listDraws = 6
	maxDraws  = 60
)

func (a *app) issue(ctx context.Context, gateway *client.Client, signer client.Signer, path string, i *issuing) error {
	contexts, err := openContexts(i.contexts)
	if err != nil {
		return err
	}
	unsecured, err := i.complete(ctx, gateway, signer, path)
	if err != nil {
		return err
	}
	terms := certificate.Terms{Schema: i.schema, Evidence: i.evidence, Endorser: i.endorser, Lists: i.lists, List: i.list}
	for draw := 1; ; draw++ {
		terms.Index = rand.Uint32N(credential.ListEntries)
		secured, body, err := i.secure(contexts, unsecured, terms, signer)
		if err != nil {
			return err
		}
		jws, ref, err := signer.Operation(body, "")
		if err != nil {
			return err
		}
		// Written before it is on the ledger: if we stop here, the file is of a credential that
		// nobody takes; the other way round nobody would have it.
		if err := os.WriteFile(i.out, secured, 0o600); err != nil {
			return fmt.Errorf("write credential: %w", err)
		}
		o, err := gateway.Submit(ctx, jws)
		if err == nil {
			return a.done(o, "credential", ref)
		}
		if fault.Of(err) != fault.Unknown { // it may be there, and is for the holder then
			err = errors.Join(err, os.Remove(i.out))
		}
		if fault.Of(err) != fault.EntryTaken || draw == maxDraws {
			return err
		}
		if draw%listDraws == 0 {
			terms.List++
		}
	}
}

// complete reads the credential and adds what it lacks.
func (i *issuing) complete(ctx context.Context, gateway *client.Client, signer client.Signer, path string) (canon.Object, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("read credential: %w", err)
	}
	unsecured, err := canon.ParseObject(bytes.TrimSpace(data))
	if err != nil {
		return nil, err
	}
	start := time.Now().UTC().Truncate(time.Second)
	if i.from != "" {
		if start, err = time.Parse(time.RFC3339, i.from); err != nil {
			return nil, fmt.Errorf("valid-from: %w", err)
		}
	}
	for _, m := range []canon.Member{
		{Name: "issuer", Value: signer.DID()}, {Name: "validFrom", Value: start.UTC().Format(time.RFC3339)},
		{Name: "validUntil", Value: start.UTC().AddDate(0, 0, int(i.days)).Format(time.RFC3339)},
	} {
		if _, has := unsecured.Find(m.Name); !has {
			unsecured = unsecured.With(m.Name, m.Value)
		}
	}
	if i.endorser == "" {
		i.endorser = signer.DID()
	}
	if i.lists == "" {
		network, err := gateway.Network(ctx)
		if err != nil {
			return nil, err
		}
		if i.lists = network.GetUrl(); i.lists == "" {
			return nil, errors.New("the gateway serves no status lists; name one that does with --lists")
		}
	}
	return unsecured, nil
}

func (i *issuing) secure(contexts *vc.Contexts, unsecured canon.Object, terms certificate.Terms, signer client.Signer) ([]byte, *ops.CredentialIssue, error) {
	document, body, err := certificate.Draft(unsecured, terms)
	if err != nil {
		return nil, nil, err
	}
	by := &vc.Signer{Method: signer.KeyID(), Algorithm: signer.Algorithm(), Sign: signer.Sign}
	switch i.format {
	case certificate.DataIntegrity:
		if signer.Algorithm() == did.ES256K {
			return nil, nil, fault.New(fault.AlgMismatch, "a key of secp256k1 makes %s only", certificate.JWT)
		}
		secured, err := contexts.Issue(document.JCS(), by, vc.ProofOptions{Created: time.Now()})
		return secured, body, err
	case certificate.JWT:
		compact, err := contexts.IssueJWT(document.JCS(), by)
		return []byte(compact), body, err
	}
	return nil, nil, fmt.Errorf("format %q; %s and %s are made", i.format, certificate.DataIntegrity, certificate.JWT)
}

// credentialChange changes the status of a credential.
func (a *app) credentialChange(use, short string, body func(ref string) ops.Body) *cobra.Command {
	return a.signing(&cobra.Command{
		Use: use + " CREDENTIAL", Short: short, Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			return a.signed(c, func(ctx context.Context, gateway *client.Client, signer client.Signer) error {
				current, err := gateway.Credential(ctx, args[0])
				if err != nil {
					return err
				}
				jws, _, err := signer.Operation(body(args[0]), current.GetHash())
				if err != nil {
					return err
				}
				o, err := gateway.Submit(ctx, jws)
				if err != nil {
					return err
				}
				return a.done(o, "credential", args[0])
			})
		},
	})
}

// credentialCertify has a gateway certify a record.
func (a *app) credentialCertify() *cobra.Command {
	var url, token, format, out string
	c := &cobra.Command{
		Use: "certify RECORD", Short: "Have a gateway certify a record or its deletion", Args: cobra.ExactArgs(1),
		Long: `Have an organisation's gateway issue a certificate about a record: what the ledger says
of it now, live or deleted, signed by the gateway's own DID.`,
		RunE: func(c *cobra.Command, args []string) error {
			if _, err := os.Stat(out); err == nil {
				return fmt.Errorf("%s exists; nothing is overwritten", out)
			}
			a.passphrase = token
			secret, err := a.ask("token", false)
			if err != nil {
				return err
			}
			ctx, cancel := context.WithTimeout(c.Context(), a.timeout)
			defer cancel()
			issued, err := certify(ctx, url, args[0], format, string(secret))
			if err != nil {
				return err
			}
			if err := os.WriteFile(out, issued.Credential, 0o600); err != nil {
				return fmt.Errorf("write credential: %w", err)
			}
			return a.show(map[string]string{"credential": issued.Reference, "file": out}, func(w io.Writer) {
				fmt.Fprintf(w, "credential  %s\nfile        %s\n", issued.Reference, out)
			})
		},
	}
	f := c.Flags()
	f.StringVar(&url, "url", "", "`URL` of the gateway's REST service (required)")
	f.StringVar(&token, "token-file", "", "`file` whose first line is the token of the gateway's issuer (required)")
	f.StringVar(&format, "format", certificate.DataIntegrity, "`form`: "+certificate.DataIntegrity+" or "+certificate.JWT)
	f.StringVar(&out, "out", "", "`file` to write the certificate to (required)")
	require(c, "url", "token-file", "out")
	return c
}

// issuedCredential is a gateway's answer to what is issued.
type issuedCredential struct {
	Credential json.RawMessage `json:"verifiableCredential"`
	Reference  string          `json:"reference"`
}

func certify(ctx context.Context, url, record, format, token string) (*issuedCredential, error) {
	body, err := json.Marshal(map[string]any{"options": map[string]string{"format": format}})
	if err != nil {
		return nil, err
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, url+"/v1/records/"+record+"/certificate", bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("Authorization", "Bearer "+token)
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return nil, fmt.Errorf("ask the gateway: %w", err)
	}
	defer response.Body.Close()
	data, err := io.ReadAll(io.LimitReader(response.Body, 1<<20))
	if err != nil {
		return nil, fmt.Errorf("read the gateway's answer: %w", err)
	}
	if response.StatusCode != http.StatusCreated {
		var problem struct{ Title, Detail, Code string }
		if json.Unmarshal(data, &problem) != nil {
			return nil, fmt.Errorf("the gateway answers %s", response.Status)
		}
		if code, ok := fault.ByName(problem.Code); ok {
			return nil, fault.New(code, "%s", problem.Detail)
		}
		return nil, fmt.Errorf("the gateway answers %s: %s", response.Status, problem.Detail)
	}
	issued := new(issuedCredential)
	if err := json.Unmarshal(data, issued); err != nil {
		return nil, fmt.Errorf("read the gateway's answer: %w", err)
	}
	return issued, nil
}
