// Package bootstrap puts the program together: it alone reads the
// environment, knows which adapters there are, and joins the parts.
package bootstrap

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"runtime/debug"
	"strings"
	"time"

	"go.uber.org/dig"
	"go.uber.org/fx"
)

// version is set by the linker in a release.
var version string

// Version is the version of the program.
func Version() string {
	if version != "" {
		return version
	}
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" {
		return info.Main.Version
	}
	return "(devel)"
}

// Main runs the program with the arguments behind its name and returns its
// exit code: 0 after a clean stop, 1 when something failed, 2 for a
// configuration that is not valid.
func Main(args []string, stdout, stderr io.Writer) int {
	program := commandLine(stdout, stderr)
	program.SetArgs(append([]string{}, args...)) // nil would be those of the process
	err := program.Execute()
	var failed failure
	switch {
	case err == nil:
		return 0
	case errors.As(err, &failed):
		return fail(stderr, 1, err)
	}
	return fail(stderr, 2, err)
}

func fail(stderr io.Writer, code int, err error) int {
	for line := range strings.Lines(err.Error()) {
		_, _ = fmt.Fprintln(stderr, "footfall:", strings.TrimSuffix(line, "\n"))
	}
	return code
}

// serve runs the service until a signal or a failure ends it.
func serve(s Settings, stderr io.Writer, unknown []string) error {
	log := newLogger(stderr, s)
	for _, name := range unknown {
		log.Warn("unknown setting is ignored", "name", name)
	}
	if s.GCPercent > 0 {
		debug.SetGCPercent(s.GCPercent)
	}
	app := fx.New(program(s, log))
	if err := app.Err(); err != nil {
		return dig.RootCause(err)
	}
	signals := app.Wait()
	start, cancel := context.WithTimeout(context.Background(), app.StartTimeout())
	defer cancel()
	started := make(chan error, 1)
	go func() { started <- app.Start(start) }()
	var signal fx.ShutdownSignal
	select {
	case err := <-started:
		if err != nil {
			return err
		}
		signal = <-signals
	case signal = <-signals: // in the middle of the start
		// One that is about to end does, any other is broken off and undone.
		defer time.AfterFunc(startGrace, cancel).Stop()
		if err := <-started; err != nil {
			log.Info("stopped before it was ready", "signal", fmt.Sprint(signal.Signal), "error", err)
			return nil
		}
	}
	log.Info("stopping", "signal", fmt.Sprint(signal.Signal))
	stop, cancel := context.WithTimeout(context.Background(), app.StopTimeout())
	defer cancel()
	if err := app.Stop(stop); err != nil {
		return err
	}
	log.Info("stopped")
	return nil
}

// healthcheck asks the service that listens at addr on this machine whether
// it can serve.
func healthcheck(ctx context.Context, addr string) error {
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return fmt.Errorf("FOOTFALL_LISTEN=%q: want host:port or :port", addr)
	}
	if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() {
		host = "localhost"
	}
	ctx, cancel := context.WithTimeout(ctx, 3*time.Second)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+net.JoinHostPort(host, port)+"/readyz", nil)
	if err != nil {
		return err
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		return err
	}
	if err := resp.Body.Close(); err != nil {
		return err
	}
	if resp.StatusCode != http.StatusOK {
		return errors.New("not ready: " + resp.Status)
	}
	return nil
}
