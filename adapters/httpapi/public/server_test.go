package public_test

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/golang/mock/gomock"

	"footfall/domain/counting"
	"footfall/test/check"
	"footfall/test/httpcheck"
)

// V22: page ids go through as they are, or not at all. N1: so do those with slashes.
func TestN1PageIDsAreCountedAsSent(t *testing.T) {
	f := newTallies()
	base := "http://" + httpcheck.Serve(t, newRig(t, withTallies(f)).handler).Addr()
	c := httpcheck.Client(t)
	for _, p := range []struct {
		sent   string
		page   counting.Page // empty: refused
		status int
	}{
		{"visit:x", "visit:x", 200},
		{"%F0%9F%98%80", "😀", 200},
		{"😀", "😀", 200},
		{"a%2Fb", "a/b", 200},
		{"a%2fb%20c+d", "a/b c+d", 200},
		{"%2E%2E", "..", 200},
		{"a%252Fb", "a%2Fb", 200},
		{"%3Cb%3E%22%5C%E2%80%A8", "<b>\"\\\u2028", 200},
		{"%22", `"`, 200},
		{"a%5Cb", `a\b`, 200},
		{"{page_id}", "{page_id}", 200},
		{strings.Repeat("%C3%A9", 128), counting.Page(strings.Repeat("é", 128)), 200},
		{strings.Repeat("x", 257), "", 400},
		{"", "", 400},
		{"%00", "", 400},
		{"a%0Ab", "", 400},
		{"%C2%85", "", 400},
		{"%FF", "", 400},
		{"a/b", "a/b", 200},
		{"blog/2026/hello", "blog/2026/hello", 200},
		{"blog/2026/", "blog/2026/", 200},
		{"/a//b/../.", "/a//b/../.", 200},
		{"a/b%2Fc", "a/b/c", 200},
		{"a%2Fbadge.svg", "a/badge.svg", 200},
		{strings.Repeat("x", 1<<20+8<<10), "", 431},
	} {
		name := p.sent[:min(len(p.sent), 30)]
		resp, body := httpcheck.Ask(t, c, "POST", base+"/visit/"+p.sent)
		check.Equal(t, resp.StatusCode, p.status, "POST %s: %s", name, body)
		if p.page == "" {
			continue
		}
		before := f.counts[p.page]
		if before < 1 {
			t.Errorf("POST %s counted %v", name, f.counts)
		}
		resp, body = httpcheck.Ask(t, c, "HEAD", base+"/visits/"+p.sent)
		if resp.StatusCode != 200 || body != "" || resp.ContentLength < 10 {
			t.Errorf("HEAD %s: %d %q, length %d", name, resp.StatusCode, body, resp.ContentLength)
		}
		_, one := httpcheck.Ask(t, c, "GET", base+"/visits/"+p.sent)
		_, many := httpcheck.Ask(t, c, "GET", base+"/visits?page_id="+strings.ReplaceAll(p.sent, "+", "%2B"))
		if many != `{"results":[`+one+`]}` || f.counts[p.page] != before {
			t.Errorf("GET %s: %s, among many %s", name, one, many)
		}
	}
	check.Equal(t, len(f.counts), 16, "the size of %v", f.counts)
}

// N1: a badge is one of the page before it, whatever that has.
func TestN1BadgesHaveTheNamesOfPagesWithSlashes(t *testing.T) {
	f := newTallies()
	f.counts["blog/hello"] = 3
	base := "http://" + httpcheck.Serve(t, newRig(t, withTallies(f)).handler).Addr()
	c := httpcheck.Client(t)
	for _, path := range []string{"/visits/blog/hello/badge.svg", "/api/v1/counter/visits/blog%2Fhello/badge.svg"} {
		if resp, body := httpcheck.Ask(t, c, "GET", base+path); resp.StatusCode != 200 || !strings.Contains(body, ">3<") {
			t.Errorf("%s: %d %s", path, resp.StatusCode, body)
		}
	}
}

// N1: a path that two routes match has their methods once.
func TestN1AllowHasEachMethodOnce(t *testing.T) {
	w := httpcheck.Send(t, newRig(t).handler, "DELETE", "/visits/a/badge.svg", "")
	if got := w.Header().Get("Allow"); w.Code != 405 || got != "GET, HEAD" {
		t.Errorf("%d, Allow: %s", w.Code, got)
	}
}

// N3: a parameter that a route does not know is refused on each of them.
func TestN3UnknownParametersAreRefused(t *testing.T) {
	h := newRig(t).handler
	for path, name := range map[string]string{
		"/visits/home?from=2026-01-01": `\"from\"`, "/visits?page_id=a&step=day": `\"step\"`, "/api/v1/counter/visits/a?to=1": `\"to\"`,
		"/api/verve/windows?since=1": `\"since\"`, "/visits/a?%zz=1": `\"%zz\"`, "/visits/a?%FF%0A=1": `\"\\xff\\n\"`,
		"/visits/a?" + strings.Repeat("n", 10_000): `\"` + strings.Repeat("n", 64) + `\"`, // callers do not choose how long an answer is
	} {
		got := httpcheck.Send(t, h, "GET", path, "")
		if body := got.Body.String(); got.Code != 400 || !strings.Contains(body, `"code":"unknown_parameter"`) || !strings.Contains(body, "the parameter "+name) {
			t.Errorf("%.60s: %d %s, want %s", path, got.Code, got.Body, name)
		}
	}
}

// S6: line and headers of a request have 32 KiB, into which a thousand pages fit if their
// names are short.
func TestS6HeadersHave32KiB(t *testing.T) {
	base := "http://" + httpcheck.Serve(t, newRig(t, withTallies(newTallies())).handler).Addr()
	for length, want := range map[int]int{22: 200, 256: 431} {
		query := strings.Repeat("page_id="+strings.Repeat("x", length)+"&", 1000)
		if resp, _ := httpcheck.Ask(t, httpcheck.Client(t), "GET", base+"/visits?"+query); resp.StatusCode != want {
			t.Errorf("1,000 names of %d bytes: status %d", length, resp.StatusCode)
		}
	}
}

func TestNothingIsServedAtTheAsterisk(t *testing.T) {
	conn := check.Value((&net.Dialer{}).DialContext(t.Context(), "tcp", httpcheck.Serve(t, newRig(t).handler).Addr()))(t)
	defer conn.Close()
	check.Value(io.WriteString(conn, "OPTIONS * HTTP/1.1\r\nHost: localhost\r\n\r\n"))(t)
	resp := check.Value(http.ReadResponse(bufio.NewReader(conn), nil))(t)
	defer resp.Body.Close()
	if got := resp.Header.Get("Content-Type"); resp.StatusCode != 404 || got != "application/problem+json" {
		t.Errorf("%s, %s", resp.Status, got)
	}
}

// Row V26: a service that drains isn't ready.
func TestDrainingServesButIsNotReady(t *testing.T) {
	r := newRig(t)
	r.visits.EXPECT().Record(gomock.Any(), counting.Page("home"), int64(1)).Return(nil)
	s := httpcheck.Serve(t, r.handler)
	c := httpcheck.Client(t)
	if resp, _ := httpcheck.Ask(t, c, "GET", "http://"+s.Addr()+"/readyz"); resp.StatusCode != 200 || resp.Close {
		t.Errorf("before: %d, closed: %v", resp.StatusCode, resp.Close)
	}
	s.Drain()
	resp, body := httpcheck.Ask(t, c, "GET", "http://"+s.Addr()+"/readyz")
	if resp.StatusCode != 503 || !strings.Contains(body, `"code":"draining"`) || !resp.Close {
		t.Errorf("draining: %d %s, closed: %v", resp.StatusCode, body, resp.Close)
	}
	if resp, _ := httpcheck.Ask(t, c, "GET", "http://"+s.Addr()+"/healthz"); resp.StatusCode != 200 {
		t.Errorf("healthz: %d", resp.StatusCode)
	}
	if resp, _ := httpcheck.Ask(t, c, "POST", "http://"+s.Addr()+"/visit/home"); resp.StatusCode != 200 {
		t.Errorf("visit: %d", resp.StatusCode)
	}
}

// While a request that ignores a disconnect waits for a node, nothing else runs
// for its connection: the background read has ended, unless it came before the
// handler.
func TestARequestThatIgnoresDisconnectHasNoBackgroundRead(t *testing.T) {
	r := newRig(t)
	stacks, ended := make([]byte, 1<<20), false
	r.visits.EXPECT().Record(gomock.Any(), counting.Page("home"), int64(1)).AnyTimes().Do(func(any, any, any) {
		for late := time.Now().Add(100 * time.Millisecond); !ended && time.Now().Before(late); time.Sleep(time.Millisecond) {
			ended = !bytes.Contains(stacks[:runtime.Stack(stacks, true)], []byte("(*connReader)"))
		}
	})
	c, addr := httpcheck.Client(t), httpcheck.Serve(t, r.handler).Addr()
	for i := 0; i < 50 && !ended; i++ {
		if answer, body := httpcheck.Ask(t, c, "POST", "http://"+addr+"/visit/home"); answer.StatusCode != http.StatusOK {
			t.Fatalf("%s %s", answer.Status, body)
		}
	}
	if !ended {
		t.Error("the background read goes on in each of 50 requests")
	}
}

// Requests that are sent before the one before them is answered are answered,
// in their order.
func TestPipelinedRequestsAreAnswered(t *testing.T) {
	r := newRig(t)
	var sent sync.WaitGroup
	sent.Add(1)
	const pages = "abc"
	for i := range pages {
		r.visits.EXPECT().Record(gomock.Any(), counting.Page(pages[i:i+1]), int64(1)).Do(func(any, any, any) { sent.Wait() })
	}
	conn := check.Value((&net.Dialer{}).DialContext(t.Context(), "tcp", httpcheck.Serve(t, r.handler).Addr()))(t)
	defer conn.Close()
	for _, page := range pages {
		check.Value(fmt.Fprintf(conn, "POST /visit/%c HTTP/1.1\r\nHost: localhost\r\n\r\n", page))(t)
	}
	sent.Done()
	answers := bufio.NewReader(conn)
	for _, page := range pages {
		_ = conn.SetReadDeadline(time.Now().Add(30 * time.Second))
		answer := check.Value(http.ReadResponse(answers, nil))(t)
		body, err := io.ReadAll(answer.Body)
		answer.Body.Close()
		if want := fmt.Sprintf("page %c\"}", page); err != nil || !strings.HasSuffix(string(body), want) {
			t.Errorf("%s, %v, want %s", body, err, want)
		}
	}
}
