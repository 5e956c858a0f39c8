package bench_test

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"text/tabwriter"
	"time"

	"footfall/test/check"
	"footfall/test/integration/service"
)

var (
	attackLasts = flag.Duration("attack", 8*time.Second, "how long BenchmarkAttacks attacks the service in each way")
	attackNamed = flag.String("attacks", "", "the beginning of the names of the attacks, such as S6")
)

// BenchmarkAttacks prints for each attack from one address what callers of another one
// notice: their refusals, and the 99th percentile beside that of the time before.
// FOOTFALL_BENCH_MEMORY is the memory that the service may have, as in a container: it
// needs root.
func BenchmarkAttacks(b *testing.B) {
	in := service.NewDeployment(b, "FOOTFALL_WINDOW=10s").Start()
	if limit := os.Getenv("FOOTFALL_BENCH_MEMORY"); limit != "" {
		confine(b, in.Cmd.Process.Pid, limit)
	}
	t := &table{tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)}
	t.row("attack", "its requests", "requests", "refused", "p99", "p99 before", "ratio", "RSS MiB")
	b.ResetTimer()
	for _, a := range append(attacks(), attack{"all of them", everything}) {
		if !strings.HasPrefix(a.name, *attackNamed) {
			continue
		}
		before := honest(b, in, min(*attackLasts, 8*time.Second))
		ctx, cancel := context.WithTimeout(b.Context(), *attackLasts+time.Second)
		at := newStranger(in)
		var attacking sync.WaitGroup
		attacking.Go(func() { a.run(ctx, at) })
		time.Sleep(500 * time.Millisecond)
		during := honest(b, in, *attackLasts)
		cancel()
		attacking.Wait()
		t.row(a.name, fmt.Sprint(at.sent.Load()), fmt.Sprint(during.requests), fmt.Sprint(during.refused+before.refused), during.p99.String(), before.p99.String(),
			fmt.Sprintf("%.2f", float64(during.p99)/float64(before.p99)), fmt.Sprintf("%.0f", float64(in.ResidentKB())/1024))
	}
	b.StopTimer()
	_ = t.Flush()
}

// confine puts a process into a group that may have so much memory, of cgroup v1 or v2.
func confine(b *testing.B, pid int, limit string) {
	b.Helper()
	root, bound, events := "/sys/fs/cgroup", "memory.max", "memory.events"
	if _, err := os.Stat(root + "/memory"); err == nil {
		root, bound, events = root+"/memory", "memory.limit_in_bytes", "memory.failcnt"
	}
	group := fmt.Sprint(root, "/footfall-", pid)
	check.Must(b, os.Mkdir(group, 0o755))
	write := func(name, text string) {
		b.Helper()
		f, err := os.OpenFile(group+"/"+name, os.O_WRONLY, 0)
		check.Must(b, err)
		_, err = f.WriteString(text)
		check.Must(b, errors.Join(err, f.Close()))
	}
	write(bound, limit)
	write("cgroup.procs", fmt.Sprint(pid))
	b.Cleanup(func() { b.Logf("%s: %s", events, check.Value(os.ReadFile(group+"/"+events))(b)) })
}

// experience is that of honest callers.
type experience struct {
	requests, refused int64
	p99               time.Duration
}

// honest makes 200 requests a second of all kinds from 127.0.0.1.
func honest(b *testing.B, in *service.Instance, length time.Duration) experience {
	b.Helper()
	const callers, gap = 20, 100 * time.Millisecond
	var e experience
	var mu sync.Mutex
	var took []time.Duration
	var all sync.WaitGroup
	client := from(net.IPv4(127, 0, 0, 1))
	for caller := range callers {
		all.Go(func() {
			for i := 0; time.Duration(i)*gap < length; i++ {
				method, path, body := http.MethodPost, fmt.Sprint("/visit/page-", caller), ""
				switch i % 4 {
				case 1:
					method, path = http.MethodGet, fmt.Sprint("/visits/page-", caller)
				case 2:
					method, path = http.MethodGet, service.AcceptPath(fmt.Sprint(caller*1000+i), "")
				case 3:
					path, body = "/visits", fmt.Sprintf(`[{"page_id":"page-%d"},{"page_id":"page-0"}]`, caller)
				}
				begin := time.Now()
				status := send(b.Context(), client, method, in.Public+path, body, nil)
				mu.Lock()
				took = append(took, time.Since(begin))
				if e.requests++; status != http.StatusOK {
					e.refused++
				}
				mu.Unlock()
				time.Sleep(max(0, gap-time.Since(begin)))
			}
		})
	}
	all.Wait()
	slices.Sort(took)
	e.p99 = took[len(took)*99/100]
	return e
}

// from is a client that has an address of this machine.
func from(ip net.IP) *http.Client {
	d := net.Dialer{LocalAddr: &net.TCPAddr{IP: ip}}
	return &http.Client{Timeout: 20 * time.Second, Transport: &http.Transport{DialContext: d.DialContext, MaxIdleConnsPerHost: 100}}
}

// send makes a request and returns its status, 0 for no answer.
func send(ctx context.Context, client *http.Client, method, url, body string, header http.Header) int {
	r, err := http.NewRequestWithContext(ctx, method, url, strings.NewReader(body))
	if err != nil {
		return 0
	}
	for name, values := range header {
		r.Header[name] = values
	}
	resp, err := client.Do(r)
	if err != nil {
		return 0
	}
	defer resp.Body.Close()
	_, _ = io.Copy(io.Discard, resp.Body)
	return resp.StatusCode
}

// stranger is one anonymous caller at 127.0.0.2.
type stranger struct {
	public string
	client *http.Client
	sent   atomic.Int64
	serial atomic.Int64
}

func newStranger(in *service.Instance) *stranger {
	return &stranger{public: in.Public, client: from(net.IPv4(127, 0, 0, 2))}
}

type attack struct {
	name string
	run  func(context.Context, *stranger)
}

// attacks are those of docs/failures.md that one address can make for long.
func attacks() []attack {
	return []attack{
		{"S3 endpoints", func(ctx context.Context, s *stranger) {
			s.every(ctx, 4, 20*time.Millisecond, func(n int64) {
				s.send(ctx, http.MethodGet, service.AcceptPath(fmt.Sprint(n), fmt.Sprintf("http://127.0.0.1:9/%d", n)), "", nil)
			})
		}},
		{"S4 keys", func(ctx context.Context, s *stranger) {
			s.every(ctx, 4, 100*time.Millisecond, func(n int64) {
				s.send(ctx, http.MethodPost, "/visits", names(n, 200), http.Header{"Idempotency-Key": {fmt.Sprint("key-", n)}})
			})
		}},
		{"S5 names", func(ctx context.Context, s *stranger) {
			s.every(ctx, 4, 100*time.Millisecond, func(n int64) { s.send(ctx, http.MethodPost, "/visits", names(n, 500), nil) })
		}},
		{"S6 headers", func(ctx context.Context, s *stranger) {
			s.hold(ctx, 416, 4*time.Second, "GET / HTTP/1.1\r\nHost: localhost\r\nA: "+strings.Repeat("a", 1<<20))
		}},
		{"S7 silent bulks", func(ctx context.Context, s *stranger) {
			s.hold(ctx, 256, time.Second, "POST /visits HTTP/1.1\r\nHost: localhost\r\nContent-Length: 450000\r\n\r\n")
		}},
		{"S8 streams", func(ctx context.Context, s *stranger) {
			var query strings.Builder
			for i := range 50 {
				fmt.Fprintf(&query, "page_id=invented-%d&", i)
			}
			s.hold(ctx, 200, time.Second, "GET /events?"+query.String()+" HTTP/1.1\r\nHost: localhost\r\n\r\n")
		}},
		{"S13 bulks of 2,000", func(ctx context.Context, s *stranger) {
			s.every(ctx, 2, 200*time.Millisecond, func(n int64) { s.send(ctx, http.MethodPost, "/visits", names(n, 2000), nil) })
		}},
	}
}

// everything is all attacks together.
func everything(ctx context.Context, s *stranger) {
	var all sync.WaitGroup
	for _, a := range attacks() {
		all.Go(func() { a.run(ctx, s) })
	}
	all.Wait()
}

// every does something at so many places, each with a gap, until ctx ends.
func (s *stranger) every(ctx context.Context, places int, gap time.Duration, do func(n int64)) {
	var all sync.WaitGroup
	for place := range places {
		all.Go(func() {
			time.Sleep(gap * time.Duration(place) / time.Duration(places)) // not all at the same moment
			for ctx.Err() == nil {
				begin := time.Now()
				do(s.serial.Add(1))
				time.Sleep(max(0, gap-time.Since(begin)))
			}
		})
	}
	all.Wait()
}

func (s *stranger) send(ctx context.Context, method, path, body string, header http.Header) {
	s.sent.Add(1)
	send(ctx, s.client, method, s.public+path, body, header)
}

// hold opens connections that send a text and no more, and opens those again that end, each
// once in a time.
func (s *stranger) hold(ctx context.Context, connections int, gap time.Duration, text string) {
	s.every(ctx, connections, gap, func(int64) {
		s.sent.Add(1)
		d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 0, 2)}}
		c, err := d.DialContext(ctx, "tcp", strings.TrimPrefix(s.public, "http://"))
		if err != nil {
			return
		}
		stop := context.AfterFunc(ctx, func() { _ = c.Close() })
		defer stop()
		defer c.Close()
		_, _ = io.WriteString(c, text)
		_, _ = io.Copy(io.Discard, c)
	})
}

// names is a bulk of pages that nothing has counted before.
func names(n int64, items int) string {
	var b bytes.Buffer
	for i := range items {
		fmt.Fprintf(&b, "{\"page_id\":\"new/%d/%d\"}\n", n, i)
	}
	return b.String()
}
