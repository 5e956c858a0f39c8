package admin

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strconv"
	"time"

	"footfall/adapters/httpapi"
	"footfall/adapters/httpapi/problem"
	"footfall/domain/counting"
)

const (
	// A caller of a backup has backupTime for each backupStep bytes. While it reads, the store
	// uses no page again that is free, so that its file grows.
	backupTime = 10 * time.Second
	backupStep = 1 << 20
	// backupBuffer is what the system holds for a caller that does not read.
	backupBuffer = 1 << 20
)

// backup serves GET /backup: the bytes of the store. An answer that fails ends before its
// Content-Length.
func (h *Handler) backup(w http.ResponseWriter, r *http.Request, _ string) ([]byte, error) {
	if h.Copy == nil {
		return nil, problem.New(http.StatusNotImplemented, "no_backup",
			"Only the embedded store is copied so. Copy each Redis server with redis-cli --rdb, or the counts of any store with footfall export.")
	}
	if !h.copying.TryLock() {
		return nil, problem.New(http.StatusConflict, "backup_runs", "Another backup is being sent; this one was not begun.")
	}
	defer h.copying.Unlock()
	ctx, leave := httpapi.StreamContext(r, backupBuffer)
	defer leave()
	ctx, abort := context.WithCancelCause(ctx)
	defer abort(nil)
	to := &backupWriter{ctx: ctx, to: w, control: http.NewResponseController(w)}
	// A write that waits for its caller ends when the server drains, or the store has no room.
	stop := context.AfterFunc(ctx, func() { _ = to.control.SetWriteDeadline(time.Now()) })
	defer stop()
	begun := false
	err := h.Copy(h.DiskReserve, abort, func(size int64) io.Writer {
		begun = true
		w.Header().Set("Content-Type", "application/octet-stream")
		w.Header().Set("Content-Length", strconv.FormatInt(size, 10))
		w.Header().Set("Cache-Control", "no-store")
		return to
	})
	switch {
	case err == nil:
		h.Log.Info("backup was sent", "bytes", to.sent)
		return nil, nil
	case begun: // no error can be sent any more
		h.Log.Warn("backup failed", "sent", to.sent, "error", err)
		panic(http.ErrAbortHandler)
	case errors.Is(err, counting.ErrClosed) || errors.Is(err, counting.ErrReplaced):
		return nil, awayFault("The store can't be copied", err)
	case errors.Is(err, errors.ErrUnsupported):
		return nil, problem.New(http.StatusNotImplemented, "no_backup", err.Error())
	}
	return nil, problem.Unavailable("no_backup_now", err.Error(), 60)
}

// backupWriter sends to a caller that keeps up.
type backupWriter struct {
	ctx     context.Context //nolint:containedctx // of one request
	to      io.Writer
	control *http.ResponseController
	sent    int64
	allowed int64 // may be sent before the deadline
}

func (b *backupWriter) Write(p []byte) (int, error) {
	if b.sent >= b.allowed {
		b.allowed += backupStep
		_ = b.control.SetWriteDeadline(time.Now().Add(backupTime)) // not in a test without a connection
	}
	if err := context.Cause(b.ctx); err != nil { // looked at after the deadline, which ctx's end moves too
		return 0, err
	}
	n, err := b.to.Write(p)
	b.sent += int64(n)
	return n, err
}
