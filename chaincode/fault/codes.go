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
	name   string
	http   int
	grpc   string
	advice string
}

var table = map[Code]entry{
	OK:                 {"ok", 200, "OK", "The operation is done."},
	Malformed:          {"malformed", 400, "InvalidArgument", "Send a compact JWS with header and payload in strict JSON, as docs/formats/operation.md describes."},
	DuplicateKey:       {"duplicate_key", 400, "InvalidArgument", "Name each member of a JSON object once."},
	TrailingData:       {"trailing_data", 400, "InvalidArgument", "Send nothing after the end of the value."},
	UnknownField:       {"unknown_field", 400, "InvalidArgument", "Remove the member; names are compared byte for byte, so check its spelling and case."},
	WrongType:          {"wrong_type", 400, "InvalidArgument", "Give the member the JSON type that the operation's table states; amounts are strings."},
	NumberRange:        {"number_range", 400, "InvalidArgument", "Give an integer within the range that the text states, between -(2^53-1) and 2^53-1 in any case; in credentials a number that a double keeps; write amounts as strings."},
	MissingField:       {"missing_field", 400, "InvalidArgument", "Add the member that is named."},
	InvalidValue:       {"invalid_value", 400, "InvalidArgument", "Give the member or parameter a value that is allowed there; the text says what is wrong with it."},
	TooLarge:           {"too_large", 413, "InvalidArgument", "Make the request smaller, or split the batch."},
	UnknownOperation:   {"unknown_operation", 400, "InvalidArgument", "Use an operation of this version; docs/formats/operation.md lists them."},
	WrongNetwork:       {"wrong_network", 400, "InvalidArgument", "Sign for this ledger: take the network name from GET /v1/network."},
	Expired:            {"expired", 400, "InvalidArgument", "Look the operation up by its id, in case it was executed in time; if not, sign it anew with a later exp."},
	NotYetValid:        {"not_yet_valid", 400, "InvalidArgument", "Set your clock; iat may be at most five minutes ahead."},
	LifetimeTooLong:    {"lifetime_too_long", 400, "InvalidArgument", "Choose an exp after iat and at most 24 hours after it."},
	AlgMismatch:        {"alg_mismatch", 400, "InvalidArgument", "Name the algorithm of the key that kid points to."},
	KidMismatch:        {"kid_mismatch", 400, "InvalidArgument", "Use the kid of your own DID, with a fragment of its document."},
	KeyUnknown:         {"key_unknown", 400, "FailedPrecondition", "Use a key that the actor's current document lists."},
	KeyPurpose:         {"key_purpose", 403, "PermissionDenied", "Use a key that the document of its DID lists for the purpose: capabilityInvocation for operations, assertionMethod for credentials, authentication for presentations and logins."},
	DIDUnknown:         {"did_unknown", 404, "NotFound", "Create the DID first with did.create."},
	DIDDeactivated:     {"did_deactivated", 410, "FailedPrecondition", "Act with a DID that is not deactivated."},
	BadSignature:       {"bad_signature", 401, "Unauthenticated", "Sign exactly the bytes before the second dot with the key that kid names."},
	ContentMissing:     {"content_missing", 422, "FailedPrecondition", "Send the same operation again, together with the content whose SHA-256 it names as private; if it was executed meanwhile, the answer is its first result."},
	DIDExists:          {"did_exists", 409, "AlreadyExists", "The DID is there already; use it."},
	LinkTaken:          {"link_taken", 409, "AlreadyExists", "The chain address belongs to another DID; link another one."},
	BadProof:           {"bad_proof", 400, "InvalidArgument", "Sign exactly the text that the format asks for, with the key that is to be shown."},
	MissingPrior:       {"missing_prior", 400, "InvalidArgument", "State prior, the hash of the version that you change."},
	UnexpectedPrior:    {"unexpected_prior", 400, "InvalidArgument", "Leave prior out; this operation replaces nothing."},
	StalePrior:         {"stale_prior", 409, "Aborted", "Read the current version, and sign again with its hash as prior."},
	NotFound:           {"not_found", 404, "NotFound", "Check the reference."},
	NotOwner:           {"not_owner", 403, "PermissionDenied", "Only the owner or issuer may do this."},
	NotAccredited:      {"not_accredited", 403, "PermissionDenied", "Ask the consortium for the accreditation."},
	Deleted:            {"deleted", 410, "FailedPrecondition", "The record is deleted; nothing can be done to it any more."},
	Revoked:            {"revoked", 409, "FailedPrecondition", "The credential is revoked for good."},
	InsufficientFunds:  {"insufficient_funds", 409, "FailedPrecondition", "Fund the account, or pay less."},
	Overflow:           {"overflow", 400, "OutOfRange", "Use smaller amounts."},
	NotMember:          {"not_member", 403, "PermissionDenied", "Act as a member organisation that may do this."},
	NotDue:             {"not_due", 409, "FailedPrecondition", "Wait until it is due."},
	AssetUnknown:       {"asset_unknown", 400, "InvalidArgument", "Use an asset of this ledger; GET /v1/network lists them."},
	VaultUnknown:       {"vault_unknown", 400, "InvalidArgument", "Use a vault of this ledger."},
	NotGrowing:         {"not_growing", 409, "FailedPrecondition", "Propose a checkpoint that is larger and later than the head."},
	NoQuorum:           {"no_quorum", 409, "FailedPrecondition", "Name as many members that have signed or approved as the ledger asks for."},
	AlreadyDone:        {"already_done", 409, "AlreadyExists", "It is done already; nothing changed."},
	Batched:            {"batched", 400, "InvalidArgument", "Send this as a single transaction of an organisation; batches refuse it."},
	FragmentTaken:      {"fragment_taken", 409, "FailedPrecondition", "Give each new key a fragment that named no other key before."},
	EntryTaken:         {"entry_taken", 409, "AlreadyExists", "Draw another entry of the status list at random, and sign again."},
	LimitReached:       {"limit_reached", 409, "FailedPrecondition", "Remove one that is not needed any more first, or wait until one has expired."},
	TagTaken:           {"tag_taken", 409, "AlreadyExists", "The person is bound to another DID, or the DID to another person; K of N members can release it with seven days' notice."},
	NotBound:           {"not_bound", 403, "FailedPrecondition", "In this asset only DIDs to which a person is bound are paid; have two identity verifiers bind the payee's."},
	Closed:             {"closed", 409, "FailedPrecondition", "Its time is over. Of a proposal that was enacted or has expired, propose anew what is still wanted; a draw takes no more elements."},
	Stopped:            {"stopped", 503, "FailedPrecondition", "The consortium has stopped this; send it again, as it is, when the stop is lifted."},
	NotInitialised:     {"not_initialised", 503, "FailedPrecondition", "Initialise the ledger with ops:Init."},
	AlreadyInitialised: {"already_initialised", 409, "AlreadyExists", "The ledger is initialised; nothing changed."},
	ClockSkew:          {"clock_skew", 400, "FailedPrecondition", "Set the clock of the submitting gateway; it differs from the endorser's by more than five minutes."},
	UnknownFunction:    {"unknown_function", 404, "Unimplemented", "Call a function or path that exists, in its exact spelling."},
	WrongArguments:     {"wrong_arguments", 400, "InvalidArgument", "Pass as many arguments as the function takes."},
	GrantExpired:       {"grant_expired", 409, "FailedPrecondition", "Sign the use with an exp that is not after the grant's expires; when that is past, ask the owner for another grant."},
	GrantUsedUp:        {"grant_used_up", 409, "FailedPrecondition", "Ask the owner for another grant; all uses of this one are taken."},
	GrantWithdrawn:     {"grant_withdrawn", 410, "FailedPrecondition", "Ask the owner for another grant; this one has ended."},
	NotGrantee:         {"not_grantee", 403, "PermissionDenied", "Act as the DID that the grant names, or ask the owner for a grant of your own."},
	NotGranted:         {"not_granted", 403, "PermissionDenied", "Name the operation that the grant names, or ask the owner for a grant of the other one."},
	OutOfScope:         {"out_of_scope", 403, "PermissionDenied", "Name a path within the grant's scope, or ask the owner for a wider grant."},
	VersionChanged:     {"version_changed", 409, "Aborted", "Read the record, and sign again for its current version if you want that one."},
	GrantDiffers:       {"grant_differs", 400, "InvalidArgument", "Read the grant, and repeat its record, owner, asset and price."},
	WrongPhase:         {"wrong_phase", 409, "FailedPrecondition", "Read the round of the job: this is done in another phase of it, and an earlier one does not come back."},
	TooLate:            {"too_late", 409, "FailedPrecondition", "The time for it is over; the job goes on, or ends, without it."},
	AmountTooLow:       {"amount_too_low", 400, "FailedPrecondition", "Offer at least as much as the text says."},
	NotParty:           {"not_party", 403, "PermissionDenied", "Act as the DID that opened the job, or the one that accepted it."},
	NotDrawn:           {"not_drawn", 403, "PermissionDenied", "Only the verifiers who were drawn for the job vote on it; its round names them."},
	EvidenceUnbound:    {"evidence_unbound", 400, "InvalidArgument", "Make the quote over the report data of this very job, operator and output, as docs/formats/job.md describes."},
	CollateralMissing:  {"collateral_missing", 409, "FailedPrecondition", "Bring the collateral of the platform first, with attest.collateral."},
	CollateralOlder:    {"collateral_older", 409, "FailedPrecondition", "Nothing to do: the ledger has newer collateral, or the same."},
	BallotDiffers:      {"ballot_differs", 400, "InvalidArgument", "Reveal the ballot and the salt to which you have committed."},
	Internal:           {"internal", 500, "Internal", "Report the id of this answer to the operator."},
	Unavailable:        {"unavailable", 503, "Unavailable", "Try again in a moment; nothing was changed."},
	Overloaded:         {"overloaded", 429, "ResourceExhausted", "Wait as long as Retry-After says, then send it again."},
	Unknown:            {"outcome_unknown", 202, "Unknown", "Look the operation up by its id; sending the same bytes again is safe."},
	Invalidated:        {"invalidated", 409, "Aborted", "Fabric voided the transaction; send the operation again."},
	NotAnchored:        {"not_anchored", 404, "NotFound", "Wait until the next anchor is final, then ask again."},
	NotAcceptable:      {"not_acceptable", 406, "InvalidArgument", "Ask for a media type that is served."},
	Suspended:          {"suspended", 409, "FailedPrecondition", "The credential is suspended; its issuer may reinstate it."},
	MethodUnsupported:  {"method_not_supported", 501, "Unimplemented", "Ask a gateway that is set up for it, or use a DID of a method that is resolved here: did:killick of this network, did:key, or did:web of a host that the operator has named."},
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

// Advice returns one sentence that says what to do.
func (c Code) Advice() string { return table[c.known()].advice }

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
