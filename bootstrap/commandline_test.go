package bootstrap_test

import (
	"maps"
	"slices"
	"strings"
	"testing"

	"footfall/bootstrap"
	"footfall/test/check"
)

// The command line precedes the environment, and that the default. Flags may be
// anywhere after their command.
func TestTheCommandLineIsRead(t *testing.T) {
	for name, value := range map[string]string{"LISTEN": ":1", "ADMIN_TOKEN": "", "DRY_RUN": "true", "ADDR": "x", "STORE": "", "HELP": "true", "VERSION": "true"} {
		t.Setenv("FOOTFALL_"+name, value)
	}
	for _, c := range []struct {
		line, command, args string
		want                map[string]string // all others are from the environment, or the default
	}{
		{"", "footfall", "", map[string]string{"listen": ":1", "store": "", "admin-listen": "127.0.0.1:8001"}},
		{"serve", "footfall serve", "", nil},
		{"--listen=:2", "footfall", "", map[string]string{"listen": ":2"}},
		{"--listen :2 version", "footfall version", "", map[string]string{"listen": ":2"}},
		{"version --listen= --store memory://", "footfall version", "", map[string]string{"listen": "", "store": "memory://"}},
		{"ring add n4:1", "footfall ring add", "n4:1", map[string]string{"weight": "1", "dry-run": "false", "no-wait": "false"}},
		{"ring add --dry-run n4:1 --weight 3 --listen :2", "footfall ring add", "n4:1", map[string]string{"weight": "3", "dry-run": "true", "listen": ":2"}},
		{"ring --admin-token x add -- --n4", "footfall ring add", "--n4", map[string]string{"admin-token": "x"}},
		{"ring weight redis_1 2 --no-wait=true", "footfall ring weight", "redis_1 2", map[string]string{"no-wait": "true"}},
		{"ring owner -", "footfall ring owner", "-", nil},
		{"history set 15m:32d,1d:400d", "footfall history set", "15m:32d,1d:400d", nil},
		{"publish --replay f", "footfall publish", "", map[string]string{"replay": "f", "listen": ":1"}},
		{"publish --replay f --replay=-", "footfall publish", "", map[string]string{"replay": "f, -"}},
		{"ring add x --weight 010", "footfall ring add", "x", map[string]string{"weight": "10"}},
		{"completion zsh", "footfall completion", "zsh", nil},
		{"import f --skip=9223372036854775807", "footfall import", "f", map[string]string{"skip": "9223372036854775807"}},
	} {
		command, args, got, err := bootstrap.Parse(strings.Fields(c.line)...)
		if err != nil || command != c.command || strings.Join(args, " ") != c.args {
			t.Errorf("%q is %q %q, %v", c.line, command, args, err)
		}
		for name, want := range c.want {
			check.Equal(t, got[name], want, "%q: %s in %v", c.line, name, got)
		}
	}
}

func TestABadCommandLineIsAnError(t *testing.T) {
	t.Parallel()
	for line, want := range map[string]string{
		"srve":                     "unexpected argument srve: want one of backup, callbacks, check, completion, delete, export, healthcheck, history, import, publish, ring, serve, version, windows",
		"history":                  "footfall history: want one of set, status",
		"history set":              "footfall history set wants SETTING",
		"history set 2h:1d":        "history \"2h:1d\": the unit is neither 15m nor 1h, want off or such as 1h:32d,1d:400d",
		"serve now":                "unexpected argument now",
		"version 1":                "unexpected argument 1",
		"--sotre=redis://u:p@h":    "unknown flag: --sotre",
		"-store=redis://u:p@h":     "unknown flag: -s",
		"--=redis://u:p@h":         "a flag without a name",
		"-listen :1":               "unknown flag: -l",
		"--dry-run ring add x":     "unknown flag: --dry-run",
		"--listen":                 "flag needs an argument: --listen",
		"ring":                     "footfall ring: want one of add, move-address, owner, remove, repair, status, weight",
		"ring ad x":                "unexpected argument ad: want one of add, move-address, owner, remove, repair, status, weight",
		"ring add":                 "footfall ring add wants ADDR",
		"ring remove":              "footfall ring remove wants ID...",
		"ring remove a b":          "unexpected argument b: only --accept-loss removes several nodes in one change",
		"ring weight redis_1":      "footfall ring weight wants WEIGHT",
		"ring weight redis_1 -1":   "-1 is not a flag, and no number may be negative; put words that begin with - after --",
		"ring weight redis_1 two":  `WEIGHT is "two", want a number`,
		"ring add x --weight two":  `invalid argument "two" for "--weight" flag: want a number`,
		"ring add x --dry-run=no":  `invalid argument "no" for "--dry-run" flag: strconv.ParseBool: parsing "no": invalid syntax`,
		"import f --skip=-5":       "--skip is -5, want a number of lines",
		"import f --skip=1_000":    `invalid argument "1_000" for "--skip" flag: want a number`,
		"ring add x --weight 0x10": `invalid argument "0x10" for "--weight" flag: want a number`,
		"ring add x --weight 1e3":  `invalid argument "1e3" for "--weight" flag: want a number`,
		"publish":                  `required flag(s) "replay" not set`,
		"completion":               "footfall completion wants SHELL",
		"completion tcsh":          `SHELL is "tcsh", want one of bash, zsh, fish`,
	} {
		if code, stdout, stderr := run(t, strings.Fields(line)...); code != 2 || stdout != "" || stderr != "footfall: "+want+"\n" {
			t.Errorf("%q: exit code %d, %q, want 2, %s", line, code, stderr, want)
		}
	}
}

// F16: of two values of a flag one would have no effect, also if they are equal. The
// values may be secrets.
func TestF16AFlagIsGivenAtMostOnce(t *testing.T) {
	t.Parallel()
	lines := []string{
		"export f --restart --restart", "import f --skip=1 --skip=2", "import f --skip-invalid --skip-invalid=false",
		"ring add x --weight=1 --weight=1", "ring add x --dry-run --dry-run", "ring weight x 1 --no-wait --no-wait=false",
		"ring remove x --accept-loss --accept-loss",
	}
	for name := range bootstrap.Defaults() {
		flag := "--" + strings.ReplaceAll(strings.ToLower(strings.TrimPrefix(name, "FOOTFALL_")), "_", "-")
		lines = append(lines, "serve "+flag+"=s3cret "+flag+"=s3cret", flag+"=s3cret ring status "+flag+"=s3cret", "publish --replay=f "+flag+"=s3cret "+flag+"=s3cret")
	}
	for _, line := range lines {
		words := strings.Fields(line)
		flag, _, _ := strings.Cut(words[len(words)-1], "=")
		code, stdout, stderr := run(t, words...)
		if want := "footfall: " + flag + " is given more than once\n"; code != 2 || stdout != "" || stderr != want {
			t.Errorf("%q: exit code %d, %q, want 2, %q", line, code, stderr, want)
		}
	}
}

// A command that fails is not a bad command line.
func TestAFailureHasAnotherExitCode(t *testing.T) {
	t.Parallel()
	for _, line := range []string{"healthcheck --admin-listen=:http:", "ring status --admin-listen=nowhere", "import " + t.TempDir()} {
		if code, _, stderr := run(t, strings.Fields(line)...); code != 1 || !strings.HasPrefix(stderr, "footfall: ") {
			t.Errorf("%q: exit code %d, %q, want 1", line, code, stderr)
		}
	}
}

func TestEveryCommandHasItsHelp(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		line string
		want []string
	}{
		{"--help", []string{"footfall [command]", "\n  ring ", "\n  publish ", `(default ":8000")`, "($FOOTFALL_LISTEN)"}},
		{"ring --help", []string{"footfall ring [command]", "\n  repair "}},
		{"ring add -h", []string{"footfall ring add ADDR [flags]", "Add a new, empty node", "--dry-run", "--weight int", `(default 1)`, `(default "127.0.0.1:8001")`}},
		{"ring remove -h", []string{"--dry-run shows what that is"}},
		{"publish -h", []string{"--replay FILE"}},
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
		check.Equal(t, strings.Count(all, "($"+name+")"), 1, "how often %s is there", name)
	}
}

// The help of a command has only the settings that have an effect on it. Every
// command accepts all settings.
func TestTheHelpOfACommandHasItsSettings(t *testing.T) {
	t.Parallel()
	every := slices.Sorted(maps.Keys(bootstrap.Defaults()))
	admin := []string{"FOOTFALL_ADMIN_LISTEN", "FOOTFALL_ADMIN_TOKEN"}
	for line, want := range map[string][]string{
		"": every, "serve": every, "check": every, "ring": admin, "ring add": admin, "ring status": admin, "export": admin, "backup": admin, "import": admin,
		"publish": {"FOOTFALL_PUBLISHER"}, "healthcheck": {"FOOTFALL_ADMIN_LISTEN"}, "version": nil, "completion": nil,
	} {
		for _, asked := range [][]string{append(strings.Fields(line), "--help"), append([]string{"help"}, strings.Fields(line)...)} {
			_, help, _ := run(t, asked...)
			var got []string
			for _, name := range every {
				if strings.Contains(help, "($"+name+")") {
					got = append(got, name)
				}
			}
			if !slices.Equal(got, want) || strings.Contains(help, "Global Flags") != (want != nil && line != "") {
				t.Errorf("%q: %v, want %v:\n%s", asked, got, want, help)
			}
		}
	}
}
