package httpcallback_test

import (
	"context"
	"io"
	"net"
	"net/http"
	"net/netip"
	"runtime"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"footfall/adapters/httpcallback"
	"footfall/domain/publishing"
	"footfall/test/check"
)

// answered is an attempt at a server that handles its connection so.
func answered(t *testing.T, handle func(net.Conn), timeout time.Duration) publishing.Attempt {
	t.Helper()
	n := notifier(t, "127.0.0.1/32", httpcallback.Options{Timeout: timeout})
	return n.Notify(t.Context(), report(), serve(t, "127.0.0.1:0", handle).endpoint("/p?key=SECRET"), 1)
}

func TestTheAnswersStatusAndItsFirstBytesAreKept(t *testing.T) {
	long := strings.Repeat("é", 5000)
	pad := "X-Pad: " + strings.Repeat("x", 16300) + "\r\n"
	for raw, want := range map[string]publishing.Attempt{
		"HTTP/1.1 200 OK\r\n" + pad + "\r\n" + strings.Repeat("x", 1000):            {Status: 200, Response: strings.Repeat("x", 256)},
		"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok":                            {Status: 200, Response: "ok"},
		"HTTP/1.1 200 OK\r\n\r\n" + long:                                            {Status: 200, Response: long[:256]},
		"HTTP/1.1 204 No Content\r\n\r\n":                                           {Status: 204},
		"HTTP/1.0 410 Gone\r\n\r\nbye":                                              {Status: 410, Response: "bye"},
		"HTTP/1.1 503 No\r\nRetry-After: 5\r\n\r\n\xff\x00":                         {Status: 503, Response: "\xff\x00"},
		"HTTP/1.1 999 What\r\n\r\n":                                                 {Status: 999},
		"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\nxxxx":                {Status: 101},
		"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early\r\n\r\n" + ok:              {Status: 200, Response: "ok"},
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n": {Status: 200, Response: "ok"},
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\nzz":        {Status: 200, Response: "ok"},
		"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nshort":                       {Status: 200, Response: "short"},
		"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\n\x1f\x8b":                 {Status: 200, Response: "\x1f\x8b"},
		"HTTP/1.1 200 OK\r\nSet-Cookie: a=1\r\nAlt-Svc: h2=\":443\"\r\n\r\n":        {Status: 200},
	} {
		got := answered(t, say(raw), 0)
		if got.Status != want.Status || got.Response != want.Response || got.Err != nil {
			t.Errorf("%.80q: %d %q %v, want %d %q", raw, got.Status, got.Response, got.Err, want.Status, want.Response)
		}
		if outcome, host := httpcallback.Classify(want.Status, nil); got.Outcome != outcome || got.HostFailed != host {
			t.Errorf("%.80q: %s, host failed: %v", raw, got.Outcome, got.HostFailed)
		}
	}
}

// U21 of the list of failures.
func TestAnEndpointThatFailsIsAnAttemptThatSaysHow(t *testing.T) {
	closed := serve(t, "127.0.0.1:0", hangUp)
	_ = closed.Close()
	const gone = "the connection was closed before an answer"
	const garbage = "the answer is not HTTP"
	const tooLong = "the header of the answer is too long"
	const late = "no answer in time"
	for name, c := range map[string]struct {
		handle func(net.Conn)
		want   string
	}{
		"closes immediately":         {hangUp, "read: connection reset by peer|write: connection reset by peer|write: broken pipe|" + gone},
		"closes after the request":   {say(""), gone},
		"resets":                     {reset, "read: connection reset by peer"},
		"closes within its header":   {say("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n"), gone},
		"hangs":                      {hang, late},
		"hangs within its header":    {func(c net.Conn) { _, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\n"); hang(c) }, late},
		"drips its header":           {drip("HTTP/1.1 200 OK\r\n", "X: y\r\n"), late},
		"speaks first, and not HTTP": {func(c net.Conn) { _, _ = io.WriteString(c, "SSH-2.0-SECRET\r\n"); hear(c) }, garbage},
		"sends garbage":              {say("\x00\xff\r\n\r\n\x01SECRET"), garbage},
		"sends status 0":             {say("HTTP/1.1 000 SECRET\r\n\r\n"), garbage},
		"sends status 1e9":           {say("HTTP/1.1 1000000000 OK\r\n\r\n"), garbage},
		"sends a bad header":         {say("HTTP/1.1 200 OK\r\nSECRET\r\n\r\n"), garbage},
		"sends two lengths":          {say("HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nxx"), garbage},
		"speaks HTTP/2":              {say("\x00\x00\x12\x04\x00\x00\x00\x00\x00\r\n"), garbage},
		"sends a header of 1 MB":     {flood("HTTP/1.1 200 OK\r\n", "X-Fill: "+strings.Repeat("x", 1000)+"\r\n", 1<<20), tooLong},
		"sends a line of 1 MB":       {flood("HTTP/1.1 200 OK\r\nX: ", strings.Repeat("x", 1000), 1<<20), tooLong},
		"sends 100 again and again":  {flood("", "HTTP/1.1 100 Continue\r\n\r\n", 1<<20), tooLong},
	} {
		checkFailure(t, name, answered(t, c.handle, patience(c.want == late)), c.want)
	}
	n := notifier(t, "127.0.0.1/32", httpcallback.Options{})
	got := n.Notify(t.Context(), report(), closed.endpoint("/p?key=SECRET"), 1)
	checkFailure(t, "refuses", got, "connect to "+closed.Addr().String()+": connection refused")
}

// patience returns a short timeout where the test waits for its end.
func patience(short bool) time.Duration {
	if short {
		return 50 * time.Millisecond
	}
	return 0
}

// checkFailure wants one of several texts, separated by bars.
func checkFailure(t *testing.T, name string, got publishing.Attempt, want string) {
	t.Helper()
	if got.Status != 0 || got.Response != "" || got.Err == nil || got.Took <= 0 {
		t.Errorf("%s: %+v, want an error", name, got)
		return
	}
	found := false
	for w := range strings.SplitSeq(want, "|") {
		found = found || got.Err.Error() == w
	}
	if !found || strings.Contains(got.Err.Error(), "SECRET") {
		t.Errorf("%s: %q, want %q", name, got.Err, want)
	}
}

func TestAFailedLookUpIsReportedWithoutTheNameServer(t *testing.T) {
	r, _ := resolver(t, map[string]func(int) []netip.Addr{"empty.example.com": always()})
	dead := &net.Resolver{PreferGo: true, Dial: func(_ context.Context, _, _ string) (net.Conn, error) {
		return nil, &net.OpError{Op: "dial", Net: "udp", Err: net.UnknownNetworkError("10.0.0.53:53")}
	}}
	for _, c := range []struct {
		resolver   *net.Resolver
		host, want string
	}{
		{r, "nowhere.example.com", "host not found"},
		{r, "empty.example.com", "host not found"},
		{dead, "nowhere.example.com", "the look-up of its host failed"},
	} {
		n := notifier(t, "public", httpcallback.Options{Resolver: c.resolver})
		checkFailure(t, c.host, n.Notify(t.Context(), report(), publishing.Endpoint("http://"+c.host+"/"), 1), c.want)
	}
}

// An answer counts when its header is complete. Its body may be slow, endless or
// broken.
func TestABodyWithoutEndCostsNeitherTimeNorMemory(t *testing.T) {
	const header = "HTTP/1.1 200 OK\r\n\r\n"
	const chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	for name, handle := range map[string]func(net.Conn){
		"gigabytes":          flood(header, strings.Repeat("x", 32<<10), 4<<30),
		"a length of 1 TB":   flood("HTTP/1.1 200 OK\r\nContent-Length: 1099511627776\r\n\r\n", strings.Repeat("x", 32<<10), 4<<30),
		"tiny chunks":        flood(chunked, strings.Repeat("1\r\nx\r\n", 1000), 4<<30),
		"endless extensions": flood(chunked+"1\r\nx\r\n1;", strings.Repeat("x", 32<<10), 4<<30),
		"drops":              drip(header+"x", "x"),
		"nothing":            func(c net.Conn) { _, _ = io.WriteString(c, header+"x"); hang(c) },
	} {
		got := answered(t, handle, 2*time.Second)
		if got.Status != 200 || got.Err != nil || !strings.HasPrefix(got.Response, "x") || len(got.Response) > 256 {
			t.Errorf("%s: %+v", name, got)
		}
	}
	runtime.ReadMemStats(&after)
	if used := after.TotalAlloc - before.TotalAlloc; used > 4<<20 {
		t.Errorf("%d bytes were allocated, want a few kilobytes a call", used)
	}
}

func TestTheTimeThatAnEndpointAsksForIsKept(t *testing.T) {
	const day = 24 * time.Hour
	in := func(d time.Duration) string { return time.Now().Add(d).UTC().Format(http.TimeFormat) }
	for text, want := range map[string]time.Duration{
		"": 0, "0": 0, "5": 5 * time.Second, "120": 2 * time.Minute, " 7 ": 7 * time.Second, "86400": day, "86401": day,
		"99999999999999999999999": day, "-5": 0, "+5": 0, "1.5": 0, "5s": 0, "soon": 0, "1e3": 0, "0x10": 0,
		in(-time.Hour): 0, in(time.Hour): time.Hour, in(48 * time.Hour): day, "Thu, 01 Jan 1970 00:00:00 GMT": 0,
	} {
		got := answered(t, say("HTTP/1.1 429 Slow\r\nRetry-After: "+text+"\r\n\r\n"), 0)
		if got.Status != 429 || got.RetryAfter > want || got.RetryAfter < want-time.Minute || want < time.Minute && got.RetryAfter != want {
			t.Errorf("%q: %+v, want %v", text, got, want)
		}
	}
	// Several of them: the first one counts.
	got := answered(t, say("HTTP/1.1 503 No\r\nRetry-After: 3\r\nretry-after: 9\r\n\r\n"), 0)
	check.Equal(t, got.RetryAfter, 3*time.Second, "the pause of %+v", got)
}

func TestNotifyDoesNotWaitForMoreOfAnAnswerThanItReads(t *testing.T) {
	for _, length := range []string{"", "Content-Length: 10000\r\n"} {
		// The server hangs after 4 KiB.
		got := answered(t, flood("HTTP/1.1 200 OK\r\n"+length+"\r\n", strings.Repeat("x", 4<<10), 4<<10), time.Hour)
		if got.Status != 200 || len(got.Response) != 256 {
			t.Errorf("call: %+v", got)
		}
	}
}

func TestNotifyEndsWithItsContextAndLeavesNoGoroutine(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	s := serve(t, "127.0.0.1:0", func(c net.Conn) { cancel(); hang(c) })
	others := goleak.IgnoreCurrent()
	n := notifier(t, "127.0.0.1/32", httpcallback.Options{})
	checkFailure(t, "hangs", n.Notify(ctx, report(), s.endpoint("/"), 1), "abandoned before an answer")
	checkFailure(t, "ended before", n.Notify(ctx, report(), s.endpoint("/"), 1), "abandoned before an answer")
	_ = s.Close()
	s.all.Wait()
	goleak.VerifyNone(t, others)
}

func reset(c net.Conn) {
	hear(c)
	_ = c.(*net.TCPConn).SetLinger(0)
}

// hang reads until the caller closes the connection.
func hang(c net.Conn) { _, _ = io.Copy(io.Discard, c) }

// drip sends the first text immediately and the second every few milliseconds,
// until the caller closes the connection.
func drip(first, again string) func(net.Conn) {
	return func(c net.Conn) {
		_, err := io.WriteString(c, first)
		for err == nil {
			time.Sleep(2 * time.Millisecond)
			_, err = io.WriteString(c, again)
		}
	}
}

// flood sends the first text, and then so many bytes of the second, unless the
// caller closes the connection before.
func flood(first, again string, bytes int64) func(net.Conn) {
	return func(c net.Conn) {
		more := []byte(again) // once: the test counts what is allocated
		_, err := io.WriteString(c, first)
		for sent := int64(0); err == nil && sent < bytes; sent += int64(len(more)) {
			_, err = c.Write(more)
		}
		hang(c)
	}
}
