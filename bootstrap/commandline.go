package bootstrap

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// failure is an error of a command that was understood; any other error of the
// command line is one of its words or settings.
type failure struct{ error }

// commandLine is the grammar of the program.
func commandLine(stdout, stderr io.Writer) *cobra.Command {
	f := new(flags)
	root := &cobra.Command{
		Use: "footfall", Short: "Footfall counts visits of pages and unique ids per minute, exactly.", Version: Version(),
		Args: checkWords, SilenceErrors: true, SilenceUsage: true, CompletionOptions: cobra.CompletionOptions{DisableDefaultCmd: true},
		PersistentPreRunE: func(c *cobra.Command, _ []string) error { return fromEnvironment(c.Root().PersistentFlags()) },
	}
	root.SetOut(stdout)
	root.SetErr(stderr)
	root.SetFlagErrorFunc(flagError)
	f.register(root.PersistentFlags())
	root.SetHelpFunc(helpOf(root.HelpFunc()))
	serve := serveCommand(f, stderr)
	root.PreRunE, root.RunE = serve.PreRunE, serve.RunE
	root.AddCommand(serve,
		with(publishCommand(f, stdout, stderr), "publisher"),
		with(exportCommand(f, stdout, stderr), "admin-listen", "admin-token"),
		with(importCommand(f, stdout, stderr), "admin-listen", "admin-token"),
		with(ringCommand(f, stdout, stderr), "admin-listen", "admin-token"),
		with(completionCommand(stdout)),
		with(newCommand("healthcheck", "Exit 0 if the service on this machine can serve, and 1 if not.", func(c *cobra.Command, _ []string) error {
			return healthcheck(c.Context(), f.Listen)
		}), "listen"),
		with(newCommand("version", "Print the version.", func(*cobra.Command, []string) error {
			_, err := fmt.Fprintln(stdout, Version())
			return err
		})))
	return root
}

// with says which settings have an effect on a command and those below it;
// where it isn't said, all have.
func with(c *cobra.Command, settings ...string) *cobra.Command {
	c.Annotations = map[string]string{"settings": strings.Join(settings, " ")}
	return c
}

// helpOf shows the help of a command without the settings that have no effect
// there: they are taken all the same.
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

func serveCommand(f *flags, stderr io.Writer) *cobra.Command {
	var s Settings
	c := newCommand("serve", "Count (the default).", func(c *cobra.Command, _ []string) error {
		return serve(s, stderr, unknownVariables(os.Environ(), variables(c.Root().PersistentFlags())))
	})
	c.PreRunE = func(*cobra.Command, []string) (err error) { s, err = f.settings(); return err }
	return c
}

func publishCommand(f *flags, stdout, stderr io.Writer) *cobra.Command {
	var s Settings
	var log fileName
	c := newCommand("publish", "Send the counts of a capture log to the publisher, with the same ids; readers drop what they have.",
		func(c *cobra.Command, _ []string) error {
			return interruptibly(c, func(ctx context.Context) error { return replay(ctx, s, string(log), stdout, stderr) })
		})
	c.PreRunE = func(*cobra.Command, []string) (err error) { s, err = f.settings(); return err }
	c.Flags().Var(&log, "replay", "The capture log.")
	_ = c.MarkFlagRequired("replay")
	return c
}

// fileName is a flag that the help shows as one of a file.
type fileName string

func (n *fileName) String() string { return string(*n) }

func (n *fileName) Set(s string) error { *n = fileName(s); return nil }

func (*fileName) Type() string { return "FILE" }

func exportCommand(f *flags, stdout, stderr io.Writer) *cobra.Command {
	var anew bool
	c := newCommand("export FILE", "Write all pages with their counts to a file, or to stdout for -, one JSON object a line, by the admin listener of this machine's service.",
		func(c *cobra.Command, args []string) error {
			client, err := newRingClient(*f, stdout, stderr)
			if err != nil {
				return err
			}
			return interruptibly(c, func(ctx context.Context) error { return client.export(ctx, args[0], anew) })
		})
	c.Flags().BoolVar(&anew, "anew", false, "Begin again, instead of going on with one that was broken off.")
	return c
}

func importCommand(f *flags, stdout, stderr io.Writer) *cobra.Command {
	var skip int64
	c := newCommand("import FILE", "Give every page of a file that export has written, or of stdin for -, the count that it has there, whatever it had before; to repeat it changes nothing.",
		func(c *cobra.Command, args []string) error {
			client, err := newRingClient(*f, stdout, stderr)
			if err != nil {
				return err
			}
			return interruptibly(c, func(ctx context.Context) error { return client.importAll(ctx, args[0], skip) })
		})
	c.Flags().Int64Var(&skip, "skip", 0, "Lines that are left out at the begin.")
	c.PreRunE = func(*cobra.Command, []string) error {
		if skip < 0 {
			return fmt.Errorf("--skip is %d, want a number of lines", skip)
		}
		return nil
	}
	return c
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

// newCommand is a command whose arguments are named in use. What run returns
// is a failure.
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

// checkWords wants one word for each argument of a command.
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

// flagError leaves out what may be the value of a flag: it may be a secret.
func flagError(_ *cobra.Command, err error) error {
	var unknown *pflag.NotExistError
	var syntax *pflag.InvalidSyntaxError
	switch {
	case errors.As(err, &unknown) && unknown.GetSpecifiedShortnames() != "" && strings.ContainsAny(unknown.GetSpecifiedName(), "0123456789"):
		return fmt.Errorf("-%s is no flag, and no number that is wanted is negative; words that begin with - go behind --", unknown.GetSpecifiedName())
	case errors.As(err, &unknown) && unknown.GetSpecifiedShortnames() != "":
		return fmt.Errorf("unknown flag: -%s", unknown.GetSpecifiedName())
	case errors.As(err, &syntax):
		return errors.New("a flag without a name")
	}
	return err
}

// interruptibly ends run's context at a signal.
func interruptibly(c *cobra.Command, run func(context.Context) error) error {
	ctx, end := signal.NotifyContext(c.Context(), os.Interrupt, syscall.SIGTERM)
	defer end()
	return run(ctx)
}

// variable is the name of a setting's flag in the environment.
func variable(f *pflag.Flag) string {
	return "FOOTFALL_" + strings.ToUpper(strings.ReplaceAll(f.Name, "-", "_"))
}

// variables are the names of all settings in the environment.
func variables(settings *pflag.FlagSet) map[string]bool {
	known := make(map[string]bool)
	settings.VisitAll(func(f *pflag.Flag) { known[variable(f)] = true })
	return known
}

// fromEnvironment sets the settings that the command line doesn't.
func fromEnvironment(settings *pflag.FlagSet) (err error) {
	settings.VisitAll(func(f *pflag.Flag) {
		if value, ok := os.LookupEnv(variable(f)); ok && !f.Changed {
			err = errors.Join(err, f.Value.Set(value))
		}
	})
	return err
}
