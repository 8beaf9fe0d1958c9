package openid

import (
	"net/http"

	"github.com/killick-ledger/killick/chaincode/did"
	"github.com/killick-ledger/killick/gateway/login"
)

// batchSize is how many keys a wallet may have a credential issued to at once.
const batchSize = 8

// metadata describes the issuer (OpenID4VCI section 12.2).
func (s *Service) metadata(w http.ResponseWriter, _ *http.Request) {
	configurations := map[string]any{}
	for i := range s.cfg.Configurations {
		c := &s.cfg.Configurations[i]
		configurations[c.ID] = c.metadata()
	}
	login.Answer(w, http.StatusOK, map[string]any{
		"credential_issuer":                   s.cfg.URL,
		"credential_endpoint":                 s.cfg.URL + credentialPath,
		"nonce_endpoint":                      s.cfg.URL + noncePath,
		"notification_endpoint":               s.cfg.URL + notifyPath,
		"batch_credential_issuance":           map[string]any{"batch_size": batchSize},
		"credential_configurations_supported": configurations,
	})
}

// metadata describes a kind of credential.
func (c *Configuration) metadata() map[string]any {
	root := []any{}
	m := map[string]any{
		"format":                c.Format,
		"scope":                 c.ID,
		"proof_types_supported": map[string]any{"jwt": map[string]any{"proof_signing_alg_values_supported": algorithms()}},
		"cryptographic_binding_methods_supported": bindings[c.Format],
	}
	switch c.Format {
	case FormatSelective:
		m["vct"] = c.Type
	case FormatJWT:
		root = append(root, "credentialSubject")
		m["credential_definition"] = map[string]any{"@context": c.contexts(), "type": c.types()}
	}
	var claims []any
	for _, name := range c.Claims {
		claims = append(claims, map[string]any{"path": append(root[:len(root):len(root)], name)})
	}
	m["credential_metadata"] = map[string]any{"display": []any{map[string]any{"name": c.Name}}, "claims": claims}
	return m
}

// bindings are how a wallet may name its key. A credential of the data model is bound
// to a DID; a bare key becomes one of did:key.
var bindings = map[string][]string{
	FormatSelective: {"jwk", "did:key", "did:killick"},
	FormatJWT:       {"did:key", "did:killick", "jwk"},
}

func algorithms() []string {
	var out []string
	for _, a := range did.Algorithms {
		out = append(out, string(a))
	}
	return out
}
