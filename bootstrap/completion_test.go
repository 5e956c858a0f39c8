package bootstrap_test

import (
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"
)

func TestEveryShellIsToldAllCommandsAndFlags(t *testing.T) {
	t.Parallel()
	_, help, _ := run(t, "--help")
	for _, shell := range []string{"bash", "zsh", "fish"} {
		code, script, stderr := run(t, "completion", shell)
		if code != 0 {
			t.Fatalf("completion %s: exit code %d %s", shell, code, stderr)
		}
		for _, word := range []string{"serve", "healthcheck", "version", "completion", "zsh"} {
			if !strings.Contains(script, word) {
				t.Errorf("%s is not told of %s", shell, word)
			}
		}
		for _, flag := range regexp.MustCompile(`--[a-z-]+`).FindAllString(help, -1) {
			if !strings.Contains(script, strings.TrimPrefix(flag, "--")) {
				t.Errorf("%s is not told of %s", shell, flag)
			}
		}
	}
	if code, _, stderr := run(t, "completion", "tcsh"); code != 2 || !strings.Contains(stderr, "bash") {
		t.Errorf("completion tcsh: exit code %d %q, want 2 and the shells that there are", code, stderr)
	}
}

func TestBashCompletes(t *testing.T) {
	t.Parallel()
	_, script, _ := run(t, "completion", "bash")
	for _, c := range []struct {
		line string
		want []string
	}{
		{"footfall he", []string{"healthcheck"}},
		{"footfall --admin-", []string{"--admin-listen", "--admin-token"}},
		{"footfall completion ", []string{"bash", "zsh", "fish"}},
		{"footfall --listen :1 completion z", []string{"zsh"}},
		{"footfall healthcheck --lis", []string{"--listen"}},
		{"footfall xyz", nil},
	} {
		words := strings.Split(c.line, " ")
		ask := script + "\nCOMP_WORDS=(\"$@\"); COMP_CWORD=$(($# - 1)); _footfall; printf '%s\\n' \"${COMPREPLY[@]}\""
		out, err := exec.CommandContext(t.Context(), "bash", slices.Concat([]string{"-euc", ask, "bash"}, words)...).CombinedOutput()
		if err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		got := strings.Fields(string(out))
		for _, w := range c.want {
			if !slices.Contains(got, w) {
				t.Errorf("%q is completed to %q, want %q among them", c.line, got, w)
			}
		}
		if c.want == nil && len(got) > 0 {
			t.Errorf("%q is completed to %q, want nothing", c.line, got)
		}
	}
}
