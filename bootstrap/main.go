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
	"os"
	"os/signal"
	"reflect"
	"runtime/debug"
	"strings"
	"syscall"
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

type commands struct {
	flags

	Serve   struct{} `cmd:"" default:"1" help:"Count (the default)."`
	Publish struct {
		Replay string `required:"" placeholder:"FILE" env:"-" help:"The capture log."`
	} `cmd:"" help:"Send the counts of a capture log to the publisher, with the same ids; readers drop what they have."`
	Export struct {
		File string `arg:"" help:"Where to: one JSON object a line, with page_id and count."`
		Anew bool   `env:"-" help:"Begin again, instead of going on with one that was broken off."`
	} `cmd:"" help:"Write all pages with their counts to a file, by the admin listener of this machine's service."`
	Import struct {
		File string `arg:"" help:"What export has written."`
		Skip int64  `env:"-" help:"Lines that are left out at the begin."`
	} `cmd:"" help:"Give every page of a file the count that it has there, whatever it had before; to repeat it changes nothing."`
	Ring        ringCommands `cmd:"" help:"Show and change which node has what, at the admin listener of this machine's service."`
	Healthcheck struct{}     `cmd:"" help:"Exit 0 if the service on this machine can serve, and 1 if not."`
	Version     struct{}     `cmd:"" help:"Print the version."`
	Completion  struct {
		Shell string `arg:"" enum:"bash,zsh,fish" help:"bash, zsh or fish."`
	} `cmd:"" help:"Print a script that completes commands and flags in a shell."`
}

// Main runs the program with the arguments behind its name and returns its
// exit code: 0 after a clean stop, 1 when something failed, 2 for a
// configuration that is not valid.
func Main(args []string, stdout, stderr io.Writer) int {
	var c commands
	parser := commandLine(&c)
	chosen, helped, err := parser.parse(args, os.LookupEnv)
	if helped {
		_, _ = fmt.Fprint(stdout, chosen.usage())
		return 0
	}
	if err != nil {
		return fail(stderr, 2, err)
	}
	switch words := strings.TrimPrefix(chosen.path(), "footfall "); {
	case strings.HasPrefix(words, "ring "):
		var client ringClient
		if client, err = newRingClient(c.flags, stdout, stderr); err == nil {
			err = c.Ring.run(context.Background(), words, client)
		}
	case strings.HasPrefix(words, "export"), strings.HasPrefix(words, "import"):
		ctx, end := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
		defer end()
		var client ringClient
		if client, err = newRingClient(c.flags, stdout, stderr); err == nil && strings.HasPrefix(words, "export") {
			err = client.export(ctx, c.Export.File, c.Export.Anew)
		} else if err == nil {
			err = client.importAll(ctx, c.Import.File, c.Import.Skip)
		}
	case words == "version":
		_, _ = fmt.Fprintln(stdout, Version())
		return 0
	case words == "completion":
		err = writeCompletion(stdout, c.Completion.Shell, parser)
	case words == "healthcheck":
		err = healthcheck(context.Background(), c.Listen)
	case strings.HasPrefix(words, "publish"):
		settings, bad := c.settings()
		if bad != nil {
			return fail(stderr, 2, bad)
		}
		ctx, end := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
		defer end()
		err = replay(ctx, settings, c.Publish.Replay, stdout, stderr)
	default:
		settings, bad := c.settings()
		if bad != nil {
			return fail(stderr, 2, bad)
		}
		err = serve(settings, stderr, unknownVariables(os.Environ(), variables(parser)))
	}
	if err != nil {
		return fail(stderr, 1, err)
	}
	return 0
}

func fail(stderr io.Writer, code int, err error) int {
	for line := range strings.Lines(err.Error()) {
		_, _ = fmt.Fprintln(stderr, "footfall:", strings.TrimSuffix(line, "\n"))
	}
	return code
}

// commandLine is the grammar of the program; parsing fills c.
func commandLine(c *commands) *command {
	return readCommand("footfall", "Footfall counts visits of pages and unique ids per minute, exactly.", reflect.ValueOf(c).Elem())
}

// variables are the names of all settings in the environment.
func variables(parser *command) map[string]bool {
	known := make(map[string]bool)
	for _, flag := range parser.flags {
		known[flag.env] = true
	}
	return known
}

// serve runs the service until a signal or a failure ends it.
func serve(s Settings, stderr io.Writer, unknown []string) error {
	log := newLogger(stderr, s)
	for _, name := range unknown {
		log.Warn("unknown setting is ignored", "name", name)
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
