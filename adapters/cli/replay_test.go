package cli_test

import (
	"context"
	"fmt"
	"io"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/spf13/pflag"

	"footfall/adapters/cli"
	"footfall/adapters/filelog"
	"footfall/domain/publishing"
)

// A log that can't be read to its end is not a log with one damaged line.
func TestAReplayOfALogThatCanNotBeReadFails(t *testing.T) {
	t.Parallel()
	code, stdout, stderr := run(t, "publish", "--replay", t.TempDir(), "--publisher=amqp://127.0.0.1:1?queue=x")
	if code != 1 || !strings.HasPrefix(stdout, "0 windows were sent") || !strings.Contains(stderr, "not read, and not sent") || strings.Contains(stderr, "all others were sent") {
		t.Errorf("exit code %d, %q, %q", code, stdout, stderr)
	}
}

// taken are the ids that a publisher has received.
type taken []string

func (p *taken) Name() string { return "taken" }

func (p *taken) Publish(_ context.Context, r publishing.Report) error {
	*p = append(*p, r.ID)
	return nil
}

// replay sends the counts of logs to a publisher that takes all of them.
func replay(logs ...string) (ids []string, code int, stderr string) {
	var p taken
	var errs strings.Builder
	none := func() error { return nil }
	args := []string{"publish"}
	for _, log := range logs {
		args = append(args, "--replay="+log)
	}
	code = cli.Run(cli.Options{
		Stdout: io.Discard, Stderr: &errs, Settings: pflag.NewFlagSet("", pflag.ContinueOnError), Load: none, Check: none, Reports: filelog.Reports,
		Publisher: func(_ context.Context, use func(publishing.Publisher) error) error { return use(&p) },
	}, args)
	return p, code, errs.String()
}

// F16: all logs are sent, in their order. Nothing is sent if one of them can't be opened.
func TestF16EveryLogIsReplayedInOrder(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	var want, logs []string
	for _, minute := range []string{"05", "04", "06"} {
		id, log := "footfall_20261122T10"+minute+"00Z", filepath.Join(dir, minute)
		start := "2026-11-22T10:" + minute + ":00Z"
		end := strings.Replace(start, minute+":00Z", minute[:1]+string(minute[1]+1)+":00Z", 1)
		writeFile(t, log, fmt.Sprintf("{\"event\":\"unique_ids\",\"id\":%q,\"window_start\":%q,\"window_end\":%q,\"count\":1}\n", id, start, end))
		want, logs = append(want, id), append(logs, log)
	}
	ids, code, stderr := replay(logs...)
	if diff := cmp.Diff(want, ids); diff != "" || code != 0 || stderr != "" {
		t.Errorf("exit code %d, %q, sent (-want +got):\n%s", code, stderr, diff)
	}
	ids, code, stderr = replay(append(logs, filepath.Join(dir, "none"))...)
	if code != 1 || len(ids) > 0 || !strings.Contains(stderr, "no such file") {
		t.Errorf("exit code %d, %q, %q are sent", code, stderr, ids)
	}
	damaged := filepath.Join(dir, "damaged")
	writeFile(t, damaged, "nonsense\n")
	ids, code, stderr = replay(damaged, logs[0])
	if code != 1 || len(ids) != 1 || !strings.Contains(stderr, damaged+": 1 lines could not be read, all others were sent") {
		t.Errorf("exit code %d, %q, %q are sent", code, stderr, ids)
	}
}
