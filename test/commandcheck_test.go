package test_test

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"footfall/bootstrap"
)

// runBy names the tests that run the commands of other programs, by the
// program and its first argument.
var runBy = map[string]string{
	"redis-cli":   "test/runbook.TestTheRedisCommandsOfTheDocsRun",
	"rabbitmqctl": "test/runbook.TestTheRabbitMQCommandsOfTheDocsRun",
	"jq":          "test/runbook.TestN15FilesOfOtherProgramsAreImportedAsThePageSays",
	"cp -Rp":      "test/runbook.TestN15TheEmbeddedStoreIsRestoredAsThePageSays",
}

// plain are programs of every system, whose arguments are not checked.
var plain = []string{"[", "awk", "cd", "cp", "date", "echo", "git", "grep", "gzip", "head", "mkdir", "mv", "openssl", "redis-server", "rm", "sort", "zcat"}

// commandCheck knows what commands may name.
type commandCheck struct {
	makefile, stack, manifest, api string
	tests                          map[string]bool
	stacks                         map[string]string // of deploy, by their files
}

func newCommandCheck(t *testing.T) commandCheck {
	t.Helper()
	tests, _ := testsAndCitations(t)
	stacks := make(map[string]string)
	eachFile(t, func(name, text string) {
		if strings.HasPrefix(name, "deploy/") && strings.HasSuffix(name, "/compose.yml") {
			stacks[name] = text
		}
	})
	return commandCheck{
		stacks:   stacks,
		makefile: read(t, "Makefile"), stack: read(t, "docker-compose.yml"), manifest: read(t, "deploy/kubernetes/footfall.yaml"),
		api: read(t, "docs/api.md"), tests: tests,
	}
}

func (c commandCheck) check(command []string) error {
	program, args := command[0], command[1:]
	if len(args) > 0 {
		if test, ok := runBy[program+" "+args[0]]; ok {
			return c.hasTest(test)
		}
	}
	if test, ok := runBy[program]; ok {
		return c.hasTest(test)
	}
	switch program {
	case "make":
		return c.make(args)
	case "go":
		return c.golang(args)
	case "footfall", "bin/footfall":
		return footfallKnows(args)
	case "docker":
		return c.docker(args)
	case "kubectl":
		return c.kubectl(args)
	case "curl":
		return c.curl(args)
	case "sh":
		for _, simple := range shellCommands(args[len(args)-1]) {
			if err := c.check(simple); err != nil {
				return err
			}
		}
		return nil
	}
	if slices.Contains(plain, program) || strings.HasPrefix(program, "scripts/") || strings.HasPrefix(program, ".ci/") {
		return filesExist(program, args)
	}
	return fmt.Errorf("%s is on no list", program)
}

func (c commandCheck) hasTest(name string) error {
	if !c.tests[name] {
		return fmt.Errorf("there is no test %s", name)
	}
	return nil
}

// filesExist checks the first file of cp, and scripts.
func filesExist(program string, args []string) error {
	if program == "cp" {
		program = args[0]
	} else if !strings.Contains(program, "/") {
		return nil
	}
	_, err := os.Stat(filepath.Join(root, program))
	return err
}

func (c commandCheck) make(args []string) error {
	for _, arg := range args {
		pattern := `(?m)^` + regexp.QuoteMeta(arg) + `:[^=]`
		if name, _, ok := strings.Cut(arg, "="); ok {
			pattern = `\$\(` + regexp.QuoteMeta(name) + `\)`
		}
		if !regexp.MustCompile(pattern).MatchString(c.makefile) {
			return fmt.Errorf("the Makefile has no %s", arg)
		}
	}
	return nil
}

func (c commandCheck) golang(args []string) error {
	switch {
	case len(args) >= 2 && args[0] == "run" && args[1] == ".":
		return footfallKnows(args[2:])
	case args[0] == "test" || args[0] == "vet":
		return nil
	case args[0] == "tool" && len(args) > 2:
		mod, err := os.ReadFile(filepath.Join(root, "tools/go.mod"))
		if err == nil && !strings.Contains(string(mod), args[2]) {
			err = fmt.Errorf("tools/go.mod has no %s", args[2])
		}
		return err
	}
	return fmt.Errorf("go %s is not checked", args[0])
}

// footfallKnows asks the program for help on a command, with the flags of the
// documentation.
func footfallKnows(args []string) error {
	var out, errs strings.Builder
	if code := bootstrap.Main(append(slices.Clone(args), "--help"), &out, &errs); code != 0 {
		return fmt.Errorf("exit code %d: %s", code, errs.String())
	}
	usage := regexp.MustCompile(`(?m)^ +footfall([a-z -]*)`).FindStringSubmatch(out.String())
	if usage == nil {
		return fmt.Errorf("its help has no usage: %q", out.String())
	}
	names := strings.Fields(usage[1])
	leading := 0
	for leading < len(args) && leading < len(names) && args[leading] == names[leading] {
		leading++
	}
	// Commands have lower-case names; what is left are arguments.
	if leading < len(names) || len(names) == 0 && len(args) > 0 && !strings.HasPrefix(args[0], "-") {
		return fmt.Errorf("the program knows %q", usage[0])
	}
	if strings.Contains(out.String(), "Available Commands:") && leading < len(args) && !strings.HasPrefix(args[leading], "-") {
		return fmt.Errorf("%q has no %s", usage[0], args[leading])
	}
	return nil
}

var composeFlags = []string{"--build", "--detach", "--no-deps", "--quiet", "--volumes", "--wait", "-T"}

func (c commandCheck) docker(args []string) error {
	if args[0] == "run" {
		image, _, _ := strings.Cut(args[len(args)-1], ":")
		if !strings.Contains(c.stack, "image: "+image+":") {
			return fmt.Errorf("docker-compose.yml has no image %s", image)
		}
		return nil
	}
	if args[0] != "compose" {
		return fmt.Errorf("docker %s is on no list", args[0])
	}
	verb := ""
	for i := 1; i < len(args); i++ {
		arg := args[i]
		switch {
		case arg == "-f":
			i++
			var ok bool
			if c.stack, ok = c.stacks[args[i]]; !ok {
				return fmt.Errorf("there is no stack %s", args[i])
			}
		case arg == "--profile":
			i++
			if !strings.Contains(c.stack, "profiles: ["+args[i]+"]") {
				return fmt.Errorf("there is no profile %s", args[i])
			}
		case arg == "--scale":
			i++
			arg, _, _ = strings.Cut(args[i], "=")
			if err := c.service(arg); err != nil {
				return err
			}
		case strings.HasPrefix(arg, "-"):
			if !slices.Contains(composeFlags, arg) {
				return fmt.Errorf("the flag %s is not known", arg)
			}
		case verb == "":
			verb = arg
			if !slices.Contains([]string{"build", "cp", "down", "exec", "kill", "ps", "stop", "up"}, verb) {
				return fmt.Errorf("docker compose %s is not known", verb)
			}
		case verb == "exec":
			if err := c.service(arg); err != nil {
				return err
			}
			return c.check(args[i+1:])
		case verb == "cp":
			service, _, _ := strings.Cut(arg, ":")
			return c.service(service)
		default:
			if err := c.service(arg); err != nil {
				return err
			}
		}
	}
	return nil
}

func (c commandCheck) service(name string) error {
	if !regexp.MustCompile(`(?m)^  ` + regexp.QuoteMeta(name) + `:$`).MatchString(c.stack) {
		return fmt.Errorf("docker-compose.yml has no service %s", name)
	}
	return nil
}

func (c commandCheck) kubectl(args []string) error {
	for i, arg := range args {
		key, isKey := strings.CutPrefix(arg, "--from-literal=")
		key, _, _ = strings.Cut(key, "=")
		switch {
		case isKey && !strings.Contains(c.manifest, "key: "+key):
			return fmt.Errorf("the manifests do not use the key %s", key)
		case arg == "-f":
			if _, err := os.Stat(filepath.Join(root, args[i+1])); err != nil {
				return err
			}
		case strings.HasPrefix(arg, "deploy/") && args[i-1] == "exec":
			if !strings.Contains(c.manifest, "name: "+strings.TrimPrefix(arg, "deploy/")+"\n") {
				return fmt.Errorf("the manifests have no %s", arg)
			}
		case arg == "--":
			return c.check(args[i+1:])
		}
	}
	return nil
}

// curl checks the route against the tables of docs/api.md, which a test of the
// HTTP adapter compares with the routers.
func (c commandCheck) curl(args []string) error {
	method, url := "GET", ""
	for i := 0; i < len(args); i++ {
		switch args[i] {
		case "-X":
			method = args[i+1]
			i++
		case "-d":
			if method == "GET" {
				method = "POST"
			}
			i++
		case "-H":
			i++
		case "-N":
		default:
			url = args[i]
		}
	}
	listener, route, _ := strings.Cut(url, "/")
	public, admin, _ := strings.Cut(c.api, "\n## Admin listener")
	table := map[string]string{"localhost:8000": public, "127.0.0.1:8010": public, "localhost:8001": admin}[listener]
	route, _, _ = strings.Cut("/"+route, "?")
	for _, known := range namesIn(table, "`("+method+" /[^ `?]*)[^`]*`") {
		pattern := regexp.MustCompile(`\\\{[a-z_]+\\\}`).ReplaceAllString(regexp.QuoteMeta(strings.TrimPrefix(known, method+" ")), "[^/]+")
		if regexp.MustCompile("^" + pattern + "$").MatchString(route) {
			return nil
		}
	}
	return fmt.Errorf("%s has no route %s %s", listener, method, route)
}
