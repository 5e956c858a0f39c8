package httpcallback_test

import (
	"bufio"
	"context"
	"encoding/binary"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"footfall/adapters/httpcallback"
	"footfall/domain/publishing"
	"footfall/test/check"
)

func notifier(t *testing.T, policy string, o httpcallback.Options) *httpcallback.Notifier {
	t.Helper()
	p := check.Value(httpcallback.ParsePolicy(policy))(t)
	return httpcallback.New(p, o)
}

func report() publishing.Report {
	start := time.Date(2026, 11, 22, 10, 5, 0, 0, time.UTC)
	return publishing.Report{ID: "footfall_20261122T100500Z", Start: start, End: start.Add(time.Minute), Count: 123}
}

// server accepts connections and counts them. It passes each to a function, and
// closes it after that.
type server struct {
	net.Listener
	accepted atomic.Int64
	all      sync.WaitGroup
}

func serve(t *testing.T, address string, handle func(net.Conn)) *server {
	t.Helper()
	l := check.Value(net.Listen("tcp", address))(t)
	s := &server{Listener: l}
	ctx := t.Context() // ends before the clean-up begins
	s.all.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			s.accepted.Add(1)
			stop := context.AfterFunc(ctx, func() { _ = c.Close() })
			s.all.Go(func() {
				handle(c)
				stop()
				_ = c.Close()
			})
		}
	})
	t.Cleanup(func() { _ = l.Close(); s.all.Wait() })
	return s
}

// connections returns how many connections others made to the server. It makes
// one more itself: when that is accepted, so are all earlier ones.
func (s *server) connections(t *testing.T) int64 {
	t.Helper()
	c := check.Value(net.Dial("tcp", s.Addr().String()))(t)
	defer c.Close()
	check.Must(t, c.(*net.TCPConn).CloseWrite())
	_, _ = io.ReadAll(c)
	return s.accepted.Add(-1)
}

func (s *server) port() string {
	_, port, _ := net.SplitHostPort(s.Addr().String())
	return port
}

func (s *server) endpoint(path string) publishing.Endpoint {
	return publishing.Endpoint("http://" + s.Addr().String() + path)
}

func hangUp(net.Conn) {}

// say answers a request, once it is read whole, with raw bytes.
func say(raw string) func(net.Conn) {
	return func(c net.Conn) {
		hear(c)
		_, _ = io.WriteString(c, raw)
	}
}

func hear(c net.Conn) (path string) {
	req, err := http.ReadRequest(bufio.NewReader(c))
	if err != nil {
		return ""
	}
	_, _ = io.ReadAll(req.Body)
	return req.URL.Path
}

// names is a small name server: the addresses of a name, by how often it was
// asked for them before. Other names do not exist.
type names struct {
	answers map[string]func(nth int) []netip.Addr
	asked   map[string]int
	queries atomic.Int64
}

func resolver(t *testing.T, answers map[string]func(nth int) []netip.Addr) (*net.Resolver, *names) {
	t.Helper()
	pc := check.Value(net.ListenPacket("udp", "127.0.0.1:0"))(t)
	n := &names{answers: answers, asked: map[string]int{}}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for buf := make([]byte, 1500); ; {
			size, from, err := pc.ReadFrom(buf)
			if err != nil {
				return
			}
			_, _ = pc.WriteTo(n.answer(buf[:size]), from)
		}
	}()
	t.Cleanup(func() { _ = pc.Close(); <-done })
	return &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, "udp", pc.LocalAddr().String())
	}}, n
}

func always(addresses ...string) func(int) []netip.Addr {
	parsed := make([]netip.Addr, len(addresses))
	for i, a := range addresses {
		parsed[i] = netip.MustParseAddr(a)
	}
	return func(int) []netip.Addr { return parsed }
}

// answer is made of the query's id and question, and the records.
func (n *names) answer(query []byte) []byte {
	const headerSize, typeA, typeAAAA = 12, 1, 28
	n.queries.Add(1)
	end, name := headerSize, ""
	for query[end] != 0 {
		size := int(query[end])
		name += string(query[end+1:end+1+size]) + "."
		end += 1 + size
	}
	kind := binary.BigEndian.Uint16(query[end+1:])
	question := query[headerSize : end+5]
	flags, records, count := uint16(0x8180), []byte(nil), uint16(0)
	name = strings.ToLower(strings.TrimSuffix(name, "."))
	if find, ok := n.answers[name]; ok {
		key := name + string(rune(kind))
		nth := n.asked[key]
		n.asked[key]++
		for _, a := range find(nth) {
			if (kind == typeA) == a.Is4() && (kind == typeA || kind == typeAAAA) {
				records = append(records, 0xc0, headerSize, 0, byte(kind), 0, 1, 0, 0, 0, 0, 0, byte(a.BitLen()/8))
				records = append(records, a.AsSlice()...)
				count++
			}
		}
	} else {
		flags |= 3 // no such name
	}
	out := append([]byte(nil), query[:2]...)
	for _, field := range []uint16{flags, 1, count, 0, 0} {
		out = binary.BigEndian.AppendUint16(out, field)
	}
	return append(append(out, question...), records...)
}
