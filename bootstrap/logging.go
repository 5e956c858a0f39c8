package bootstrap

import (
	"bytes"
	"io"
	"log/slog"
	"sync/atomic"
	"time"

	"footfall/adapters/cli"
)

const (
	// maxLogQueue is how many lines wait for a slow reader of the log.
	maxLogQueue = 4096
	// logFlush is how long the end of the process waits for the reader.
	logFlush = 200 * time.Millisecond
)

// logWriter writes the lines of the log in the background. What waits for a reader that
// is blocked, or is gone, is dropped and counted: nothing else waits for it.
type logWriter struct {
	to      io.Writer
	lines   chan []byte   // never closed: what outlives the stop may still log
	closing chan struct{} // closed by Close
	ended   chan struct{} // closed when all lines are written
	dropped atomic.Int64
}

// newLogWriter starts a writer, which Close ends.
func newLogWriter(to io.Writer) *logWriter {
	w := &logWriter{to: to, lines: make(chan []byte, maxLogQueue), closing: make(chan struct{}), ended: make(chan struct{})}
	go w.run()
	return w
}

func (w *logWriter) run() {
	defer close(w.ended)
	for {
		select {
		case line := <-w.lines:
			w.write(line)
		case <-w.closing:
			for len(w.lines) > 0 {
				w.write(<-w.lines)
			}
			return
		}
	}
}

func (w *logWriter) write(line []byte) {
	if _, err := w.to.Write(line); err != nil {
		w.dropped.Add(1)
	}
}

// Write takes one line, and never fails.
func (w *logWriter) Write(line []byte) (int, error) {
	select {
	case w.lines <- bytes.Clone(line):
	default:
		w.dropped.Add(1)
	}
	return len(line), nil
}

// Close waits for the lines that were taken, but not for a reader that is blocked. Later
// lines are lost. It may be called once.
func (w *logWriter) Close() {
	close(w.closing)
	select {
	case <-w.ended:
	case <-time.After(logFlush):
	}
}

// newLogger returns a logger that writes to w at the configured level. Without a
// configured format it writes text if the reader is a terminal, and JSON otherwise.
func newLogger(w, reader io.Writer, s Settings) *slog.Logger {
	o := &slog.HandlerOptions{Level: s.LogLevel}
	if s.LogFormat == "text" || s.LogFormat == "" && cli.IsTerminal(reader) {
		return slog.New(slog.NewTextHandler(w, o))
	}
	return slog.New(slog.NewJSONHandler(w, o))
}
