package attack

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"footfall/application/groupcommit"
	"footfall/test/integration/service"
)

// Experience is that of honest callers. Refused are requests whose answer is not 200. Late
// are those of them that took longer than half of what a batch may take: a machine without
// time for the service explains these. Prompt describes some of the others.
type Experience struct {
	Requests, Refused, Late int64
	Prompt                  []string
	P99                     time.Duration
}

// add notes an answer, or the error in place of one.
func (e *Experience) add(got service.Reply, err error) {
	e.Requests++
	if got.Status == http.StatusOK {
		return
	}
	e.Refused++
	if got.Took > groupcommit.Deadline/2 {
		e.Late++
	} else if len(e.Prompt) < 20 {
		e.Prompt = append(e.Prompt, fmt.Sprintf("%s after %v: %d %.200s %v", got.Request, got.Took, got.Status, got.Body, err))
	}
}

// Honest makes 200 requests a second of all kinds from 127.0.0.1 to a public listener, or
// fewer when answers take longer than 100 ms. It returns after that time, or when ctx ends.
func Honest(ctx context.Context, public string, length time.Duration) Experience {
	const callers, gap = 20, 100 * time.Millisecond
	var e Experience
	var mu sync.Mutex
	var took []time.Duration
	var all sync.WaitGroup
	end := time.Now().Add(length)
	client := from(net.IPv4(127, 0, 0, 1))
	for caller := range callers {
		all.Go(func() {
			for i := 0; time.Now().Before(end) && ctx.Err() == nil; i++ {
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
				got, err := service.Request(client, method, public+path, body)
				mu.Lock()
				took = append(took, time.Since(begin))
				e.add(got, err)
				mu.Unlock()
				time.Sleep(max(0, gap-time.Since(begin)))
			}
		})
	}
	all.Wait()
	slices.Sort(took)
	e.P99 = took[len(took)*99/100]
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
	defer func() { _ = resp.Body.Close() }()
	_, _ = io.Copy(io.Discard, resp.Body)
	return resp.StatusCode
}
