package httpapi_test

import (
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"footfall/adapters/httpapi"
	"footfall/adapters/httpapi/limits"
	"footfall/test/check"
	"footfall/test/httpcheck"
)

// taking answers the number of bytes of a body, of at most 2 MiB, with a pool for all.
func taking(pool int64) *httpapi.Handler {
	return httpapi.NewHandler(httpapi.HandlerOptions{
		Routes: []httpapi.Route{{Method: http.MethodPost, Path: "/{name}", MaxBody: 2 << 20, Do: func(_ http.ResponseWriter, r *http.Request, _ string) ([]byte, error) {
			return fmt.Appendf(nil, "%d", len(httpapi.Body(r))), nil
		}}},
		Log: slog.New(slog.DiscardHandler), Bytes: &limits.Pool{Resource: "bytes", Total: pool},
	})
}

// S6: a body is accounted with its own bytes, and not with those of the next power of two.
// One without a length is accounted with at most double, and the largest with its own.
func TestS6ABodyTakesItsOwnBytes(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		size, pool int64
		chunked    bool
		status     int
	}{
		"the largest":            {2 << 20, 2 << 20, false, http.StatusOK},
		"the largest, in chunks": {2 << 20, 2 << 20, true, http.StatusOK},
		"another":                {300_000, 300_000, false, http.StatusOK},
		"another, in chunks":     {300_000, 600_000, true, http.StatusOK},
		"a small one":            {10, 1, false, http.StatusOK},
		"beyond the pool":        {300_000, 290_000, false, http.StatusServiceUnavailable},
		"too large, in chunks":   {2<<20 + 1, 4 << 20, true, http.StatusRequestEntityTooLarge},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := httptest.NewRequest(http.MethodPost, "/a", strings.NewReader(strings.Repeat("x", int(c.size))))
			if c.chunked {
				r.ContentLength = -1
			}
			w := httpcheck.Answer(taking(c.pool), r)
			check.Equal(t, w.Code, c.status, "the status")
			if c.status == http.StatusOK {
				check.Equal(t, w.Body.String(), fmt.Sprint(c.size), "the bytes that came")
			}
		})
	}
}

// deadlines notes when the reads of a body end.
type deadlines struct {
	*httptest.ResponseRecorder
	all []time.Time
}

// SetReadDeadline is what http.ResponseController looks for.
func (d *deadlines) SetReadDeadline(t time.Time) error {
	d.all = append(d.all, t)
	return nil
}

// S7: a body has 5 s, and 1 s more for each 16 KiB that has come: a connection that loses
// a segment twice pauses for 3 s.
func TestS7ABodyMayPauseAsLongAsAHeader(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		w := &deadlines{ResponseRecorder: httptest.NewRecorder()}
		body := io.MultiReader(strings.NewReader("x"), strings.NewReader(strings.Repeat("x", 32<<10-1)))
		taking(1<<20).ServeHTTP(w, httptest.NewRequest(http.MethodPost, "/a", body))
		check.Equal(t, w.Code, http.StatusOK, "the status")
		check.Equal(t, w.all[0].Sub(began), 5*time.Second, "the time for the first bytes")
		check.Equal(t, w.all[len(w.all)-2].Sub(began), 7*time.Second, "the time for what comes after 32 KiB")
	})
}
