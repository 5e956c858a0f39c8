package bench_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"footfall/test/check"
	"footfall/test/integration/service"
	"footfall/test/servers"
)

// eventClients is how many watch one instance, each with its connection.
const eventClients = 10_000

// BenchmarkEventClients is what an idle client of GET /events costs: the
// resident memory of the service for each, and the time from the answer to a
// visit until the last of them has received it.
func BenchmarkEventClients(b *testing.B) {
	p := startFootfall(b, []*servers.Redis{servers.StartRedis(b)})
	for b.Loop() {
		before := p.in.ResidentKB()
		var conns []net.Conn
		for range eventClients {
			conns = append(conns, watchPage(b, p.addr))
		}
		awaitStreams(b, p, eventClients)
		time.Sleep(20 * time.Second) // longer than a heartbeat
		awaitStreams(b, p, eventClients)
		after := p.in.ResidentKB()
		b.ReportMetric(float64(after-before)/eventClients, "KB/client")

		received := make(chan time.Time, len(conns))
		for _, conn := range conns {
			go func() { received <- awaitVisit(conn) }()
		}
		time.Sleep(3 * time.Second) // until they have read what came before
		answer, err := http.Post("http://"+p.addr+"/visit/home", "", nil)
		if err != nil || answer.StatusCode != http.StatusOK {
			b.Fatal(answer, err)
		}
		_ = answer.Body.Close()
		answered := time.Now()
		var first, last time.Duration
		for i := range conns {
			took := (<-received).Sub(answered)
			if i == 0 {
				first = took
			}
			last = max(last, took)
		}
		b.ReportMetric(first.Seconds()*1000, "ms-first")
		b.ReportMetric(last.Seconds()*1000, "ms-last")
		for _, conn := range conns {
			_ = conn.Close()
		}
	}
}

// watchPage asks for the events of a page as a browser does.
func watchPage(b *testing.B, addr string) net.Conn {
	b.Helper()
	conn := check.Value(net.Dial("tcp", addr))(b)
	_, err := io.WriteString(conn, "GET /events?page_id=home HTTP/1.1\r\nHost: "+addr+"\r\nAccept: text/event-stream\r\n"+
		"User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36\r\n"+
		"Accept-Encoding: gzip, deflate, br, zstd\r\nAccept-Language: en-US,en;q=0.9\r\nCache-Control: no-cache\r\nReferer: http://"+addr+"/\r\n"+
		"Sec-Fetch-Dest: empty\r\nSec-Fetch-Mode: cors\r\nSec-Fetch-Site: same-origin\r\n\r\n")
	check.Must(b, err)
	return conn
}

// awaitVisit is when the first visit of the page is shown.
func awaitVisit(conn net.Conn) time.Time {
	lines := bufio.NewReaderSize(conn, 1024)
	for {
		line, err := lines.ReadString('\n')
		if err != nil || strings.Contains(line, `"visits":1,`) {
			return time.Now()
		}
	}
}

func awaitStreams(b *testing.B, p program, n int) {
	b.Helper()
	service.WaitFor(b, fmt.Sprint(n, " streams"), func() bool {
		time.Sleep(100 * time.Millisecond)
		return int(metrics(b, p)["footfall_event_streams"]) == n
	})
}
