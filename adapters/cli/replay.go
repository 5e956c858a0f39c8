package cli

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/cenkalti/backoff/v5"
	"github.com/spf13/cobra"

	"footfall/domain/publishing"
)

const (
	// replayTimeout bounds one attempt to publish a count.
	replayTimeout = 5 * time.Second
	// replayRetries is how long a count is tried before the replay fails.
	replayRetries = 15 * time.Second
)

// fileNames is a flag that may be given several times. The help shows it as FILE.
type fileNames []string

func (n *fileNames) String() string { return strings.Join(*n, ", ") }

func (n *fileNames) Set(s string) error { *n = append(*n, s); return nil }

func (*fileNames) Type() string { return "FILE" }

func (o *Options) publishCommand() *cobra.Command {
	var logs fileNames
	c := newCommand("publish", "Send the counts of a capture log to the publisher, with the same ids; consumers drop those that they have.",
		func(c *cobra.Command, _ []string) error {
			return interruptibly(c.Context(), func(ctx context.Context) error {
				return o.Publisher(ctx, func(p publishing.Publisher) error { return o.replay(ctx, logs, p) })
			})
		})
	c.PreRunE = func(*cobra.Command, []string) error { return o.Check() }
	c.Flags().Var(&logs, "replay", "The capture log, or stdin for -; may be given several times.")
	_ = c.MarkFlagRequired("replay")
	return c
}

// replay sends every count of capture logs to p, in order. It opens all of them before
// it sends any. It fails if a count can't be published for replayRetries, or if the rest
// of a file can't be read. It skips damaged lines, writes them to stderr, and fails at the
// end. A replay that is repeated does no harm: consumers drop repetitions by the id.
func (o *Options) replay(ctx context.Context, names []string, p publishing.Publisher) error {
	logs := make([]input, len(names))
	for i, name := range names {
		var err error
		if logs[i], err = openInput(ctx, name); err != nil {
			return err
		}
		defer func() { _ = logs[i].Close() }()
	}
	sent := 0
	defer func() { _, _ = fmt.Fprintf(o.Stdout, "%d windows were sent to %s\n", sent, p.Name()) }()
	var bad []error
	for i, name := range names {
		damaged := 0
		skip := func(line int, why error) {
			damaged++
			_, _ = fmt.Fprintf(o.Stderr, "footfall: %s: line %d: %v\n", name, line, why)
		}
		for report, err := range o.Reports(logs[i], skip) {
			if err != nil {
				return fmt.Errorf("%s: %w: the rest was not read, and not sent", name, err)
			}
			if err := publish(ctx, p, report); err != nil {
				return fmt.Errorf("%s: window %s and all after it were not sent: %w", name, report.ID, err)
			}
			sent++
		}
		if damaged > 0 {
			bad = append(bad, fmt.Errorf("%s: %d lines could not be read, all others were sent", name, damaged))
		}
	}
	return errors.Join(bad...)
}

// publish tries to publish a report for replayRetries.
func publish(ctx context.Context, p publishing.Publisher, r publishing.Report) error {
	_, err := backoff.Retry(ctx, func() (struct{}, error) {
		bounded, cancel := context.WithTimeout(ctx, replayTimeout)
		defer cancel()
		return struct{}{}, p.Publish(bounded, r)
	}, backoff.WithBackOff(pauses()), backoff.WithMaxElapsedTime(replayRetries))
	return err
}
