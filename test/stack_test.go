package test_test

import (
	"regexp"
	"slices"
	"strings"
	"testing"
)

func TestEverySettingOfTheStackIsInItsExample(t *testing.T) {
	t.Parallel()
	example := read(t, ".env.example")
	names := func(of, pattern string) []string {
		return slices.Compact(slices.Sorted(slices.Values(namesIn(of, pattern))))
	}
	used := names(read(t, "docker-compose.yml"), `[^$]\$\{([A-Z_]+)`)
	listed := names(example, `(?m)^([A-Z_]+)=`)
	if len(used) < 5 || !slices.Equal(used, listed) {
		t.Errorf("docker-compose.yml uses %q, .env.example has %q", used, listed)
	}
	for line := range strings.Lines(example) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), "=")
		if secret := regexp.MustCompile(`^[A-Z_]*(PASSWORD|TOKEN|SECRET)$`).MatchString(name); secret && value != "" {
			t.Errorf(".env.example has a value for %s", name)
		}
	}
}
