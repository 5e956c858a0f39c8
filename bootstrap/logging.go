package bootstrap

import (
	"io"
	"log/slog"

	"footfall/adapters/cli"
)

// newLogger returns a logger that writes to w at the configured level. Without a
// configured format it writes text to a terminal, and JSON elsewhere.
func newLogger(w io.Writer, s Settings) *slog.Logger {
	o := &slog.HandlerOptions{Level: s.LogLevel}
	if s.LogFormat == "text" || s.LogFormat == "" && cli.IsTerminal(w) {
		return slog.New(slog.NewTextHandler(w, o))
	}
	return slog.New(slog.NewJSONHandler(w, o))
}
