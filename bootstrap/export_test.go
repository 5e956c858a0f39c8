package bootstrap

import (
	"context"
	"io"
	"log/slog"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"go.uber.org/fx"

	"footfall/adapters/cli"
	"footfall/application/visits"
	"footfall/domain/counting"
)

// URLs are the examples of the registries of stores and of publishers, with all parts.
func URLs() (ofStores, ofPublishers []string) {
	for _, e := range stores() {
		ofStores = append(ofStores, strings.NewReplacer("[", "", "]", "").Replace(e.example))
	}
	for _, e := range publishers() {
		ofPublishers = append(ofPublishers, strings.NewReplacer("[", "", "]", "").Replace(e.example))
	}
	return ofStores, ofPublishers
}

// Schemes are those of the registries, as errors list them.
func Schemes() (ofStores, ofPublishers string) {
	return strings.Join(schemes(stores()), ", "), strings.Join(schemes(publishers()), ", ")
}

// Registered is what the settings make of a registry with one more line for a
// publisher: the help, and the parser of a URL.
func Registered[O any, S Sink](scheme, example string, parse func(string) (O, error), open func(O, *slog.Logger) S) (help string, parser func(url string) (SinkMaker, error)) {
	registry := append(publishers(), entry[SinkMaker]{scheme, "", example, sinkOf(parse, open)})
	return publisherHelp(registry), func(url string) (SinkMaker, error) { return parseBy(registry, url) }
}

// Help is that of a setting.
func Help(name string) string {
	for _, s := range new(Settings).all() {
		if s.name == name {
			return s.help
		}
	}
	return ""
}

// Validate checks that every part of the program gets its dependencies, with a
// store and with a publisher or without.
func Validate(store, publisher string) error {
	var s Settings
	flags := s.flags()
	_ = flags.Set("store", store)
	_ = flags.Set("publisher", publisher)
	bad := s.parse(flags)
	if bad != nil {
		return bad
	}
	return fx.ValidateApp(program(s, slog.New(slog.DiscardHandler), newLogWriter(io.Discard)))
}

// Start runs the program on a store, with its files in dir and windows of a second. sink
// may be nil.
func Start(ctx context.Context, store Store, sink SinkMaker, dir string) (v *visits.Service, stop func(context.Context) error, err error) {
	s := Settings{
		Listen: "127.0.0.1:0", AdminListen: "127.0.0.1:0", Store: func(*slog.Logger) Store { return store }, Sink: sink,
		CaptureLog: filepath.Join(dir, "capture.log"), Length: counting.WindowLength(time.Second),
	}
	app := fx.New(program(s, slog.New(slog.DiscardHandler), newLogWriter(io.Discard)), fx.Populate(&v))
	return v, app.Stop, app.Start(ctx)
}

// Defaults are the variables with their defaults.
func Defaults() map[string]string {
	defaults := make(map[string]string)
	for _, s := range new(Settings).all() {
		defaults[cli.Variable(s.name)] = s.standard
	}
	return defaults
}

// SettingsTable is the table of all settings in Markdown.
func SettingsTable() string {
	table := "| variable | default | meaning |\n|---|---|---|\n"
	for _, s := range new(Settings).all() {
		standard := ""
		if s.standard != "" {
			standard = "`" + s.standard + "` "
		}
		table += "| `" + cli.Variable(s.name) + "` | " + standard + "| " + strings.ReplaceAll(s.help, "*", `\*`) + " |\n"
	}
	return table
}

// Commands are the commands with their own flags, as the documentation has them:
// ring add ADDR [--weight] [--dry-run].
func Commands() []string {
	var all []string
	for _, c := range leaves(cli.New(commandLine(io.Discard, io.Discard))) {
		words := []string{strings.TrimPrefix(c.CommandPath(), "footfall ")}
		words = append(words, strings.Fields(c.Use)[1:]...)
		c.LocalNonPersistentFlags().VisitAll(func(f *pflag.Flag) {
			if f.Hidden {
				return
			}
			if f.Annotations[cobra.BashCompOneRequiredFlag] != nil {
				words = append(words, "--"+f.Name)
			} else {
				words = append(words, "[--"+f.Name+"]")
			}
		})
		all = append(all, strings.Join(words, " "))
	}
	return all
}

// leaves are the commands without subcommands.
func leaves(c *cobra.Command) []*cobra.Command {
	if !c.HasSubCommands() {
		return []*cobra.Command{c}
	}
	var all []*cobra.Command
	for _, sub := range c.Commands() {
		all = append(all, leaves(sub)...)
	}
	return all
}

// Parse parses a command line without executing it. It returns the command, its
// arguments, and the values of all its flags by name.
func Parse(args ...string) (command string, words []string, values map[string]string, err error) {
	program := cli.New(commandLine(io.Discard, io.Discard))
	note := func(c *cobra.Command, args []string) error {
		command, words, values = c.CommandPath(), args, make(map[string]string)
		c.Flags().VisitAll(func(f *pflag.Flag) { values[f.Name] = f.Value.String() })
		return nil
	}
	for _, c := range append(leaves(program), program) {
		c.PreRunE, c.RunE = nil, note
	}
	program.SetArgs(append([]string{}, args...))
	err = program.Execute()
	return command, words, values, err
}

// LogBesideTheEnd writes lines before and after a log writer is closed.
func LogBesideTheEnd(to io.Writer) {
	w := newLogWriter(to)
	_, _ = io.WriteString(w, "before\n")
	w.Close()
	_, _ = io.WriteString(w, "after\n")
}
