// Package bootstrap builds the program: it alone reads the environment, knows
// all adapters, and connects the parts.
package bootstrap

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"runtime/debug"
	"syscall"
	"time"
	_ "time/tzdata" // time zones, where the machine has none

	"go.uber.org/dig"
	"go.uber.org/fx"

	"footfall/adapters/cli"
	"footfall/adapters/filelog"
	"footfall/domain/publishing"
)

// Main runs the program with its arguments and returns its exit code: 0 after a
// clean stop, 1 after a failure, 2 for an invalid command line or setting.
func Main(args []string, stdout, stderr io.Writer) int {
	return cli.Run(commandLine(stdout, stderr), args)
}

func commandLine(stdout, stderr io.Writer) cli.Options {
	var s Settings
	flags := s.flags()
	return cli.Options{
		Version: Build().Version, Build: Build().String(), Stdout: stdout, Stderr: stderr, Settings: flags,
		Load:      func() error { return fromEnvironment(flags) },
		Check:     func() error { return s.parse(flags) },
		Inspect:   s.inspect,
		Serve:     func() error { return serve(s, stderr, unknownVariables(os.Environ(), flags)) },
		Publisher: func(ctx context.Context, use func(publishing.Publisher) error) error { return withSink(ctx, s, use) },
		Reports:   filelog.Reports,
	}
}

// withSink starts the configured publisher, passes it to use, and stops it.
func withSink(ctx context.Context, s Settings, use func(publishing.Publisher) error) (err error) {
	if s.Sink == nil {
		return errors.New("FOOTFALL_PUBLISHER is not set: there is no publisher for the counts")
	}
	sink := s.Sink(slog.New(slog.DiscardHandler))
	if err := sink.Start(ctx); err != nil {
		return err
	}
	defer func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
		defer cancel()
		err = errors.Join(err, sink.Stop(ctx))
	}()
	return use(sink)
}

// serve runs the service until a signal or a failure ends it.
func serve(s Settings, stderr io.Writer, unknown []string) error {
	// A supervisor's hang-up, or a reader of the log that goes away, ends nothing.
	signal.Ignore(syscall.SIGHUP, syscall.SIGPIPE, syscall.SIGUSR1, syscall.SIGUSR2)
	writer := newLogWriter(stderr)
	defer writer.Close()
	log := newLogger(writer, stderr, s)
	for _, name := range unknown {
		log.Warn("unknown setting is ignored", "name", name)
	}
	if s.GCPercent > 0 {
		debug.SetGCPercent(s.GCPercent)
	}
	app := fx.New(program(s, log, writer))
	if err := app.Err(); err != nil {
		return dig.RootCause(err)
	}
	signals := app.Wait()
	start, cancel := context.WithTimeout(context.Background(), app.StartTimeout())
	defer cancel()
	started := make(chan error, 1)
	go func() { started <- app.Start(start) }()
	var end fx.ShutdownSignal
	select {
	case err := <-started:
		if err != nil {
			return err
		}
		end = <-signals
	case end = <-signals: // during the start
		// A start that is almost complete completes; any other is rolled back.
		defer time.AfterFunc(startGrace, cancel).Stop()
		if err := <-started; err != nil {
			log.Info("stopped before it was ready", "signal", fmt.Sprint(end.Signal), "error", err)
			return nil
		}
	}
	log.Info("stopping", "signal", fmt.Sprint(end.Signal))
	stop, cancel := context.WithTimeout(context.Background(), app.StopTimeout())
	defer cancel()
	if err := app.Stop(stop); err != nil {
		return err
	}
	log.Info("stopped")
	return nil
}
