package fault

// Code is a refusal's number. Numbers are part of the formats and are never
// reused.
type Code uint8

// The codes. 1 to 22, MissingPrior and UnexpectedPrior are found before an
// operation's signature is known to be good and leave no result behind; the
// others of 30 to 59 and of 70 to 99 are refusals of a valid operation, of which
// Stopped leaves none either; 60 to 69 concern the transaction; 100 and above come from services.
const (
	OK                 Code = 0
	Malformed          Code = 1
	DuplicateKey       Code = 2
	TrailingData       Code = 3
	UnknownField       Code = 4
	WrongType          Code = 5
	NumberRange        Code = 6
	MissingField       Code = 7
	InvalidValue       Code = 8
	TooLarge           Code = 9
	UnknownOperation   Code = 10
	WrongNetwork       Code = 11
	Expired            Code = 12
	NotYetValid        Code = 13
	LifetimeTooLong    Code = 14
	AlgMismatch        Code = 15
	KidMismatch        Code = 16
	KeyUnknown         Code = 17
	KeyPurpose         Code = 18
	DIDUnknown         Code = 19
	DIDDeactivated     Code = 20
	BadSignature       Code = 21
	ContentMissing     Code = 22
	DIDExists          Code = 30
	LinkTaken          Code = 31
	BadProof           Code = 32
	MissingPrior       Code = 33
	UnexpectedPrior    Code = 34
	StalePrior         Code = 35
	NotFound           Code = 36
	NotOwner           Code = 37
	NotAccredited      Code = 38
	Deleted            Code = 39
	Revoked            Code = 40
	InsufficientFunds  Code = 41
	Overflow           Code = 42
	NotMember          Code = 43
	NotDue             Code = 44
	AssetUnknown       Code = 45
	VaultUnknown       Code = 46
	NotGrowing         Code = 47
	NoQuorum           Code = 48
	AlreadyDone        Code = 49
	Batched            Code = 50
	EntryTaken         Code = 53
	LimitReached       Code = 54
	FragmentTaken      Code = 55
	TagTaken           Code = 56
	NotBound           Code = 57
	Closed             Code = 58
	Stopped            Code = 59
	NotInitialised     Code = 60
	AlreadyInitialised Code = 61
	ClockSkew          Code = 62
	UnknownFunction    Code = 63
	WrongArguments     Code = 64
	GrantExpired       Code = 70
	GrantUsedUp        Code = 71
	GrantWithdrawn     Code = 72
	NotGrantee         Code = 73
	NotGranted         Code = 74
	OutOfScope         Code = 75
	VersionChanged     Code = 76
	GrantDiffers       Code = 77
	WrongPhase         Code = 78
	TooLate            Code = 79
	AmountTooLow       Code = 80
	NotParty           Code = 81
	NotDrawn           Code = 82
	EvidenceUnbound    Code = 83
	CollateralMissing  Code = 84
	CollateralOlder    Code = 85
	BallotDiffers      Code = 86
	Internal           Code = 100
	Unavailable        Code = 101
	Overloaded         Code = 102
	Unknown            Code = 103
	Invalidated        Code = 104
	NotAnchored        Code = 105
	NotAcceptable      Code = 106
	MethodUnsupported  Code = 107
	Suspended          Code = 116
)

type entry struct {
	name string
	http int
	grpc string
}

var table = map[Code]entry{
	OK:                 {"ok", 200, "OK"},
	Malformed:          {"malformed", 400, "InvalidArgument"},
	DuplicateKey:       {"duplicate_key", 400, "InvalidArgument"},
	TrailingData:       {"trailing_data", 400, "InvalidArgument"},
	UnknownField:       {"unknown_field", 400, "InvalidArgument"},
	WrongType:          {"wrong_type", 400, "InvalidArgument"},
	NumberRange:        {"number_range", 400, "InvalidArgument"},
	MissingField:       {"missing_field", 400, "InvalidArgument"},
	InvalidValue:       {"invalid_value", 400, "InvalidArgument"},
	TooLarge:           {"too_large", 413, "InvalidArgument"},
	UnknownOperation:   {"unknown_operation", 400, "InvalidArgument"},
	WrongNetwork:       {"wrong_network", 400, "InvalidArgument"},
	Expired:            {"expired", 400, "InvalidArgument"},
	NotYetValid:        {"not_yet_valid", 400, "InvalidArgument"},
	LifetimeTooLong:    {"lifetime_too_long", 400, "InvalidArgument"},
	AlgMismatch:        {"alg_mismatch", 400, "InvalidArgument"},
	KidMismatch:        {"kid_mismatch", 400, "InvalidArgument"},
	KeyUnknown:         {"key_unknown", 400, "FailedPrecondition"},
	KeyPurpose:         {"key_purpose", 403, "PermissionDenied"},
	DIDUnknown:         {"did_unknown", 404, "NotFound"},
	DIDDeactivated:     {"did_deactivated", 410, "FailedPrecondition"},
	BadSignature:       {"bad_signature", 401, "Unauthenticated"},
	ContentMissing:     {"content_missing", 422, "FailedPrecondition"},
	DIDExists:          {"did_exists", 409, "AlreadyExists"},
	LinkTaken:          {"link_taken", 409, "AlreadyExists"},
	BadProof:           {"bad_proof", 400, "InvalidArgument"},
	MissingPrior:       {"missing_prior", 400, "InvalidArgument"},
	UnexpectedPrior:    {"unexpected_prior", 400, "InvalidArgument"},
	StalePrior:         {"stale_prior", 409, "Aborted"},
	NotFound:           {"not_found", 404, "NotFound"},
	NotOwner:           {"not_owner", 403, "PermissionDenied"},
	NotAccredited:      {"not_accredited", 403, "PermissionDenied"},
	Deleted:            {"deleted", 410, "FailedPrecondition"},
	Revoked:            {"revoked", 409, "FailedPrecondition"},
	InsufficientFunds:  {"insufficient_funds", 409, "FailedPrecondition"},
	Overflow:           {"overflow", 400, "OutOfRange"},
	NotMember:          {"not_member", 403, "PermissionDenied"},
	NotDue:             {"not_due", 409, "FailedPrecondition"},
	AssetUnknown:       {"asset_unknown", 400, "InvalidArgument"},
	VaultUnknown:       {"vault_unknown", 400, "InvalidArgument"},
	NotGrowing:         {"not_growing", 409, "FailedPrecondition"},
	NoQuorum:           {"no_quorum", 409, "FailedPrecondition"},
	AlreadyDone:        {"already_done", 409, "AlreadyExists"},
	Batched:            {"batched", 400, "InvalidArgument"},
	FragmentTaken:      {"fragment_taken", 409, "FailedPrecondition"},
	EntryTaken:         {"entry_taken", 409, "AlreadyExists"},
	LimitReached:       {"limit_reached", 409, "FailedPrecondition"},
	TagTaken:           {"tag_taken", 409, "AlreadyExists"},
	NotBound:           {"not_bound", 403, "FailedPrecondition"},
	Closed:             {"closed", 409, "FailedPrecondition"},
	Stopped:            {"stopped", 503, "FailedPrecondition"},
	NotInitialised:     {"not_initialised", 503, "FailedPrecondition"},
	AlreadyInitialised: {"already_initialised", 409, "AlreadyExists"},
	ClockSkew:          {"clock_skew", 400, "FailedPrecondition"},
	UnknownFunction:    {"unknown_function", 404, "Unimplemented"},
	WrongArguments:     {"wrong_arguments", 400, "InvalidArgument"},
	GrantExpired:       {"grant_expired", 409, "FailedPrecondition"},
	GrantUsedUp:        {"grant_used_up", 409, "FailedPrecondition"},
	GrantWithdrawn:     {"grant_withdrawn", 410, "FailedPrecondition"},
	NotGrantee:         {"not_grantee", 403, "PermissionDenied"},
	NotGranted:         {"not_granted", 403, "PermissionDenied"},
	OutOfScope:         {"out_of_scope", 403, "PermissionDenied"},
	VersionChanged:     {"version_changed", 409, "Aborted"},
	GrantDiffers:       {"grant_differs", 400, "InvalidArgument"},
	WrongPhase:         {"wrong_phase", 409, "FailedPrecondition"},
	TooLate:            {"too_late", 409, "FailedPrecondition"},
	AmountTooLow:       {"amount_too_low", 400, "FailedPrecondition"},
	NotParty:           {"not_party", 403, "PermissionDenied"},
	NotDrawn:           {"not_drawn", 403, "PermissionDenied"},
	EvidenceUnbound:    {"evidence_unbound", 400, "InvalidArgument"},
	CollateralMissing:  {"collateral_missing", 409, "FailedPrecondition"},
	CollateralOlder:    {"collateral_older", 409, "FailedPrecondition"},
	BallotDiffers:      {"ballot_differs", 400, "InvalidArgument"},
	Internal:           {"internal", 500, "Internal"},
	Unavailable:        {"unavailable", 503, "Unavailable"},
	Overloaded:         {"overloaded", 429, "ResourceExhausted"},
	Unknown:            {"outcome_unknown", 202, "Unknown"},
	Invalidated:        {"invalidated", 409, "Aborted"},
	NotAnchored:        {"not_anchored", 404, "NotFound"},
	NotAcceptable:      {"not_acceptable", 406, "InvalidArgument"},
	Suspended:          {"suspended", 409, "FailedPrecondition"},
	MethodUnsupported:  {"method_not_supported", 501, "Unimplemented"},
}

var byName = func() map[string]Code {
	m := make(map[string]Code, len(table))
	for c, e := range table {
		m[e.name] = c
	}
	return m
}()

// String returns the stable name, for example "bad_signature".
func (c Code) String() string {
	if e, ok := table[c]; ok {
		return e.name
	}
	return "internal"
}

// HTTP returns the status code of the REST form.
func (c Code) HTTP() int { return table[c.known()].http }

// GRPC returns the name of the gRPC status code (google.golang.org/grpc/codes).
func (c Code) GRPC() string { return table[c.known()].grpc }

func (c Code) known() Code {
	if _, ok := table[c]; ok {
		return c
	}
	return Internal
}

// ByName returns the code with that stable name.
func ByName(name string) (Code, bool) {
	c, ok := byName[name]
	return c, ok
}

// All returns every code in ascending order.
func All() []Code {
	var all []Code
	for c := range 256 {
		if _, ok := table[Code(c)]; ok {
			all = append(all, Code(c))
		}
	}
	return all
}
