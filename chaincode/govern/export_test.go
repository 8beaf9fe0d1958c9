package govern

import (
	"maps"
	"slices"
)

// Subjects returns the rows of the table of subjects.
func Subjects() []string { return slices.Sorted(maps.Keys(subjects)) }
