package ops

// Names returns the names of all operations in the order of their numbers.
func Names() []string {
	names := make([]string, len(kinds))
	for i, k := range kinds {
		names[i] = k.name
	}
	return names
}
