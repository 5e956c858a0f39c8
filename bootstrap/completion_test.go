package bootstrap_test

import (
	"maps"
	"slices"
	"strings"
	"testing"

	"footfall/bootstrap"
	"footfall/test/check"
)

// offered returns the completions of the last of some words, as the script of
// every shell requests them.
func offered(t *testing.T, words ...string) []string {
	t.Helper()
	code, stdout, stderr := run(t, append([]string{"__complete"}, words...)...)
	check.Equal(t, code, 0, "exit code of %q: %s", words, stderr)
	var offers []string
	for line := range strings.Lines(stdout) {
		word, _, _ := strings.Cut(strings.TrimSuffix(line, "\n"), "\t")
		offers = append(offers, word)
	}
	return offers
}

func TestAllCommandsAndFlagsAreOffered(t *testing.T) {
	t.Parallel()
	for _, command := range bootstrap.Commands() {
		var path []string
		for _, word := range strings.Fields(command) {
			switch flag := strings.Trim(word, "[]"); {
			case strings.HasPrefix(flag, "--"):
				if got := offered(t, append(path, "--")...); !slices.Contains(got, flag) {
					t.Errorf("%s is not offered after %q, but %q", flag, path, got)
				}
			case strings.ToLower(word) == word:
				if got := offered(t, append(path, "")...); !slices.Contains(got, word) {
					t.Errorf("%s is not offered after %q, but %q", word, path, got)
				}
				path = append(path, word)
			}
		}
	}
	for _, path := range [][]string{{}, {"serve"}, {"ring"}, {"ring", "add", "n4"}} {
		got := offered(t, append(path, "--")...)
		for name := range maps.Keys(bootstrap.Defaults()) {
			flag := "--" + strings.ToLower(strings.ReplaceAll(strings.TrimPrefix(name, "FOOTFALL_"), "_", "-"))
			if !slices.Contains(got, flag) {
				t.Errorf("%s is not offered after %q, but %q", flag, path, got)
			}
		}
	}
}

// Files are offered only for an argument that is a file. The last line of an
// answer is :4 for all others.
func TestFilesAreOfferedForFileArguments(t *testing.T) {
	t.Parallel()
	for _, command := range bootstrap.Commands() {
		var words []string
		for _, word := range strings.Fields(command) {
			if strings.ToLower(word) == word && !strings.Contains(word, "--") {
				words = append(words, word)
			}
		}
		want := strings.Contains(command, " FILE")
		if got := offered(t, append(words, "")...); slices.Contains(got, ":4") == want {
			t.Errorf("%s: %q is offered; that files are is %t, want %t", command, got, !want, want)
		}
	}
	if _, stdout, _ := run(t, "__complete", "publish", "--"); strings.Contains(stdout, "`") {
		t.Errorf("backticks are shown: %s", stdout)
	}
}

func TestEveryShellCallsTheProgram(t *testing.T) {
	t.Parallel()
	for shell, registered := range map[string]string{"bash": "-F __start_footfall footfall\n", "zsh": "#compdef footfall\n", "fish": "complete -c footfall "} {
		code, script, stderr := run(t, "completion", shell)
		if code != 0 || !strings.Contains(script, registered) || !strings.Contains(script, "__complete") {
			t.Errorf("completion %s: exit code %d %s:\n%s", shell, code, stderr, script)
		}
	}
}
