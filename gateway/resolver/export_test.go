package resolver

// What tests see beside the API.
var (
	PublicOnly   = publicOnly
	NewWebDialer = newDialer
)
