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
