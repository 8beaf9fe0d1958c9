package sealed

// Encode and DecodeRecord are the layout of a record before it is sealed.
func (r *Record) Encode() ([]byte, error) { return r.encode() }

// DecodeRecord reads it.
func DecodeRecord(data []byte) (*Record, error) { return decodeRecord(data) }
