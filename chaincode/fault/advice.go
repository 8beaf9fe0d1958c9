package fault

// Advice says in one sentence what to do about it. It stands apart from the table, so that
// programs which advise nobody do not carry it.
func (c Code) Advice() string {
	switch c.known() {
	case OK:
		return "The operation is done."
	case Malformed:
		return "Send a compact JWS with header and payload in strict JSON, as docs/formats/operation.md describes."
	case DuplicateKey:
		return "Name each member of a JSON object once."
	case TrailingData:
		return "Send nothing after the end of the value."
	case UnknownField:
		return "Remove the member; names are compared byte for byte, so check its spelling and case."
	case WrongType:
		return "Give the member the JSON type that the operation's table states; amounts are strings."
	case NumberRange:
		return "Give an integer within the range that the text states, between -(2^53-1) and 2^53-1 in any case; in credentials a number that a double keeps; write amounts as strings."
	case MissingField:
		return "Add the member that is named."
	case InvalidValue:
		return "Give the member or parameter a value that is allowed there; the text says what is wrong with it."
	case TooLarge:
		return "Make the request smaller, or split the batch."
	case UnknownOperation:
		return "Use an operation of this version; docs/formats/operation.md lists them."
	case WrongNetwork:
		return "Sign for this ledger: take the network name from GET /v1/network."
	case Expired:
		return "Look the operation up by its id, in case it was executed in time; if not, sign it anew with a later exp."
	case NotYetValid:
		return "Set your clock; iat may be at most five minutes ahead."
	case LifetimeTooLong:
		return "Choose an exp after iat and at most 24 hours after it."
	case AlgMismatch:
		return "Name the algorithm of the key that kid points to."
	case KidMismatch:
		return "Use the kid of your own DID, with a fragment of its document."
	case KeyUnknown:
		return "Use a key that the actor's current document lists."
	case KeyPurpose:
		return "Use a key that the document of its DID lists for the purpose: capabilityInvocation for operations, assertionMethod for credentials, authentication for presentations and logins."
	case DIDUnknown:
		return "Create the DID first with did.create."
	case DIDDeactivated:
		return "Act with a DID that is not deactivated."
	case BadSignature:
		return "Sign exactly the bytes before the second dot with the key that kid names."
	case ContentMissing:
		return "Send the same operation again, together with the content whose SHA-256 it names as private; if it was executed meanwhile, the answer is its first result."
	case DIDExists:
		return "The DID is there already; use it."
	case LinkTaken:
		return "The chain address belongs to another DID; link another one."
	case BadProof:
		return "Sign exactly the text that the format asks for, with the key that is to be shown."
	case MissingPrior:
		return "State prior, the hash of the version that you change."
	case UnexpectedPrior:
		return "Leave prior out; this operation replaces nothing."
	case StalePrior:
		return "Read the current version, and sign again with its hash as prior."
	case NotFound:
		return "Check the reference."
	case NotOwner:
		return "Only the owner or issuer may do this."
	case NotAccredited:
		return "Ask the consortium for the accreditation."
	case Deleted:
		return "The record is deleted; nothing can be done to it any more."
	case Revoked:
		return "The credential is revoked for good."
	case InsufficientFunds:
		return "Fund the account, or pay less."
	case Overflow:
		return "Use smaller amounts."
	case NotMember:
		return "Act as a member organisation that may do this."
	case NotDue:
		return "Wait until it is due."
	case AssetUnknown:
		return "Use an asset of this ledger; GET /v1/network lists them."
	case VaultUnknown:
		return "Use a vault of this ledger."
	case NotGrowing:
		return "Propose a checkpoint that is larger and later than the head."
	case NoQuorum:
		return "Name as many members that have signed or approved as the ledger asks for."
	case AlreadyDone:
		return "It is done already; nothing changed."
	case Batched:
		return "Send this as a single transaction of an organisation; batches refuse it."
	case FragmentTaken:
		return "Give each new key a fragment that named no other key before."
	case EntryTaken:
		return "Draw another entry of the status list at random, and sign again."
	case LimitReached:
		return "Remove one that is not needed any more first, or wait until one has expired."
	case TagTaken:
		return "The person is bound to another DID, or the DID to another person; K of N members can release it with seven days' notice."
	case NotBound:
		return "In this asset only DIDs to which a person is bound are paid; have two identity verifiers bind the payee's."
	case Closed:
		return "Its time is over. Of a proposal that was enacted or has expired, propose anew what is still wanted; a draw takes no more elements."
	case Stopped:
		return "The consortium has stopped this; send it again, as it is, when the stop is lifted."
	case NotInitialised:
		return "Initialise the ledger with ops:Init."
	case AlreadyInitialised:
		return "The ledger is initialised; nothing changed."
	case ClockSkew:
		return "Set the clock of the submitting gateway; it differs from the endorser's by more than five minutes."
	case UnknownFunction:
		return "Call a function or path that exists, in its exact spelling."
	case WrongArguments:
		return "Pass as many arguments as the function takes."
	case GrantExpired:
		return "Sign the use with an exp that is not after the grant's expires; when that is past, ask the owner for another grant."
	case GrantUsedUp:
		return "Ask the owner for another grant; all uses of this one are taken."
	case GrantWithdrawn:
		return "Ask the owner for another grant; this one has ended."
	case NotGrantee:
		return "Act as the DID that the grant names, or ask the owner for a grant of your own."
	case NotGranted:
		return "Name the operation that the grant names, or ask the owner for a grant of the other one."
	case OutOfScope:
		return "Name a path within the grant's scope, or ask the owner for a wider grant."
	case VersionChanged:
		return "Read the record, and sign again for its current version if you want that one."
	case GrantDiffers:
		return "Read the grant, and repeat its record, owner, asset and price."
	case WrongPhase:
		return "Read the round of the job: this is done in another phase of it, and an earlier one does not come back."
	case TooLate:
		return "The time for it is over; the job goes on, or ends, without it."
	case AmountTooLow:
		return "Offer at least as much as the text says."
	case NotParty:
		return "Act as the DID that opened the job, or the one that accepted it."
	case NotDrawn:
		return "Only the verifiers who were drawn for the job vote on it; its round names them."
	case EvidenceUnbound:
		return "Make the quote over the report data of this very job, operator and output, as docs/formats/job.md describes."
	case CollateralMissing:
		return "Bring the collateral of the platform first, with attest.collateral."
	case CollateralOlder:
		return "Nothing to do: the ledger has newer collateral, or the same."
	case BallotDiffers:
		return "Reveal the ballot and the salt to which you have committed."
	case Internal:
		return "Report the id of this answer to the operator."
	case Unavailable:
		return "Try again in a moment; nothing was changed."
	case Overloaded:
		return "Wait as long as Retry-After says, then send it again."
	case Unknown:
		return "Look the operation up by its id; sending the same bytes again is safe."
	case Invalidated:
		return "Fabric voided the transaction; send the operation again."
	case NotAnchored:
		return "Wait until the next anchor is final, then ask again."
	case NotAcceptable:
		return "Ask for a media type that is served."
	case Suspended:
		return "The credential is suspended; its issuer may reinstate it."
	case MethodUnsupported:
		return "Ask a gateway that is set up for it, or use a DID of a method that is resolved here: did:killick of this network, did:key, or did:web of a host that the operator has named."
	}
	return ""
}
