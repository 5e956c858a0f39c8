package bootstrap

import (
	"context"
	"log/slog"
	"maps"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/alecthomas/kong"
	"go.uber.org/fx"

	"footfall/application/visits"
	"footfall/domain/counting"
)

// Schemes are those of the registries of stores and of publishers.
func Schemes() (ofStores, ofPublishers []string) {
	return slices.Collect(maps.Keys(stores())), slices.Collect(maps.Keys(publishers()))
}

// Validate checks that every part of the program on a store and with a
// publisher, or with none, gets what it needs.
func Validate(store, publisher string) error {
	s, bad := flags{
		Listen: ":0", AdminListen: "127.0.0.1:0", Store: store, Publisher: publisher, CaptureLog: "log", Window: "1m", Grace: "2s",
		CallbackAllow: "public", CallbackLimit: "1", KeyLimit: "1", LogLevel: "info",
	}.settings()
	if bad != nil {
		return bad
	}
	return fx.ValidateApp(program(s, slog.New(slog.DiscardHandler)))
}

// Start runs the program on a store, with its files in dir.
func Start(ctx context.Context, store Store, dir string) (v *visits.Service, stop func(context.Context) error, err error) {
	s := Settings{
		Listen: "127.0.0.1:0", AdminListen: "127.0.0.1:0", Store: func(*slog.Logger) Store { return store },
		CaptureLog: filepath.Join(dir, "capture.log"), Length: counting.Length(time.Minute),
	}
	app := fx.New(program(s, slog.New(slog.DiscardHandler)), fx.Populate(&v))
	return v, app.Stop, app.Start(ctx)
}

// Defaults are the variables with their defaults.
func Defaults() map[string]string {
	defaults := make(map[string]string)
	for field := range reflect.TypeFor[flags]().Fields() {
		var name strings.Builder
		for i, c := range field.Name {
			if i > 0 && c >= 'A' && c <= 'Z' {
				name.WriteByte('_')
			}
			name.WriteRune(c)
		}
		defaults["FOOTFALL_"+strings.ToUpper(name.String())] = field.Tag.Get("default")
	}
	return defaults
}

// Commands are those of the command line as a table of them has them, such as
// ring add ADDR [--weight] [--dry-run]: with the flags that are theirs alone,
// and the only ones that they need.
func Commands() ([]string, error) {
	var c commands
	parser, err := kong.New(&c)
	if err != nil {
		return nil, err
	}
	var all []string
	for _, leaf := range parser.Model.Leaves(false) {
		words := []string{leaf.Path()}
		for _, p := range leaf.Positional {
			words = append(words, strings.ToUpper(strings.ReplaceAll(p.Name, "-", "_")))
		}
		for _, f := range leaf.Flags {
			switch {
			case f.Hidden || f.Name == "help":
			case f.Required:
				words = append(words, "--"+f.Name)
			default:
				words = append(words, "[--"+f.Name+"]")
			}
		}
		all = append(all, strings.Join(words, " "))
	}
	return all, nil
}
