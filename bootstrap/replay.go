package bootstrap

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"time"

	"footfall/adapters/filelog"
	"footfall/domain/publishing"
)

const (
	// replayTimeout ends one attempt to publish a count of a file.
	replayTimeout = 5 * time.Second
	// replayPatience is how long a count is tried before the replay is given
	// up, and replayPause the time between two attempts.
	replayPatience = 15 * time.Second
	replayPause    = 500 * time.Millisecond
)

// replay sends every count of a capture log to the configured publisher, in
// order. Damaged lines go to stderr and make it fail at the end. A publisher
// that takes nothing for replayPatience ends it, and so does a file that can't be
// read on: to go on is to begin again, since readers drop what they have.
func replay(ctx context.Context, s Settings, path string, stdout, stderr io.Writer) (err error) {
	if s.Sink == nil {
		return errors.New("FOOTFALL_PUBLISHER is not set: there is nowhere to send the counts to")
	}
	file, err := os.Open(path)
	if err != nil {
		return err
	}
	defer func() { _ = file.Close() }() // it is only read
	sink := s.Sink(slog.New(slog.DiscardHandler))
	if err := sink.Start(ctx); err != nil {
		return err
	}
	defer func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
		defer cancel()
		err = errors.Join(err, sink.Stop(ctx))
	}()
	sent, damaged := 0, 0
	defer func() { _, _ = fmt.Fprintf(stdout, "%d windows were sent to %s\n", sent, sink.Name()) }()
	for report, err := range filelog.Reports(file) {
		var bad filelog.BadLine
		if errors.As(err, &bad) {
			damaged++
			_, _ = fmt.Fprintf(stderr, "footfall: %s: %s\n", path, bad)
			continue
		}
		if err != nil {
			return fmt.Errorf("%s: %w: what is behind it was not read, and not sent", path, err)
		}
		if err := publishPatiently(ctx, sink, report); err != nil {
			return fmt.Errorf("%s: window %s and those behind it were not sent: %w", path, report.ID, err)
		}
		sent++
	}
	if damaged > 0 {
		return fmt.Errorf("%s: %d lines could not be read, all others were sent", path, damaged)
	}
	return nil
}

func publishPatiently(ctx context.Context, p publishing.Publisher, r publishing.Report) error {
	attempt := func() error {
		ctx, cancel := context.WithTimeout(ctx, replayTimeout)
		defer cancel()
		return p.Publish(ctx, r)
	}
	late := time.After(replayPatience)
	for {
		err := attempt()
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-late:
			return err
		case <-time.After(replayPause):
		}
	}
}
