package sinktest

import (
	"context"
	"strings"
	"testing"

	"footfall/domain/checking"
	"footfall/test/check"
)

// Inspector is a publisher that looks at its servers without a start.
type Inspector interface {
	Inspect(ctx context.Context) []checking.Finding
}

// Inspect returns the findings about a URL, a line for each, as footfall check prints them. It fails
// the test if they have the secret.
func Inspect(t *testing.T, p Inspector, secret string) string {
	t.Helper()
	var all strings.Builder
	for _, f := range p.Inspect(t.Context()) {
		all.WriteString(string(f.Level) + " " + f.What + ": " + f.Mend + "\n")
	}
	if secret != "" && strings.Contains(all.String(), secret) {
		t.Errorf("the secret is in\n%s", all.String())
	}
	return all.String()
}

// Finds fails the test unless a line of the findings begins with the level and has all parts.
func Finds(t *testing.T, findings string, level checking.Level, parts ...string) {
	t.Helper()
	for line := range strings.Lines(findings) {
		missing := !strings.HasPrefix(line, string(level)+" ")
		for _, part := range parts {
			missing = missing || !strings.Contains(line, part)
		}
		if !missing {
			return
		}
	}
	t.Errorf("no line is %s with %q:\n%s", level, parts, findings)
}

// FindsNoFault fails the test if there is a finding that is not ok, or none at all.
func FindsNoFault(t *testing.T, findings string) {
	t.Helper()
	check.Equal(t, strings.Count("\n"+findings, "\nok "), strings.Count(findings, "\n"), "lines that are ok, of\n%s", findings)
	check.Equal(t, findings == "", false, "nothing is found")
}
