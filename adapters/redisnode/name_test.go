package redisnode_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"footfall/domain/counting"
	"footfall/test/check"
	"footfall/test/servers"
)

// dns answers for every name with one address, which can change.
type dns struct {
	address atomic.Pointer[netip.Addr]
	asked   atomic.Int64
}

// startDNS makes dns the resolver of the process until the end of the test.
func startDNS(t *testing.T, address string) *dns {
	t.Helper()
	d := &dns{}
	d.leadTo(address)
	conn := check.Value((&net.ListenConfig{}).ListenPacket(t.Context(), "udp", "127.0.0.1:0"))(t)
	var serving sync.WaitGroup
	serving.Go(func() {
		for query := make([]byte, 1500); ; {
			n, from, err := conn.ReadFrom(query)
			if err != nil {
				return
			}
			_, _ = conn.WriteTo(d.answer(query[:n]), from)
		}
	})
	before := net.DefaultResolver
	net.DefaultResolver = &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "udp", conn.LocalAddr().String())
	}}
	t.Cleanup(func() {
		net.DefaultResolver = before
		_ = conn.Close()
		serving.Wait()
	})
	return d
}

func (d *dns) leadTo(address string) {
	a := netip.MustParseAddr(address)
	d.address.Store(&a)
}

// answer is made of the query's id and question, and of a record if IPv4 is asked for.
func (d *dns) answer(query []byte) []byte {
	const header, typeA = 12, 1
	question := query[header : header+bytes.IndexByte(query[header:], 0)+5]
	var record []byte
	if question[len(question)-3] == typeA {
		d.asked.Add(1)
		record = append([]byte{0xc0, header, 0, typeA, 0, 1, 0, 0, 0, 60, 0, 4}, d.address.Load().AsSlice()...)
	}
	out := append([]byte(nil), query[:2]...)
	for _, field := range []int{0x8180, 1, min(len(record), 1), 0, 0} {
		out = binary.BigEndian.AppendUint16(out, uint16(field))
	}
	return append(append(out, question...), record...)
}

// F4: the address is a name, and a failover makes it lead to the server that was promoted,
// as that of a managed service. Until then the one that was demoted answers nothing. Then
// all connections are to the other, which has everything, and counts go on.
func TestF4ANameThatMovesIsFollowed(t *testing.T) { //nolint:paralleltest // the resolver is that of the process
	old := servers.StartRedis(t, "--repl-diskless-sync-delay", "0")
	port := strconv.Itoa(old.Port())
	next := servers.StartRedis(t, "--bind", "127.0.0.2", "--port", port, "--replicaof", "127.0.0.1", port)
	next.Addr = net.JoinHostPort("127.0.0.2", port)
	name := startDNS(t, "127.0.0.1")
	n := joined(t, &servers.Redis{Addr: net.JoinHostPort("store.example", port)})
	read := func() error {
		_, err := n.Read(t.Context(), counting.Expected{Epoch: 1}, []counting.Located{{Page: "home"}})
		return err
	}
	check.Value(n.Apply(t.Context(), visits(1)))(t)
	var all sync.WaitGroup
	readers := func(of *servers.Redis) {
		of.Freeze() // for a moment, so that each has a connection of its own
		for range 12 {
			all.Go(func() { check.OK(t, read()) })
		}
		time.Sleep(100 * time.Millisecond)
		of.Thaw()
		all.Wait()
	}
	readers(old)
	on := func(s *servers.Redis, args ...any) string {
		t.Helper()
		c := s.Client()
		defer func() { _ = c.Close() }()
		return check.Value(c.Do(t.Context(), args...).Text())(t)
	}
	if n := strings.Count(on(old, "client", "list"), "\n"); n < 12 {
		t.Fatalf("%d connections, want those of all readers", n)
	}
	eventually(t, func() bool { return strings.Contains(on(next, "info", "replication"), "master_link_status:up") })
	eventually(t, func() bool { return strings.Contains(on(old, "info", "replication"), "state=online") })
	offset := func(s *servers.Redis, field string) string {
		_, after, _ := strings.Cut(on(s, "info", "replication"), field+":")
		value, _, _ := strings.Cut(after, "\r")
		return value
	}
	eventually(t, func() bool { return offset(next, "slave_repl_offset") == offset(old, "master_repl_offset") })

	on(next, "replicaof", "no", "one")
	on(old, "replicaof", "127.0.0.2", port)
	check.Fails(t, read(), "a read of the server that was demoted")
	check.Is(t, check.Err(n.Apply(t.Context(), visits(2))), counting.ErrUnusable, "while the name leads to it")
	asked := name.asked.Load()
	name.leadTo("127.0.0.2")
	eventually(t, func() bool { return check.Err(n.Apply(t.Context(), visits(2))) == nil })
	readers(next)
	n.wantVisits(t, 2)
	if name.asked.Load() == asked {
		t.Error("the name was not looked up again")
	}
	check.Equal(t, on(next, "hget", "ff:c:0", string(page(0))), "2", "visits at the server that was promoted")
}
