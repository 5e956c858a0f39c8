package test_test

import (
	"regexp"
	"strings"
	"testing"

	"footfall/test/check"
)

// executed names the tests that run every block of a page.
var executed = map[string]string{"docs/operations/single-server.md": "test/runbook.TestN15OneServerIsRunAsThePageSays"}

// Every command in README, CONTRIBUTING and docs/ is one that exists: in fenced
// blocks, and in the text between backquotes.
func TestEveryCommandOfTheDocsExists(t *testing.T) {
	t.Parallel()
	c := newCommandCheck(t)
	seen := 0
	for name, text := range docPages(t) {
		if test, ok := executed[name]; ok {
			check.OK(t, c.hasTest(test))
			text = fence.ReplaceAllString(text, "")
		}
		for _, script := range scripts(text) {
			for _, command := range shellCommands(script) {
				seen++
				check.OK(t, c.check(command), "%s: %q", name, strings.Join(command, " "))
			}
		}
	}
	if seen < 60 {
		t.Errorf("saw %d commands: they are not found", seen)
	}
}

// scripts are the shell blocks of a page, and its inline code that begins with
// a program and names all its arguments.
func scripts(page string) (found []string) {
	for _, block := range fence.FindAllStringSubmatch(page, -1) {
		switch block[1] {
		case "sh":
			found = append(found, block[2])
		case "console":
			for line := range strings.Lines(block[2]) {
				if command, ok := strings.CutPrefix(line, "$ "); ok {
					found = append(found, command)
				}
			}
		}
	}
	inline := regexp.MustCompile("`((?:[A-Z_]+=\\S+ )*(?:make|footfall|docker|curl|go|redis-cli|rabbitmqctl|kubectl) [^`\\[]+)`")
	for _, m := range inline.FindAllStringSubmatch(fence.ReplaceAllString(page, ""), -1) {
		if !strings.Contains(m[1], "...") && !strings.Contains(m[1], "bash|zsh") {
			found = append(found, m[1])
		}
	}
	return found
}

func TestCommandsThatDoNotExistAreFound(t *testing.T) {
	t.Parallel()
	c := newCommandCheck(t)
	for command, good := range map[string]bool{
		"make test": true, "make bench BENCH=HTTP": true, "make tests": false, "make bench BUNCH=1": false,
		"go run .": true, "go run . ring status": true, "go run . ring statis": false, "go build": false,
		"footfall": true, "footfall serve --listen=:1": true, "footfall serf": false, "footfall ring": true,
		"footfall ring add redis://n4:6379 --weight 2": true, "footfall ring add x --wait": false,
		"footfall ring ad x": false, "footfall export - | gzip >all.gz": true, "footfall serve --lissen=:1": false,
		"docker compose up --build": true, "docker compose up --built": false, "docker compose raise": false,
		"docker compose up --scale footfall=4 redis-1": true, "docker compose up --scale foot=4": false, "docker compose up redis-9": false,
		"docker compose --profile fourth-node up": true, "docker compose --profile fifth-node up": false,
		"docker compose exec footfall footfall ring status": true, "docker compose exec footfall footfall rink": false,
		"docker compose -f deploy/redis-sentinel/compose.yml kill redis-2": true, "docker compose -f deploy/redis-sentinel/compose.yml kill redis-3": false,
		"docker compose -f deploy/none/compose.yml up": false,
		"docker run footfall:devel":                    true, "docker run footfal:devel": false, "docker pause x": false,
		"kubectl apply -f deploy/kubernetes": true, "kubectl apply -f deploy/k8s": false,
		"kubectl exec deploy/footfall -- footfall ring add x": true, "kubectl exec deploy/other -- footfall ring": false,
		"curl localhost:8000/visits/home": true, "curl -X POST localhost:8000/visits/home": false, "curl localhost:8000/visit/a": false,
		"curl localhost:8000/visits -d '[]'": true, "curl localhost:8001/ring": true, "curl localhost:8000/ring": false,
		"cp .env.example .env": true, "cp .env.sample .env": false, ".ci/run": true, ".ci/walk": false, "apt-get install x": false,
	} {
		var err error
		for _, simple := range shellCommands(command) {
			if err == nil {
				err = c.check(simple)
			}
		}
		if (err == nil) != good {
			t.Errorf("%s: %v, want it to exist: %t", command, err, good)
		}
	}
}
