package netconn

import (
	"errors"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"testing"
	"testing/synctest"
	"time"

	"footfall/adapters/httpapi/limits"
	"footfall/test/check"
)

// F22, P9: a connection on which nothing was sent yet is closed for a new one, as one that
// is idle between two requests.
func TestF22AConnectionThatIsSilentFromTheBeginningIsIdle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := NewConnections(Limits{}, slog.New(slog.DiscardHandler))
		c.Connections = 1
		server, client := net.Pipe()
		silent := Wrap(server)
		check.Equal(t, c.place(t.Context(), silent), "", "the bound of the first one")
		c.track(silent, New)
		began := time.Now()
		go func() { // as net/http notices the end of a connection
			_, err := client.Read(make([]byte, 1))
			check.Equal(t, errors.Is(err, io.EOF), true, "the connection ended: %v", err)
			c.track(silent, Closed)
		}()
		check.Equal(t, c.place(t.Context(), Wrap(server)), "", "the bound of the next one")
		check.Equal(t, time.Since(began), minIdle, "what the new connection has waited")
		_ = client.Close()
	})
}

// S6, P9: where no connection is idle, a new one waits for some time and is then refused,
// and further ones are refused immediately, until a place is free.
func TestS6WhereNoConnectionIsIdleNewOnesAreRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := NewConnections(Limits{}, slog.New(slog.DiscardHandler))
		c.Connections, c.Share = 2, 1
		inner, _ := net.Pipe()
		conn := func(client string) *Conn {
			n := Wrap(inner)
			n.Client = netip.MustParsePrefix(client)
			return n
		}
		busy := []*Conn{conn("192.0.2.1/32"), conn("192.0.2.2/32")}
		for _, b := range busy {
			check.Equal(t, c.place(t.Context(), b), "", "the bound of the first ones")
			c.track(b, New)
			c.track(b, Active)
		}
		for i, want := range []time.Duration{maxWait, 0, 0} {
			began := time.Now()
			check.Equal(t, c.place(t.Context(), conn("192.0.2.3/32")), limits.BoundTotal, "the bound of the next one")
			check.Equal(t, time.Since(began), want, "what the new connection %d has waited", i)
		}
		check.Equal(t, c.place(t.Context(), conn("192.0.2.1/32")), limits.BoundClient, "the bound of a client that has its share")
		c.track(busy[0], Closed)
		check.Equal(t, c.place(t.Context(), conn("192.0.2.1/32")), "", "the bound where a place is free")
	})
}
