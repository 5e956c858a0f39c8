// Package cli is the command line of Footfall. It starts the service, and its
// other commands are clients of a service that runs: they send HTTP requests to
// the listeners of this machine.
package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"footfall/domain/checking"
	"footfall/domain/publishing"
)

// Options is what the command line needs from the program.
type Options struct {
	Version        string
	Build          string // that of version, with what else is known of the build
	Stdout, Stderr io.Writer
	// Settings are the flags that every command takes. The commands read
	// listen, admin-listen and admin-token.
	Settings *pflag.FlagSet
	// Load sets Settings that the command line does not set.
	Load func() error
	// Check parses Settings; serve, check and publish call it first. Its error has one
	// line for each bad setting.
	Check func() error
	// Inspect looks at the deployment of the settings, and changes nothing. It ends within
	// some seconds.
	Inspect func(context.Context) []checking.Finding
	// Serve runs the service until a signal or a failure ends it.
	Serve func() error
	// Publisher starts the configured publisher, passes it to use, and stops it.
	Publisher func(ctx context.Context, use func(publishing.Publisher) error) error
	// Reports reads the counts of a capture log in order, and reports damaged
	// lines. An error is the last element.
	Reports func(log io.Reader, damaged func(line int, why error)) iter.Seq2[publishing.Report, error]
}

// Run executes the command of args and returns the exit code: 0 for success, 1
// if the command failed, 2 for bad words, flags or settings.
func Run(o Options, args []string) int {
	root := New(o)
	root.SetArgs(append([]string{}, args...)) // nil would be those of the process
	err := root.Execute()
	if err == nil {
		return 0
	}
	for line := range strings.Lines(err.Error()) {
		_, _ = fmt.Fprintln(o.Stderr, "footfall:", strings.TrimSuffix(line, "\n"))
	}
	if errors.As(err, new(failure)) {
		return 1
	}
	return 2
}

// New returns the root command, which serves.
func New(o Options) *cobra.Command {
	root := &cobra.Command{
		Use: "footfall", Short: "Footfall counts visits of pages and unique ids per minute, exactly.", Version: o.Version,
		Args: checkWords, SilenceErrors: true, SilenceUsage: true, CompletionOptions: cobra.CompletionOptions{DisableDefaultCmd: true},
		PersistentPreRunE: func(*cobra.Command, []string) error { return o.Load() },
	}
	root.SetOut(o.Stdout)
	root.SetErr(o.Stderr)
	root.SetFlagErrorFunc(flagError)
	root.PersistentFlags().AddFlagSet(o.Settings)
	root.SetHelpFunc(helpOf(root.HelpFunc()))
	serve := newCommand("serve", "Run the service (the default).", func(*cobra.Command, []string) error { return o.Serve() })
	serve.PreRunE = func(*cobra.Command, []string) error { return o.Check() }
	root.PreRunE, root.RunE = serve.PreRunE, serve.RunE
	root.AddCommand(serve, o.inspectCommand(),
		with(o.publishCommand(), "publisher"),
		with(o.exportCommand(), "admin-listen", "admin-token"),
		with(o.backupCommand(), "admin-listen", "admin-token"),
		with(o.importCommand(), "admin-listen", "admin-token"),
		with(o.deleteCommand(), "admin-listen", "admin-token"),
		with(o.ringCommand(), "admin-listen", "admin-token"),
		with(o.callbacksCommand(), "admin-listen", "admin-token"),
		with(o.historyCommand(), "admin-listen", "admin-token"),
		with(o.windowsCommand(), "admin-listen", "admin-token"),
		with(completionCommand(o.Stdout)),
		with(newCommand("healthcheck", "Exit 0 if the service on this machine is ready, and 1 if not.", func(c *cobra.Command, _ []string) error {
			return o.checkHealth(c.Context())
		}), "admin-listen"),
		with(newCommand("version", "Print the version, its commit and the version of Go.", func(*cobra.Command, []string) error {
			_, err := fmt.Fprintln(o.Stdout, o.Build)
			return err
		})))
	refuseRepeated(root)
	return root
}

// failure is an error of a command that was understood. Any other error is
// about the words, flags or settings of the command line.
type failure struct{ error }

// with names the settings that have an effect on a command and its subcommands.
// All settings have an effect on a command without this.
func with(c *cobra.Command, settings ...string) *cobra.Command {
	c.Annotations = map[string]string{"settings": strings.Join(settings, " ")}
	return c
}

// helpOf hides the settings that have no effect on a command. The command
// accepts them nevertheless.
func helpOf(show func(*cobra.Command, []string)) func(*cobra.Command, []string) {
	return func(c *cobra.Command, words []string) {
		for at := c; at != nil; at = at.Parent() {
			if settings, ok := at.Annotations["settings"]; ok {
				c.InheritedFlags().VisitAll(func(f *pflag.Flag) { f.Hidden = !slices.Contains(strings.Fields(settings), f.Name) })
			}
		}
		show(c, words)
	}
}

func completionCommand(stdout io.Writer) *cobra.Command {
	c := newCommand("completion SHELL", "Print a script that completes commands and flags in bash, zsh or fish.",
		func(c *cobra.Command, args []string) error {
			switch args[0] {
			case "bash":
				return c.Root().GenBashCompletionV2(stdout, true)
			case "zsh":
				return c.Root().GenZshCompletion(stdout)
			default:
				return c.Root().GenFishCompletion(stdout, true)
			}
		})
	c.ValidArgs = []string{"bash", "zsh", "fish"}
	return c
}

// newCommand returns a command that takes one word for each argument named in
// use. An error of run is a failure.
func newCommand(use, help string, run func(c *cobra.Command, args []string) error) *cobra.Command {
	c := &cobra.Command{Use: use, Short: help, Args: checkWords, RunE: func(c *cobra.Command, args []string) error {
		if err := run(c, args); err != nil {
			return failure{err}
		}
		return nil
	}}
	if !strings.HasSuffix(use, " FILE") {
		c.ValidArgsFunction = cobra.NoFileCompletions
	}
	return c
}

// checkWords requires one word for each argument of a command.
func checkWords(c *cobra.Command, args []string) error {
	names := strings.Fields(c.Use)[1:]
	switch {
	case len(args) < len(names):
		return fmt.Errorf("%s wants %s", c.CommandPath(), names[len(args)])
	case len(args) > len(names) && c.HasSubCommands():
		return fmt.Errorf("unexpected argument %s: want one of %s", args[len(names)], subcommands(c))
	case len(args) > len(names):
		return fmt.Errorf("unexpected argument %s", args[len(names)])
	case c.ValidArgs != nil && !slices.Contains(c.ValidArgs, args[0]):
		return fmt.Errorf("%s is %q, want one of %s", names[0], args[0], strings.Join(c.ValidArgs, ", "))
	}
	return nil
}

func subcommands(c *cobra.Command) string {
	var names []string
	for _, sub := range c.Commands() {
		if sub.IsAvailableCommand() {
			names = append(names, sub.Name())
		}
	}
	return strings.Join(names, ", ")
}

// flagError omits what may be the value of a flag: it may be a secret.
func flagError(_ *cobra.Command, err error) error {
	if _, ok := errors.AsType[*pflag.InvalidSyntaxError](err); ok {
		return errors.New("a flag without a name")
	}
	if invalid, ok := errors.AsType[*pflag.InvalidValueError](err); ok && errors.Is(err, errRepeated) {
		return fmt.Errorf("--%s is given more than once", invalid.GetFlag().Name)
	}
	unknown, ok := errors.AsType[*pflag.NotExistError](err)
	if !ok || unknown.GetSpecifiedShortnames() == "" {
		return err
	}
	name := unknown.GetSpecifiedName()
	if strings.ContainsAny(name, "0123456789") {
		return fmt.Errorf("-%s is not a flag, and no number may be negative; put words that begin with - after --", name)
	}
	return fmt.Errorf("unknown flag: -%s", name)
}

// interruptibly cancels the context of run at SIGINT and SIGTERM.
func interruptibly(ctx context.Context, run func(context.Context) error) error {
	ctx, end := signal.NotifyContext(ctx, os.Interrupt, syscall.SIGTERM)
	defer end()
	return run(ctx)
}
