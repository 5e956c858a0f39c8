package httpapi

import (
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"footfall/adapters/httpapi/netconn"
	"footfall/test/check"
)

// F22, P9: a connection on which nothing was sent yet is closed for a new one, as one that
// is idle between two requests.
func TestF22AConnectionThatIsSilentFromTheBeginningIsIdle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newConnections(t.Context(), slog.New(slog.DiscardHandler))
		c.Connections = 1
		server, client := net.Pipe()
		silent := netconn.New(server)
		check.Equal(t, c.place(silent), "", "the bound of the first one")
		c.track(silent, http.StateNew)
		began := time.Now()
		go func() { // as net/http notices the end of a connection
			_, err := client.Read(make([]byte, 1))
			check.Equal(t, errors.Is(err, io.EOF), true, "the connection ended: %v", err)
			c.track(silent, http.StateClosed)
		}()
		check.Equal(t, c.place(netconn.New(server)), "", "the bound of the next one")
		check.Equal(t, time.Since(began), minIdle, "what the new connection has waited")
		_ = client.Close()
	})
}
