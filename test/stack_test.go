package test_test

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"footfall/test/check"
)

func TestEverySettingOfTheStackIsInItsExample(t *testing.T) {
	t.Parallel()
	stack := check.Value(os.ReadFile(filepath.Join(root, "docker-compose.yml")))(t)
	example := check.Value(os.ReadFile(filepath.Join(root, ".env.example")))(t)
	names := func(of []byte, pattern string) (found []string) {
		for _, m := range regexp.MustCompile(pattern).FindAllStringSubmatch(string(of), -1) {
			found = append(found, m[1])
		}
		slices.Sort(found)
		return slices.Compact(found)
	}
	used := names(stack, `[^$]\$\{([A-Z_]+)`)
	listed := names(example, `(?m)^([A-Z_]+)=`)
	if len(used) < 5 || !slices.Equal(used, listed) {
		t.Errorf("docker-compose.yml uses %q, .env.example has %q", used, listed)
	}
	for line := range strings.Lines(string(example)) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), "=")
		if secret := regexp.MustCompile(`^[A-Z_]*(PASSWORD|TOKEN|SECRET)$`).MatchString(name); secret && value != "" {
			t.Errorf(".env.example has a value for %s", name)
		}
	}
}
