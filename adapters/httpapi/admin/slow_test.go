package admin_test

import (
	"bufio"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"testing"
	"time"

	"footfall/adapters/httpapi"
	"footfall/test/check"
)

// F17: the bodies of changes are read in the same way as a bulk.
func TestF17AChangeThatArrivesTooSlowlyIs408(t *testing.T) {
	h, _ := newAdmin(t, "", true) // without expectations: a change is made by no port
	s := httpapi.NewServer("127.0.0.1:0", h, 200*time.Millisecond, slog.New(slog.DiscardHandler))
	check.Must(t, s.Start(t.Context()))
	defer func() { check.OK(t, s.Stop(t.Context())) }()
	for _, route := range []string{
		"PUT /pages/home", "DELETE /pages/home", "POST /pages",
		"POST /ring/nodes", "PATCH /ring/nodes/redis_7070", "DELETE /ring/nodes/redis_7070", "POST /ring/repair",
	} {
		conn := check.Value((&net.Dialer{}).DialContext(t.Context(), "tcp", s.Addr()))(t)
		_, err := fmt.Fprintf(conn, "%s HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 90\r\n\r\n{\"count\":", route)
		check.Must(t, err)
		from := bufio.NewReader(conn)
		resp := check.Value(http.ReadResponse(from, nil))(t)
		body := check.Value(io.ReadAll(resp.Body))(t)
		if resp.StatusCode != http.StatusRequestTimeout || !resp.Close {
			t.Errorf("%s: %d %s, close %t", route, resp.StatusCode, body, resp.Close)
		}
		check.Is(t, check.Err(from.ReadByte()), io.EOF, "%s: the connection", route)
		conn.Close()
	}
}
