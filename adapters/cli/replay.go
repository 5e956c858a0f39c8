package cli

import (
	"context"
	"fmt"
	"os"
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

// fileName is a flag that the help shows as FILE.
type fileName string

func (n *fileName) String() string { return string(*n) }

func (n *fileName) Set(s string) error { *n = fileName(s); return nil }

func (*fileName) Type() string { return "FILE" }

func (o *Options) publishCommand() *cobra.Command {
	var log fileName
	c := newCommand("publish", "Send the counts of a capture log to the publisher, with the same ids; consumers drop those that they have.",
		func(c *cobra.Command, _ []string) error {
			return interruptibly(c.Context(), func(ctx context.Context) error {
				return o.Publisher(ctx, func(p publishing.Publisher) error { return o.replay(ctx, string(log), p) })
			})
		})
	c.PreRunE = func(*cobra.Command, []string) error { return o.Check() }
	c.Flags().Var(&log, "replay", "The capture log.")
	_ = c.MarkFlagRequired("replay")
	return c
}

// replay sends every count of a capture log to p, in order. It fails if a count
// can't be published for replayRetries, or if the rest of the file can't be
// read. It skips damaged lines, writes them to stderr, and fails at the end.
// A replay that is repeated does no harm: consumers drop repetitions by the id.
func (o *Options) replay(ctx context.Context, path string, p publishing.Publisher) error {
	file, err := os.Open(path)
	if err != nil {
		return err
	}
	defer func() { _ = file.Close() }() // it is only read
	sent, damaged := 0, 0
	defer func() { _, _ = fmt.Fprintf(o.Stdout, "%d windows were sent to %s\n", sent, p.Name()) }()
	skip := func(line int, why error) {
		damaged++
		_, _ = fmt.Fprintf(o.Stderr, "footfall: %s: line %d: %v\n", path, line, why)
	}
	for report, err := range o.Reports(file, skip) {
		if err != nil {
			return fmt.Errorf("%s: %w: the rest was not read, and not sent", path, err)
		}
		if err := publish(ctx, p, report); err != nil {
			return fmt.Errorf("%s: window %s and all after it were not sent: %w", path, report.ID, err)
		}
		sent++
	}
	if damaged > 0 {
		return fmt.Errorf("%s: %d lines could not be read, all others were sent", path, damaged)
	}
	return nil
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
