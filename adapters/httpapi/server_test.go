package httpapi_test

import (
	"bufio"
	"context"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/golang/mock/gomock"

	"footfall/adapters/httpapi"
	"footfall/domain/counting"
)

func newServer(h http.Handler) *httpapi.Server {
	return httpapi.NewServer("127.0.0.1:0", h, 30*time.Second, slog.New(slog.DiscardHandler))
}

// started is a server that stops at the end of the test.
func started(t *testing.T, h http.Handler) *httpapi.Server {
	t.Helper()
	s := newServer(h)
	if err := s.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Stop(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return s
}

// client keeps no connections when the test is over.
func client(t *testing.T) *http.Client {
	transport := &http.Transport{}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport}
}

func ask(t *testing.T, c *http.Client, method, url string) (*http.Response, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := c.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp, string(body)
}

// Row V22: page ids go through as they are, or not at all.
func TestPageIDsAreCountedAsSent(t *testing.T) {
	f := newTallies()
	base := "http://" + started(t, newRig(t, withTallies(f)).handler).Addr()
	c := client(t)
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
		{"a/b", "", 404},
		{strings.Repeat("x", 1<<20+8<<10), "", 431},
	} {
		name := p.sent[:min(len(p.sent), 30)]
		resp, body := ask(t, c, "POST", base+"/visit/"+p.sent)
		if resp.StatusCode != p.status {
			t.Errorf("POST %s: %d %s, want %d", name, resp.StatusCode, body, p.status)
		}
		if p.page == "" {
			continue
		}
		before := f.counts[p.page]
		if before < 1 {
			t.Errorf("POST %s counted %v", name, f.counts)
		}
		resp, body = ask(t, c, "HEAD", base+"/visits/"+p.sent)
		if resp.StatusCode != 200 || body != "" || resp.ContentLength < 10 {
			t.Errorf("HEAD %s: %d %q, length %d", name, resp.StatusCode, body, resp.ContentLength)
		}
		_, one := ask(t, c, "GET", base+"/visits/"+p.sent)
		_, many := ask(t, c, "GET", base+"/visits?page_id="+strings.ReplaceAll(p.sent, "+", "%2B"))
		if many != `{"results":[`+one+`]}` || f.counts[p.page] != before {
			t.Errorf("GET %s: %s, among many %s", name, one, many)
		}
	}
	if len(f.counts) != 11 {
		t.Errorf("counted %v", f.counts)
	}
}

func TestAThousandPagesFitIntoAURL(t *testing.T) {
	base := "http://" + started(t, newRig(t, withTallies(newTallies())).handler).Addr()
	query := strings.Repeat("page_id="+strings.Repeat("%C3%A9", 128)+"&", 1000) // 256 bytes each
	if resp, _ := ask(t, client(t), "GET", base+"/visits?"+query); resp.StatusCode != 200 {
		t.Errorf("status %d", resp.StatusCode)
	}
}

func TestNothingIsServedAtTheAsterisk(t *testing.T) {
	conn, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", started(t, newRig(t).handler).Addr())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := io.WriteString(conn, "OPTIONS * HTTP/1.1\r\nHost: localhost\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if got := resp.Header.Get("Content-Type"); resp.StatusCode != 404 || got != "application/problem+json" {
		t.Errorf("%s, %s", resp.Status, got)
	}
}

// Row V26: a service that drains isn't ready.
func TestDrainingServesButIsNotReady(t *testing.T) {
	r := newRig(t)
	r.visits.EXPECT().Record(gomock.Any(), counting.Page("home"), int64(1)).Return(nil)
	s := started(t, r.handler)
	c := client(t)
	if resp, _ := ask(t, c, "GET", "http://"+s.Addr()+"/readyz"); resp.StatusCode != 200 || resp.Close {
		t.Errorf("before: %d, closed: %v", resp.StatusCode, resp.Close)
	}
	s.Drain()
	resp, body := ask(t, c, "GET", "http://"+s.Addr()+"/readyz")
	if resp.StatusCode != 503 || !strings.Contains(body, `"code":"draining"`) || !resp.Close {
		t.Errorf("draining: %d %s, closed: %v", resp.StatusCode, body, resp.Close)
	}
	if resp, _ := ask(t, c, "GET", "http://"+s.Addr()+"/healthz"); resp.StatusCode != 200 {
		t.Errorf("healthz: %d", resp.StatusCode)
	}
	if resp, _ := ask(t, c, "POST", "http://"+s.Addr()+"/visit/home"); resp.StatusCode != 200 {
		t.Errorf("visit: %d", resp.StatusCode)
	}
}

func TestServersStopTwiceAndUnstarted(t *testing.T) {
	s := newServer(http.NotFoundHandler())
	for range 2 {
		if err := s.Stop(t.Context()); err != nil {
			t.Error(err)
		}
	}
	if err := s.Start(t.Context()); err == nil {
		t.Error("started after Stop")
	}
	s = newServer(http.NotFoundHandler())
	if err := s.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := s.Start(t.Context()); err == nil {
		t.Error("started twice")
	}
	var wg sync.WaitGroup
	for range 2 {
		wg.Go(func() {
			if err := s.Stop(context.Background()); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
}

func TestStartSaysWhenItCannotListen(t *testing.T) {
	s := started(t, http.NotFoundHandler())
	second := httpapi.NewServer(s.Addr(), http.NotFoundHandler(), time.Second, slog.New(slog.DiscardHandler))
	if err := second.Start(t.Context()); err == nil {
		t.Error("two servers listen on one address")
	}
	if err := second.Stop(t.Context()); err != nil {
		t.Error(err)
	}
}
