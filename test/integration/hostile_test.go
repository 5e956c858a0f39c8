package integration_test

import (
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// attemptsAt are the lines about an endpoint: attempt and status, or what is
// wrong.
func (d *deployment) attemptsAt(endpoint string) (all []line) {
	for _, l := range d.lines() {
		if l.Event == "callback" && l.Endpoint == endpoint {
			all = append(all, l)
		}
	}
	return all
}

func short(lines []line) string {
	var all []string
	for _, l := range lines {
		text := fmt.Sprint(l.Attempt, ":", l.Status)
		if strings.HasPrefix(l.Error, "abandoned") {
			text = fmt.Sprint("abandoned after ", l.Attempt)
		}
		all = append(all, text)
	}
	return fmt.Sprint(all)
}

// U16, P7, P8 of the list of failures: endpoints that fail once, want to be
// left alone, are gone, or lead inside, among some that are hostile.
func TestEachEndpointGetsTheAttemptsThatItIsOwed(t *testing.T) {
	t.Parallel()
	inside := newEndpoint(t)
	behaviours := map[string]func(*crowd, net.Conn){
		"127.0.7.1": says("HTTP/1.1 500 No\r\n\r\n", okAnswer),
		"127.0.7.2": says("HTTP/1.1 410 Gone\r\n\r\n"),
		"127.0.7.3": says("HTTP/1.1 429 Slow\r\nRetry-After: 6\r\n\r\n", okAnswer),
		"127.0.7.4": says("HTTP/1.1 429 Slow\r\nRetry-After: 600\r\n\r\n", okAnswer),
		"127.0.7.5": says("HTTP/1.1 302 Found\r\nLocation: " + inside.URL + "\r\n\r\n"),
		"127.0.7.6": says(okAnswer),
	}
	n := 10
	for _, does := range hostile {
		behaviours[fmt.Sprint("127.0.7.", n)] = does
		n++
	}
	c := newCrowd(t, func(host string) func(*crowd, net.Conn) { return behaviours[host] })
	d := newDeployment(t, localCallbacks("24s", "100ms")...) // attempts at 0 s, 4 s and 12 s, of 18 s
	in := d.start()
	id := 0
	for host := range behaviours {
		accept(t, in, id, c.url(host))
		id++
	}
	for host, want := range map[string]string{
		"127.0.7.1": "[1:500 2:200]", "127.0.7.2": "[1:410]", "127.0.7.3": "[1:429 2:200]", "127.0.7.4": "[1:429 abandoned after 1]",
		"127.0.7.5": "[1:302 2:302 3:302]", "127.0.7.6": "[1:200]",
	} {
		waitFor(t, host+" has its lines", 120*time.Second, func() bool { return short(d.attemptsAt(c.url(host))) == want })
	}
	time.Sleep(time.Second) // nobody is called once more
	for host, want := range map[string]int{"127.0.7.1": 2, "127.0.7.2": 1, "127.0.7.3": 2, "127.0.7.4": 1, "127.0.7.5": 3, "127.0.7.6": 1} {
		heard := c.heard(host)
		if len(heard) != want {
			t.Errorf("%s was called %d times, want %d", host, len(heard), want)
		}
		for _, req := range heard {
			if a, b := req.Header.Get("Webhook-Id"), heard[0].Header.Get("Webhook-Id"); a != b || a == "" {
				t.Errorf("%s was called with the ids %q and %q", host, b, a)
			}
		}
	}
	if slow := c.heard("127.0.7.3"); len(slow) == 2 && slow[1].at.Sub(slow[0].at) < 6*time.Second {
		t.Errorf("the second attempt came %v after one whose answer asked for 6 s", slow[1].at.Sub(slow[0].at))
	}
	if n := len(inside.got()); n != 0 {
		t.Errorf("a redirect was followed %d times", n)
	}
	_, metrics := get(t, in.admin+"/metrics", "")
	for _, outcome := range []string{"delivered", "refused", "failed", "abandoned"} {
		if text := `footfall_callbacks_total{outcome="` + outcome + `"} `; !strings.Contains(metrics, text) || strings.Contains(metrics, text+"0\n") {
			t.Errorf("the metrics count none as %s", outcome)
		}
	}
}

// U7 of the list of failures: a crash between two attempts repeats nothing
// that has a result, and the next start goes on with the next number.
func TestACrashBetweenTwoAttemptsGoesOnWithTheNext(t *testing.T) {
	t.Parallel()
	c := newCrowd(t, func(host string) func(*crowd, net.Conn) {
		if host == "127.0.8.1" {
			return says("HTTP/1.1 500 No\r\n\r\n", okAnswer)
		}
		return says(okAnswer)
	})
	d := newDeployment(t, localCallbacks("30s", "100ms")...) // retries after 5 s
	in := d.start()
	flaky, good := c.url("127.0.8.1"), c.url("127.0.8.2")
	accept(t, in, 1, flaky)
	accept(t, in, 2, good)
	waitFor(t, "both were called", 120*time.Second, func() bool {
		return short(d.attemptsAt(flaky)) == "[1:500]" && short(d.attemptsAt(good)) == "[1:200]"
	})
	time.Sleep(1500 * time.Millisecond) // a line is written before its result is saved
	in.kill()
	d.start()
	waitFor(t, "the second attempt", 120*time.Second, func() bool { return short(d.attemptsAt(flaky)) == "[1:500 2:200]" })
	if got := short(d.attemptsAt(good)); got != "[1:200]" {
		t.Errorf("the other endpoint has %s", got)
	}
	heard := c.heard("127.0.8.1")
	if len(heard) != 2 || heard[0].Header.Get("Webhook-Id") != heard[1].Header.Get("Webhook-Id") {
		t.Errorf("it was called %d times, or with different ids", len(heard))
	}
}

// P7, U2 of the list of failures: 200 of 400 endpoints hang. All others are
// told in the window after theirs, and no window is published late.
func TestTwoHundredHangingEndpointsDelayNobody(t *testing.T) {
	t.Parallel()
	c := newCrowd(t, func(host string) func(*crowd, net.Conn) {
		if strings.HasPrefix(host, "127.1.") {
			return hostile["hangs"]
		}
		return says(okAnswer)
	})
	const window = 20 * time.Second
	d := newDeployment(t, localCallbacks("20s", "100ms")...)
	in := d.start()
	for n := range 200 {
		accept(t, in, 2*n, c.url(host(1, n)))
		accept(t, in, 2*n+1, c.url(host(2, n)))
	}
	first := make(map[string]line)
	waitFor(t, "every endpoint has its first attempt", 120*time.Second, func() bool {
		time.Sleep(200 * time.Millisecond) // a look is work
		for _, l := range d.lines() {
			if _, ok := first[l.Endpoint]; !ok && l.Event == "callback" && l.Attempt == 1 {
				first[l.Endpoint] = l
			}
		}
		return len(first) == 400
	})
	reports := d.reports()
	for n := range 200 {
		l := first[c.url(host(2, n))]
		if l.Status != http.StatusOK {
			t.Errorf("the log of %s has %+v", host(2, n), l)
			continue
		}
		if late := l.Time.Sub(reports[l.ID].WindowEnd); late > window {
			t.Errorf("%s was told %v after the end of its window", host(2, n), late)
		}
	}
	waitFor(t, "one more window is published", 90*time.Second, func() bool { return len(d.reports()) > len(reports) })
	reportedInTime(t, d)
}

// reportedInTime fails the test where a window with a grace of 100 ms was
// published late.
func reportedInTime(t *testing.T, d *deployment) {
	t.Helper()
	most := time.Duration(0)
	for id, l := range d.reports() {
		late := l.Time.Sub(l.WindowEnd) - 100*time.Millisecond
		most = max(most, late)
		if late > 10*time.Second { // 1 s is what is wanted; the rest is for busy machines
			t.Errorf("%s was published %v after its grace", id, late)
		}
	}
	t.Logf("%d windows were published, the latest %v after its grace", len(d.reports()), most)
}

// P7, U15 of the list of failures: five thousand hostile endpoints in one
// window fill no memory, and each has its first attempt.
func TestFiveThousandHostileEndpointsFillNoMemory(t *testing.T) {
	if _, err := os.Stat("/proc/self/status"); err != nil {
		t.Skip("this system has no /proc")
	}
	t.Parallel()
	const n = 5000
	var kinds []func(*crowd, net.Conn)
	for _, does := range hostile {
		kinds = append(kinds, does)
	}
	c := newCrowd(t, func(host string) func(*crowd, net.Conn) {
		var a, b, x, y int
		_, _ = fmt.Sscanf(host, "%d.%d.%d.%d", &a, &b, &x, &y)
		return kinds[(250*x+y)%len(kinds)]
	})
	d := newDeployment(t, append(localCallbacks("45s", "100ms"), fmt.Sprint("FOOTFALL_CALLBACK_LIMIT=", n))...)
	in := d.start()
	acceptMany(t, in, 2*n, func(int) string { return "" }) // buffers and pools reach their size
	before := in.residentKB()
	acceptMany(t, in, n, func(i int) string { return c.url(host(3, i)) })
	most := 0
	waitFor(t, "every endpoint has its first attempt", 180*time.Second, func() bool {
		time.Sleep(200 * time.Millisecond) // a look is work
		most = max(most, in.residentKB())
		return c.calls() >= n && firstAttempts(d) >= n
	})
	begin := time.Now()
	waitFor(t, "every endpoint has its result", 180*time.Second, func() bool {
		most = max(most, in.residentKB())
		return settled(t, in) >= n
	})
	t.Logf("%d kB before, %d kB at most; the last results came after %v more", before, most, time.Since(begin))
	if most > before+50_000 {
		t.Errorf("%d endpoints took %d kB, before there were %d kB", n, most, before)
	}
	waitFor(t, "one more window is published", 120*time.Second, func() bool { return len(d.reports()) > 1 })
	reportedInTime(t, d)
	accept(t, in, 1, "")
}

// firstAttempts are the endpoints that had one.
func firstAttempts(d *deployment) int {
	had := make(map[string]bool)
	for _, l := range d.lines() {
		if l.Event == "callback" && l.Attempt >= 1 {
			had[l.Endpoint] = true
		}
	}
	return len(had)
}

// settled is the number of endpoints of windows that are done.
func settled(t *testing.T, in *instance) (n int) {
	t.Helper()
	var all struct {
		Windows []struct {
			State     string                  `json:"state"`
			Callbacks struct{ Endpoints int } `json:"callbacks"`
		} `json:"windows"`
	}
	_, body := get(t, in.public+"/api/verve/windows?limit=100", "")
	if err := json.Unmarshal([]byte(body), &all); err != nil {
		t.Fatalf("%s: %v", body, err)
	}
	for _, w := range all.Windows {
		if w.State == "done" {
			n += w.Callbacks.Endpoints
		}
	}
	return n
}

// acceptMany sends ids by several clients at once.
func acceptMany(t *testing.T, in *instance, n int, endpoint func(i int) string) {
	t.Helper()
	client := newClient()
	defer client.CloseIdleConnections()
	var next atomic.Int64
	var all sync.WaitGroup
	for range 32 {
		all.Go(func() {
			for i := int(next.Add(1)) - 1; i < n; i = int(next.Add(1)) - 1 {
				text := fmt.Sprintf("%s/api/verve/accept?id=%d&endpoint=%s", in.public, i, url.QueryEscape(endpoint(i)))
				if endpoint(i) == "" {
					text = fmt.Sprintf("%s/api/verve/accept?id=%d", in.public, i)
				}
				got, body, err := send(client, http.MethodGet, text)
				for again := 0; again < 10 && got != acknowledged && err == nil; again++ { // a machine that stands still refuses some
					got, body, err = send(client, http.MethodGet, text)
				}
				if got != acknowledged || err != nil {
					t.Errorf("accept %d: %v %q %v", i, got, body, err)
					return
				}
			}
		})
	}
	all.Wait()
}
