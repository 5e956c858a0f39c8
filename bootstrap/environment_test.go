package bootstrap_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"footfall/test/check"
)

// A secret may be in a file, as orchestrators have them.
func TestASecretIsReadFromAFile(t *testing.T) {
	file := func(text string) string {
		path := filepath.Join(t.TempDir(), "secret")
		check.Must(t, os.WriteFile(path, []byte(text), 0o600))
		return path
	}
	for _, variable := range []string{"FOOTFALL_ADMIN_TOKEN", "FOOTFALL_STORE", "FOOTFALL_PUBLISHER", "FOOTFALL_CALLBACK_SECRET", "FOOTFALL_CALLBACK_PROXY"} {
		for path, want := range map[string]string{
			file("x\n"):                       variable + "=",
			file(" \n"):                       variable + `_FILE="`,
			file(strings.Repeat("x", 70_000)): "it has more than 65536 bytes",
			t.TempDir():                       "is a directory",
			"/nowhere":                        `_FILE="/nowhere": no such file or directory`,
		} {
			t.Run(variable+" "+want, func(t *testing.T) {
				t.Setenv(variable+"_FILE", path)
				code, _, stderr := run(t)
				check.Equal(t, code, 2, "exit code")
				if !strings.Contains(stderr, variable) || !strings.Contains(stderr, want) || strings.Count(stderr, "\n") != 1 {
					t.Errorf("%q, want %s", stderr, want)
				}
			})
		}
	}
	t.Run("both", func(t *testing.T) {
		t.Setenv("FOOTFALL_STORE", "nothing://here")
		t.Setenv("FOOTFALL_STORE_FILE", file("else://where"))
		code, _, stderr := run(t)
		check.Equal(t, code, 2, "exit code")
		check.Equal(t, stderr, "footfall: both FOOTFALL_STORE and FOOTFALL_STORE_FILE are set\n", "the line")
		_, _, stderr = run(t, "--store", "flag://x")
		check.Equal(t, strings.Contains(stderr, `FOOTFALL_STORE="flag://x"`), true, "the command line comes first: %s", stderr)
	})
	t.Run("an empty one is none", func(t *testing.T) {
		t.Setenv("FOOTFALL_STORE", "nothing://here")
		t.Setenv("FOOTFALL_STORE_FILE", "")
		if _, _, stderr := run(t); !strings.Contains(stderr, `FOOTFALL_STORE="nothing://here"`) {
			t.Error(stderr)
		}
	})
}
