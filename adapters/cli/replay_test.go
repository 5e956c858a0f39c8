package cli_test

import (
	"strings"
	"testing"
)

// A log that can't be read to its end is not a log with one damaged line.
func TestAReplayOfALogThatCanNotBeReadFails(t *testing.T) {
	t.Parallel()
	code, stdout, stderr := run(t, "publish", "--replay", t.TempDir(), "--publisher=amqp://127.0.0.1:1?queue=x")
	if code != 1 || !strings.HasPrefix(stdout, "0 windows were sent") || !strings.Contains(stderr, "not read, and not sent") || strings.Contains(stderr, "all others were sent") {
		t.Errorf("exit code %d, %q, %q", code, stdout, stderr)
	}
}
