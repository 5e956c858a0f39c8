package prometheus

import "fmt"

// Build is what a program was built from. Commit and Date (RFC 3339) are those of the commit, or unknown; Go is the
// version of the compiler.
type Build struct{ Version, Commit, Date, Go string }

func (b Build) String() string {
	return fmt.Sprintf("%s (commit %s of %s, %s)", b.Version, b.Commit, b.Date, b.Go)
}
