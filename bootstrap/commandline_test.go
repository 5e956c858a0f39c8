package bootstrap_test

import (
	"maps"
	"slices"
	"strings"
	"testing"

	"footfall/bootstrap"
)

// What is given on the command line comes first, then the environment, then
// the default. Flags may stand anywhere behind their command.
func TestTheCommandLineIsRead(t *testing.T) {
	t.Parallel()
	env := map[string]string{"FOOTFALL_LISTEN": ":1", "FOOTFALL_ADMIN_TOKEN": "", "FOOTFALL_DRY_RUN": "true", "FOOTFALL_ADDR": "x", "FOOTFALL_STORE": ""}
	for _, c := range []struct {
		line, command string
		want          map[string]string // else the environment, or the default
	}{
		{"", "footfall serve", map[string]string{"listen": ":1", "store": "", "admin-listen": "127.0.0.1:8001"}},
		{"serve", "footfall serve", nil},
		{"--listen=:2", "footfall serve", map[string]string{"listen": ":2"}},
		{"--listen :2 version", "footfall version", map[string]string{"listen": ":2"}},
		{"version --listen= --store memory://", "footfall version", map[string]string{"listen": "", "store": "memory://"}},
		{"ring add n4:1", "footfall ring add", map[string]string{"addr": "n4:1", "weight": "1", "dry-run": "false", "no-wait": "false"}},
		{"ring add --dry-run n4:1 --weight 3 --listen :2", "footfall ring add", map[string]string{"addr": "n4:1", "weight": "3", "dry-run": "true", "listen": ":2"}},
		{"ring --admin-token x add -- --n4", "footfall ring add", map[string]string{"addr": "--n4", "admin-token": "x"}},
		{"ring weight redis_1 2 --no-wait=true", "footfall ring weight", map[string]string{"id": "redis_1", "weight": "2", "no-wait": "true"}},
		{"ring owner -", "footfall ring owner", map[string]string{"page-id": "-"}},
		{"publish --replay f", "footfall publish", map[string]string{"replay": "f"}},
		{"completion zsh", "footfall completion", map[string]string{"shell": "zsh"}},
		{"import f --skip=9223372036854775807", "footfall import", map[string]string{"file": "f", "skip": "9223372036854775807"}},
	} {
		command, got, err := bootstrap.Parse(strings.Fields(c.line), env)
		if err != nil || command != c.command {
			t.Errorf("%q is %q, %v", c.line, command, err)
		}
		for name, want := range c.want {
			if got[name] != want {
				t.Errorf("%q: %s is %q, want %q; all are %v", c.line, name, got[name], want, got)
			}
		}
	}
}

func TestABadCommandLineIsAnError(t *testing.T) {
	t.Parallel()
	for line, want := range map[string]string{
		"srve":                    "unexpected argument srve: want one of serve, publish, export, import, ring, healthcheck, version, completion",
		"serve now":               "unexpected argument now",
		"version 1":               "unexpected argument 1",
		"--sotre=redis://u:p@h":   "unknown flag --sotre",
		"-listen :1":              "unknown flag -listen",
		"-v":                      "unknown flag -v",
		"--dry-run ring add x":    "unknown flag --dry-run",
		"--listen":                "--listen wants a value",
		"ring":                    "footfall ring: want one of status, add, weight, remove, repair, owner",
		"ring add":                "footfall ring add wants <addr>",
		"ring weight redis_1":     "footfall ring weight wants <weight>",
		"ring weight redis_1 two": `weight is "two", want a number`,
		"ring add x --dry-run=no": `--dry-run is "no", want true or false`,
		"publish":                 "footfall publish wants --replay",
		"completion tcsh":         `shell is "tcsh", want one of bash, zsh, fish`,
	} {
		if command, _, err := bootstrap.Parse(strings.Fields(line), nil); err == nil || err.Error() != want {
			t.Errorf("%q is %q, %v, want %s", line, command, err, want)
		}
	}
}

func TestEveryCommandHasItsHelp(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		line string
		want []string
	}{
		{"--help", []string{"Usage: footfall <command> [flags]", "  footfall ring owner <page-id> [flags]\n", "  footfall publish --replay=FILE [flags]\n", `--listen=":8000"`, "($FOOTFALL_LISTEN)"}},
		{"ring --help", []string{"Usage: footfall ring <command> [flags]", "footfall ring repair [flags]"}},
		{"ring add -h", []string{"Usage: footfall ring add <addr> [flags]", "Let a new node in.", "  <addr>\n", "  --dry-run\n", `--weight="1"`, `--listen=":8000"`}},
	} {
		code, stdout, stderr := run(t, strings.Fields(c.line)...)
		if code != 0 || stderr != "" {
			t.Errorf("%s: exit code %d, %s", c.line, code, stderr)
		}
		for _, want := range c.want {
			if !strings.Contains(stdout, want) {
				t.Errorf("%s: it has no %s:\n%s", c.line, want, stdout)
			}
		}
	}
	_, all, _ := run(t, "--help")
	for _, name := range slices.Sorted(maps.Keys(bootstrap.Defaults())) {
		if strings.Count(all, "($"+name+")") != 1 {
			t.Errorf("%s is not there once", name)
		}
	}
}
