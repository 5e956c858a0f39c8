// Package runbook_test runs what README and docs/ tell users: the calls of the service,
// and the commands for Redis and RabbitMQ, on real servers.
package runbook_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	amqp "github.com/rabbitmq/amqp091-go"

	"footfall/test/check"
	"footfall/test/servers"
)

// commands returns the arguments of a program's commands in the shell blocks of
// the documentation, in order, by their page.
func commands(t *testing.T, program string) map[string][]string {
	t.Helper()
	found := make(map[string][]string)
	line := regexp.MustCompile(`(?m)^` + program + ` (.*)$`)
	for _, pattern := range []string{"../../docs/*.md", "../../docs/*/*.md"} {
		pages := check.Value(filepath.Glob(pattern))(t)
		for _, page := range pages {
			text := check.Value(os.ReadFile(page))(t)
			for _, m := range line.FindAllStringSubmatch(string(text), -1) {
				found[page] = append(found[page], m[1])
			}
		}
	}
	if len(found) == 0 {
		t.Fatalf("no page uses %s", program)
	}
	return found
}

// The keys of an arc that is stuck or was swept are there, and one of another
// arc is a string, which another program has put there.
func TestTheRedisCommandsOfTheDocsRun(t *testing.T) {
	t.Parallel()
	server := servers.StartRedis(t)
	client := server.Client()
	defer func() { _ = client.Close() }()
	// COUNT is an option of SCAN as well, so it is replaced at the end only.
	names := strings.NewReplacer("ARC", "7", "TABLE", "2", ":N", ":2", "PAGE", "home")
	for page, lines := range commands(t, "redis-cli") {
		check.Must(t, client.FlushDB(t.Context()).Err())
		for _, key := range []string{"ff:c:7", "ff:x:7:2", "ff:in:7:2", "ff:s:7:2", "ff:o:7:2"} {
			check.Must(t, client.HSet(t.Context(), key, "home", 1).Err())
		}
		check.Must(t, client.Set(t.Context(), "ff:c:8", "planted", 0).Err())
		for _, line := range lines {
			command := names.Replace(line)
			if start, ok := strings.CutSuffix(command, " COUNT"); ok {
				command = start + " 12"
			}
			cmd := exec.CommandContext(t.Context(), "sh", "-c", "redis-cli -e -p "+strconv.Itoa(server.Port())+" "+command)
			cmd.Dir = t.TempDir() // one writes a file
			out, err := cmd.CombinedOutput()
			if err != nil || strings.TrimSpace(string(out)) == "" {
				t.Errorf("%s: redis-cli %s: %v %s", page, command, err, out)
			}
			if strings.HasPrefix(command, "SCAN") && !strings.Contains(string(out), "ff:c:8") {
				t.Errorf("%s: redis-cli %s finds no planted key: %s", page, command, out)
			}
		}
	}
}

func TestTheRabbitMQCommandsOfTheDocsRun(t *testing.T) {
	t.Parallel()
	server := servers.StartRabbitMQ(t)
	server.DeclareQueue(t, "counts_queue", amqp.Table{"x-queue-type": "quorum"})
	for _, exists := range []string{"add_vhost vhost", "add_user footfall password"} {
		check.Value(server.Ctl(strings.Fields(exists)...))(t)
	}
	for page, lines := range commands(t, "rabbitmqctl") {
		for _, line := range lines {
			out, err := server.Ctl(strings.Fields(line)...)
			if err != nil {
				t.Errorf("%s: %v: %s", page, err, out)
			}
			if strings.HasPrefix(line, "list_queues") && !strings.Contains(out, "counts_queue") {
				t.Errorf("%s: rabbitmqctl %s shows no queue: %s", page, line, out)
			}
		}
	}
}
