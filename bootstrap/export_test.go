package bootstrap

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"time"

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
func Commands() []string {
	var all []string
	for _, leaf := range commandLine(new(commands)).leaves() {
		words := []string{strings.TrimPrefix(leaf.path(), "footfall ")}
		for _, a := range leaf.args {
			words = append(words, strings.ToUpper(strings.ReplaceAll(a.name, "-", "_")))
		}
		for _, f := range leaf.flags {
			if f.required {
				words = append(words, "--"+f.name)
			} else {
				words = append(words, "[--"+f.name+"]")
			}
		}
		all = append(all, strings.Join(words, " "))
	}
	return all
}

// Parse reads a command line: the command that is meant, and the values of its
// arguments and of all flags that it takes, by their names.
func Parse(args []string, env map[string]string) (string, map[string]string, error) {
	at, _, err := commandLine(new(commands)).parse(args, func(name string) (string, bool) { v, ok := env[name]; return v, ok })
	if err != nil {
		return "", nil, err
	}
	values := make(map[string]string)
	for _, v := range at.args {
		values[v.name] = fmt.Sprint(v.field.Interface())
	}
	for c := at; c != nil; c = c.above {
		for _, v := range c.flags {
			values[v.name] = fmt.Sprint(v.field.Interface())
		}
	}
	return at.path(), values, nil
}
