package opstest

import (
	"fmt"
	"strings"

	"github.com/go-json-experiment/json/jsontext"
)

// Document returns a document as did.update states it, with one key that may act.
func Document(fragment string, key Key) jsontext.Value {
	return fmt.Appendf(nil, `{"verificationMethod":[{"id":%q,"type":"Multikey","publicKeyMultibase":%q}],"capabilityInvocation":[%[1]q]}`,
		"#"+fragment, key.Multikey)
}

// Recoverable returns the document with a commitment to a recovery key, as
// did.recover states it.
func Recoverable(recovery Key, fragment string, key Key) jsontext.Value {
	text := string(Document(fragment, key))
	return jsontext.Value(strings.TrimSuffix(text, "}") + fmt.Sprintf(`,"recovery":%q}`, recovery.Commitment()))
}
