package cli

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/killick-ledger/killick/chaincode/canon"
	"github.com/killick-ledger/killick/chaincode/credential"
	"github.com/killick-ledger/killick/chaincode/did"
	"github.com/killick-ledger/killick/chaincode/fault"
	"github.com/killick-ledger/killick/chaincode/ops"
	"github.com/killick-ledger/killick/gateway/certificate"
	"github.com/killick-ledger/killick/gateway/client"
	"github.com/killick-ledger/killick/gateway/resolver"
	"github.com/killick-ledger/killick/gateway/vc"
	"github.com/spf13/cobra"
)

// readSecured reads a credential or presentation: JSON, or the text of a JWT or SD-JWT.
func readSecured(path string) (any, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("read credential: %w", err)
	}
	data = bytes.TrimSpace(data)
	if bytes.HasPrefix(data, []byte("{")) {
		return canon.ParseObject(data)
	}
	return string(data), nil
}

// verifying returns a verifier that reads the ledger through the gateway: documents of
// DIDs, and what is held of credentials. Everything else is checked here.
func verifying(ctx context.Context, gateway *client.Client, named []string) (*certificate.Service, error) {
	contexts, err := openContexts(named)
	if err != nil {
		return nil, err
	}
	network, err := gateway.Network(ctx)
	if err != nil {
		return nil, err
	}
	return certificate.New(certificate.Config{
		Contexts: contexts, Network: network.GetNetwork(), Ledger: throughGateway{gateway},
		Resolver: resolver.Resolver{"key": resolver.Key, "killick": func(ctx context.Context, u resolver.URL, _ resolver.Version) (*resolver.Resolution, error) {
			v, err := gateway.Resolve(ctx, u.DID)
			if err != nil {
				return nil, err
			}
			document, err := v.GetDidDocument().MarshalJSON()
			return &resolver.Resolution{Document: document, Metadata: resolver.Metadata{Deactivated: v.GetDidDocumentMetadata().GetDeactivated()}}, err
		}},
	}), nil
}

// throughGateway answers the one query of a verifier.
type throughGateway struct{ gateway *client.Client }

// Evaluate implements certificate.Ledger.
func (t throughGateway) Evaluate(ctx context.Context, function string, args ...[]byte) ([]byte, error) {
	var q credential.EntryQuery
	if function != "credential:Entry" || len(args) != 1 {
		return nil, fault.New(fault.UnknownFunction, "%s", function)
	}
	if err := canon.Decode(args[0], &q); err != nil {
		return nil, err
	}
	v, err := t.gateway.FindCredential(ctx, q.Issuer, q.List, q.Index)
	if err != nil {
		return nil, err
	}
	return canon.Marshal(credential.View{Reference: v.GetId(), Hash: v.GetHash(), Credential: credential.Credential{
		Issuer: v.GetIssuer(), Schema: v.GetSchema(), Digest: v.GetDigest(), ValidFrom: v.GetValidFrom(), ValidUntil: v.GetValidUntil(), Evidence: v.GetEvidence(),
		Endorser: v.GetEndorser(), List: v.GetList(), Index: v.GetIndex(), Status: v.GetStatus(), Version: v.GetVersion(), By: v.GetOperation(),
	}})
}

func (a *app) credentialVerify() *cobra.Command {
	var options certificate.Options
	var contexts []string
	c := &cobra.Command{
		Use: "verify FILE", Short: "Verify a credential or presentation", Args: cobra.ExactArgs(1),
		Long: `Verify a credential, or with --challenge and --domain a presentation or an SD-JWT that is
bound to them: signature, times and contexts here, keys and status as the ledger has them.
Issuers are of this ledger or did:key; credentials of others that have a status list, and
did:web, are for the gateway's /credentials/verify.`,
		RunE: func(c *cobra.Command, args []string) error {
			secured, err := readSecured(args[0])
			if err != nil {
				return err
			}
			return a.connected(c, func(ctx context.Context, gateway *client.Client) error {
				s, err := verifying(ctx, gateway, contexts)
				if err != nil {
					return err
				}
				return a.verify(ctx, s, secured, options)
			})
		},
	}
	c.Flags().StringVar(&options.Challenge, "challenge", "", "`text` that the holder was asked to sign")
	c.Flags().StringVar(&options.Domain, "domain", "", "`name` of the verifier that the holder was asked to sign")
	a.contextFlag(c, &contexts)
	return c
}

// verdict is what --json shows of a credential that is good.
type verdict struct {
	Issuer    string   `json:"issuer"`
	Checks    []string `json:"checks"`
	Reference string   `json:"credential,omitempty"`
	Status    string   `json:"status,omitempty"`
	Schema    string   `json:"schema,omitempty"`
	Evidence  string   `json:"evidence,omitempty"`
	Endorser  string   `json:"endorser,omitempty"`
}

func verdictOf(f *certificate.Finding) verdict {
	v := verdict{Checks: f.Checks}
	if f.Credential != nil {
		v.Issuer = f.Credential.Issuer
	} else {
		v.Issuer = f.Selective.Issuer
	}
	if l := f.Ledger; l != nil {
		v.Reference, v.Status, v.Schema, v.Evidence, v.Endorser = l.Reference, l.Status, l.Schema, l.Evidence, l.Endorser
	}
	return v
}

func (v verdict) print(w io.Writer) {
	fmt.Fprintf(w, "good         issued by %s\nchecked      %s\n", v.Issuer, strings.Join(v.Checks, ", "))
	if v.Reference != "" {
		fmt.Fprintf(w, "credential   %s\nstatus       %s\nschema       %s\nevidence     %s by %s\n", v.Reference, v.Status, v.Schema, v.Evidence, v.Endorser)
	}
}

func (a *app) verify(ctx context.Context, s *certificate.Service, secured any, options certificate.Options) error {
	text, isText := secured.(string)
	if options.Challenge != "" && !(isText && strings.Contains(text, "~")) {
		found, err := s.VerifyPresentation(ctx, secured, options)
		if err != nil {
			return err
		}
		verdicts := []verdict{}
		for _, f := range found.Credentials {
			verdicts = append(verdicts, verdictOf(f))
		}
		return a.show(map[string]any{"holder": found.Presentation.Holder, "credentials": verdicts}, func(w io.Writer) {
			fmt.Fprintf(w, "holder       %s\n", found.Presentation.Holder)
			for _, v := range verdicts {
				v.print(w)
			}
		})
	}
	f, err := s.Verify(ctx, secured, options)
	if err != nil {
		return err
	}
	return a.show(verdictOf(f), verdictOf(f).print)
}

// credentialStatus shows what the ledger holds of a credential that somebody has.
func (a *app) credentialStatus() *cobra.Command {
	return &cobra.Command{
		Use: "status CREDENTIAL", Short: "Show the status of a credential, by its reference or its file", Args: cobra.ExactArgs(1),
		Long: `Show what the ledger holds of a credential now. CREDENTIAL is its reference, or the file
that its holder has; of a file only the entry is read: whether it is good, verify says.`,
		RunE: func(c *cobra.Command, args []string) error {
			return a.connected(c, func(ctx context.Context, gateway *client.Client) error {
				if _, err := ops.ParseReference(args[0]); err == nil {
					v, err := gateway.Credential(ctx, args[0])
					if err != nil {
						return err
					}
					return a.showCredential(v)
				}
				issuer, list, index, err := entryOf(args[0])
				if err != nil {
					return err
				}
				v, err := gateway.FindCredential(ctx, issuer, list, index)
				if err != nil {
					return err
				}
				return a.showCredential(v)
			})
		},
	}
}

// entryOf reads issuer and entry from a credential's file.
func entryOf(path string) (issuer string, list, index uint32, err error) {
	secured, err := readSecured(path)
	if err != nil {
		return "", 0, 0, err
	}
	document, ok := secured.(canon.Object)
	if text, isText := secured.(string); isText {
		parts := strings.Split(text, ".")
		if len(parts) < 3 {
			return "", 0, 0, fault.New(fault.Malformed, "%s is no credential", path)
		}
		payload, err := canon.UnB64(parts[1])
		if err != nil {
			return "", 0, 0, err
		}
		if document, err = canon.ParseObject(payload); err != nil {
			return "", 0, 0, err
		}
		ok = true
	}
	if !ok {
		return "", 0, 0, fault.New(fault.Malformed, "%s is no credential", path)
	}
	if issuer = certificate.IssuerOf(document); issuer == "" {
		value, _ := document.Find("iss")
		issuer, _ = value.(string)
	}
	list, index, err = certificate.Entry(document, issuer)
	return issuer, list, index, err
}

func (a *app) credentialPresent() *cobra.Command {
	var out, challenge, domain, format string
	var contexts, disclose []string
	c := a.signing(&cobra.Command{
		Use: "present FILE...", Short: "Present credentials to a verifier", Args: cobra.MinimumNArgs(1),
		Long: `Make a presentation of credentials, signed by their holder for one challenge of one
verifier. One SD-JWT is presented by itself, with the claims that --disclose names.`,
		RunE: func(c *cobra.Command, args []string) error {
			if _, err := os.Stat(out); err == nil {
				return fmt.Errorf("%s exists; nothing is overwritten", out)
			}
			return a.signed(c, func(_ context.Context, _ *client.Client, signer client.Signer) error {
				p := presenting{contexts, disclose, format, vc.ProofOptions{Created: time.Now(), Challenge: challenge, Domain: domain}}
				secured, err := p.present(signer, args)
				if err != nil {
					return err
				}
				if err := os.WriteFile(out, secured, 0o600); err != nil {
					return fmt.Errorf("write presentation: %w", err)
				}
				return a.show(map[string]string{"holder": signer.DID(), "file": out}, func(w io.Writer) {
					fmt.Fprintf(w, "holder  %s\nfile    %s\n", signer.DID(), out)
				})
			})
		},
	})
	f := c.Flags()
	f.StringVar(&challenge, "challenge", "", "`text` that the verifier asks to sign (required)")
	f.StringVar(&domain, "domain", "", "`name` of the verifier (required)")
	f.StringVar(&out, "out", "", "`file` to write the presentation to (required)")
	f.StringVar(&format, "format", certificate.DataIntegrity, "`form`: "+certificate.DataIntegrity+" or "+certificate.JWT)
	f.StringArrayVar(&disclose, "disclose", nil, "claim of an SD-JWT to show, as /name (again for each; default: none)")
	a.contextFlag(c, &contexts)
	require(c, "challenge", "domain", "out")
	return c
}

// presenting is how credentials are presented.
type presenting struct {
	contexts, disclose []string
	format             string
	options            vc.ProofOptions
}

func (p presenting) present(signer client.Signer, paths []string) ([]byte, error) {
	by := &vc.Signer{Method: signer.KeyID(), Algorithm: signer.Algorithm(), Sign: signer.Sign}
	var list []any
	for _, path := range paths {
		secured, err := readSecured(path)
		if err != nil {
			return nil, err
		}
		text, isText := secured.(string)
		switch {
		case isText && strings.Contains(text, "~") && len(paths) > 1:
			return nil, errors.New("an SD-JWT is presented by itself")
		case isText && strings.Contains(text, "~"):
			presented, err := vc.PresentSelective(text, p.keep, by, p.options)
			return []byte(presented), err
		case isText:
			secured = vc.EnvelopeCredential(text)
		}
		list = append(list, secured)
	}
	contexts, err := openContexts(p.contexts)
	if err != nil {
		return nil, err
	}
	unsecured := canon.Object{}.With("@context", []any{vc.BaseContext}).With("type", []any{"VerifiablePresentation"}).
		With("holder", signer.DID()).With("verifiableCredential", list).JCS()
	switch {
	case p.format == certificate.JWT:
		compact, err := contexts.PresentJWT(unsecured, by, p.options)
		return []byte(compact), err
	case p.format == certificate.DataIntegrity && signer.Algorithm() != did.ES256K:
		return contexts.Present(unsecured, by, p.options)
	}
	return nil, fmt.Errorf("format %q: %s and %s are made, the first not with a key of secp256k1", p.format, certificate.DataIntegrity, certificate.JWT)
}

// keep says which claims of an SD-JWT are shown: those that were named, and what they
// stand in.
func (p presenting) keep(path []string) bool {
	at := "/" + strings.Join(path, "/")
	for _, name := range p.disclose {
		if name == at || strings.HasPrefix(name, at+"/") || strings.HasPrefix(at, name+"/") {
			return true
		}
	}
	return false
}
