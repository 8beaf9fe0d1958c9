package main

// wallets describes logins and OpenID, which are not of the proto: the standards say
// what these paths take and answer, docs/formats/login.md and openid.md say what of it.
func wallets() map[string]any {
	text, object := map[string]any{"type": "string"}, map[string]any{"type": "object"}
	content := func(media string, schema map[string]any) map[string]any {
		return map[string]any{media: map[string]any{"schema": schema}}
	}
	paths := map[string]any{}
	for _, p := range []struct{ path, method, id, summary, takes, gives, status string }{
		{"/v1/login", "post", "LoginChallenge", "Get a challenge to log in with a DID.", "", "application/json", "200"},
		{"/v1/token", "post", "Token", "Exchange a signed challenge, or a pre-authorized code, for an access token.", "application/x-www-form-urlencoded", "application/json", "200"},
		{"/v1/me", "get", "Me", "Tell who is logged in, and what of theirs waits at this gateway.", "", "application/json", "200"},
		{"/.well-known/oauth-authorization-server", "get", "AuthorizationServer", "Describe the token endpoint (RFC 8414).", "", "application/json", "200"},
		{"/.well-known/openid-credential-issuer", "get", "CredentialIssuer", "Describe what is issued to wallets (OpenID4VCI).", "", "application/json", "200"},
		{"/v1/openid/offers", "post", "CreateOffer", "Offer credentials to a wallet; needs a login as the issuer.", "application/json", "application/json", "201"},
		{"/v1/openid/offers/{id}", "get", "GetOffer", "Tell how far an offer is.", "", "application/json", "200"},
		{"/v1/openid/offers/{id}", "delete", "DeleteOffer", "Withdraw an offer.", "", "", "204"},
		{"/openid/offer/{reference}", "get", "CredentialOffer", "Give a wallet an offer by its reference.", "", "application/json", "200"},
		{"/openid/nonce", "post", "CredentialNonce", "Give a wallet a nonce for its proofs.", "", "application/json", "200"},
		{"/openid/credential", "post", "Credential", "Issue a credential to a wallet.", "application/json", "application/json", "200"},
		{"/openid/notification", "post", "CredentialNotification", "Take what a wallet says of a credential it got.", "application/json", "", "204"},
		{"/v1/openid/requests", "post", "CreateRequest", "Ask a wallet for presentations; needs a login as a verifier.", "application/json", "application/json", "201"},
		{"/v1/openid/requests/{id}", "get", "GetRequest", "Tell how far a request is, and what the wallet showed.", "", "application/json", "200"},
		{"/v1/openid/requests/{id}", "delete", "DeleteRequest", "Forget a request and its answer.", "", "", "204"},
		{"/openid/request/{reference}", "get", "RequestObject", "Give a wallet the signed request.", "", "application/oauth-authz-req+jwt", "200"},
		{"/openid/request/{reference}", "post", "RequestObjectFor", "Give a wallet the signed request with a nonce of its own.", "application/x-www-form-urlencoded", "application/oauth-authz-req+jwt", "200"},
		{"/openid/response", "post", "WalletResponse", "Take a wallet's presentations (direct_post).", "application/x-www-form-urlencoded", "application/json", "200"},
	} {
		answer := map[string]any{"description": "Done."}
		if p.gives != "" {
			answer["content"] = content(p.gives, map[string]any{"application/json": object, "application/oauth-authz-req+jwt": text}[p.gives].(map[string]any))
		}
		operation := map[string]any{
			"operationId": p.id, "summary": p.summary, "tags": []any{"Logins and wallets"},
			"responses": map[string]any{
				p.status:  answer,
				"default": map[string]any{"description": "An error of OAuth 2.0, DPoP, OpenID4VCI or OpenID4VP.", "content": content("application/json", object)},
			},
		}
		if p.takes != "" {
			operation["requestBody"] = map[string]any{"required": true, "content": content(p.takes, object)}
		}
		if name := parameter(p.path); name != "" {
			operation["parameters"] = []any{map[string]any{"name": name, "in": "path", "required": true, "schema": text}}
		}
		methods, _ := paths[p.path].(map[string]any)
		if methods == nil {
			methods = map[string]any{}
			paths[p.path] = methods
		}
		methods[p.method] = operation
	}
	return paths
}

// parameter is the name in braces at the end of a path, empty without one.
func parameter(path string) string {
	for i := range path {
		if path[i] == '{' {
			return path[i+1 : len(path)-1]
		}
	}
	return ""
}
