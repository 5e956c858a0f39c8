package public_test

import (
	"bufio"
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/golang/mock/gomock"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"footfall/adapters/httpapi"
	"footfall/adapters/httpapi/limits"
	"footfall/domain/counting"
	"footfall/domain/publishing"
	"footfall/domain/watching"
	"footfall/test/check"
	"footfall/test/httpcheck"
)

// news are some of each kind.
func news() watching.News {
	return watching.News{
		ID: "LIFE-42",
		Pages: []watching.Page{
			{Page: "home", Reading: counting.Reading{Tally: counting.Tally{Visits: 12}, Via: "redis_7070"}},
			{Page: "line\u2028end", Reading: counting.Reading{Tally: counting.Tally{Err: httpcheck.Inner(counting.ErrUnavailable)}}},
		},
		Windows: []publishing.Summary{summary()},
		Nodes:   []watching.Node{{ID: "redis_7070", Share: 1, Answers: true}},
	}
}

// shows is a Watch that shows some news and ends.
func shows(all ...watching.News) func(context.Context, []counting.Page, string, func(watching.News) error) error {
	return func(_ context.Context, _ []counting.Page, _ string, show func(watching.News) error) error {
		for _, n := range all {
			if err := show(n); err != nil {
				return err
			}
		}
		return nil
	}
}

func TestEventsHaveTheirForm(t *testing.T) {
	r := newRig(t)
	lost := watching.News{ID: "LIFE-43", WindowsErr: httpcheck.Inner(counting.ErrUnavailable)}
	r.watching.EXPECT().Watch(gomock.Any(), []counting.Page{"home", "a b"}, "LIFE-7", gomock.Any()).
		DoAndReturn(shows(news(), watching.News{ID: "LIFE-42"}, lost))
	w := httpcheck.Send(t, r.handler, "GET", "/events?page_id=home&page_id=a%20b&page_id=home", "", "Last-Event-ID", "LIFE-7")
	httpcheck.NothingInner(t, w)
	// What differs from one time to the next.
	retry, rest, _ := strings.Cut(w.Body.String(), "\n")
	hello, rest, _ := strings.Cut(rest, "\n\n")
	if !strings.HasPrefix(retry, "retry: ") || !strings.HasPrefix(hello, "event: hello\ndata: {\"time\":\"20") {
		t.Errorf("it begins with %q, %q", retry, hello)
	}
	w.Body.Reset()
	w.Body.WriteString(rest)
	httpcheck.Golden(t, "events", w)
}

// A partition is shown with the server that has it.
func TestEventsHaveTheHostOfAPartition(t *testing.T) {
	r := newRig(t)
	nodes := []watching.Node{{ID: "p00", Host: "redis_10.0.0.1_6379", Share: 1, Answers: true}}
	r.watching.EXPECT().Watch(gomock.Any(), gomock.Any(), gomock.Any(), gomock.Any()).DoAndReturn(shows(watching.News{ID: "LIFE-42", Nodes: nodes}))
	body := httpcheck.Send(t, r.handler, "GET", "/events?page_id=home", "").Body.String()
	if want := `data: {"nodes":[{"id":"p00","host":"redis_10.0.0.1_6379","share":1,"answers":true}]}`; !strings.Contains(body, want) {
		t.Errorf("got %s, want %s in it", body, want)
	}
}

func TestEventsAreRefusedWithAReason(t *testing.T) {
	for _, c := range []struct {
		name, query string
		err         error
	}{
		{"events_unavailable", "page_id=home", counting.ErrUnavailable},
		{"events_bad_page", "page_id=", nil},
		{"events_too_many", strings.Repeat("page_id=a&", 51), nil},
	} {
		r := newRig(t)
		if c.err != nil {
			r.watching.EXPECT().Watch(gomock.Any(), gomock.Any(), "", gomock.Any()).Return(c.err)
		}
		httpcheck.Golden(t, c.name, httpcheck.Send(t, r.handler, "GET", "/events?"+c.query, ""))
	}
}

// S8: streams, and the pages that they watch, are bounded. What has ended counts no more.
func TestS8StreamsAreBounded(t *testing.T) {
	r := newRig(t, func(o *options) {
		o.Streams = &limits.Pool{Resource: "streams", Total: 2, Share: 1, RetryAfter: 10}
		o.WatchedPages = &limits.Pool{Resource: "watched_pages", Total: 4, Share: 3, RetryAfter: 10}
	})
	entered, release := make(chan struct{}), make(chan struct{})
	r.watching.EXPECT().Watch(gomock.Any(), gomock.Any(), "", gomock.Any()).AnyTimes().DoAndReturn(
		func(context.Context, []counting.Page, string, func(watching.News) error) error {
			entered <- struct{}{}
			<-release
			return counting.ErrUnavailable
		})
	var all sync.WaitGroup
	open := func(addr, query string) {
		all.Go(func() { sendFrom(t, r, "GET", "/events?"+query, addr) })
		<-entered
	}
	httpcheck.Golden(t, "events_pages_share", sendFrom(t, r, "GET", "/events?page_id=a&page_id=b&page_id=c&page_id=d", "192.0.2.1:1"))
	open("192.0.2.1:1", "page_id=a&page_id=b&page_id=c")
	httpcheck.Golden(t, "events_share", sendFrom(t, r, "GET", "/events", "192.0.2.1:2"))
	httpcheck.Golden(t, "events_pages_full", sendFrom(t, r, "GET", "/events?page_id=a&page_id=b", "192.0.2.2:1"))
	open("192.0.2.2:1", "page_id=a")
	httpcheck.Golden(t, "events_full", sendFrom(t, r, "GET", "/events", "192.0.2.3:1"))
	close(release)
	all.Wait()
	go func() { <-entered }()
	httpcheck.Golden(t, "events_unavailable", sendFrom(t, r, "GET", "/events?page_id=a", "192.0.2.1:1"))
}

// streaming is a server whose Watch goes on until its context ends.
func streaming(t *testing.T, watch func(ctx context.Context, show func(watching.News) error) error) (*httpapi.Server, *rig) {
	t.Helper()
	r := newRig(t, withTallies(newTallies()), func(o *options) { o.Requests = &limits.Pool{Resource: "requests", Total: 1} })
	r.watching.EXPECT().Watch(gomock.Any(), gomock.Any(), gomock.Any(), gomock.Any()).AnyTimes().DoAndReturn(
		func(ctx context.Context, _ []counting.Page, _ string, show func(watching.News) error) error {
			return watch(ctx, show)
		})
	// The time of a request is much shorter than its streams.
	s := httpapi.NewServer("127.0.0.1:0", r.handler, time.Second, slog.New(slog.DiscardHandler))
	check.Must(t, s.Start(t.Context()))
	t.Cleanup(func() { _ = s.Stop(context.Background()) })
	return s, r
}

func openStream(t *testing.T, s *httpapi.Server) *http.Response {
	t.Helper()
	r := check.Value(http.NewRequestWithContext(t.Context(), "GET", "http://"+s.Addr()+"/events?page_id=home", nil))(t)
	answer := check.Value(httpcheck.Client(t).Do(r))(t)
	t.Cleanup(func() { _ = answer.Body.Close() })
	return answer
}

// A server that is made for 4,096 requests of 10 s serves streams beyond both.
func TestStreamsOutliveTheTimeOfARequestAndTakeNoPlaceOfOne(t *testing.T) {
	next := make(chan struct{})
	s, r := streaming(t, func(ctx context.Context, show func(watching.News) error) error {
		if err := show(news()); err != nil {
			return err
		}
		select {
		case <-next:
		case <-ctx.Done():
			return nil
		}
		err := show(news())
		<-ctx.Done()
		return err
	})
	answers := []*http.Response{openStream(t, s), openStream(t, s)}
	for _, answer := range answers {
		if answer.StatusCode != 200 || answer.Header.Get("Content-Type") != "text/event-stream" {
			t.Fatalf("%d %v", answer.StatusCode, answer.Header)
		}
	}
	time.Sleep(7 * time.Second) // past the deadlines for reading, 1 s, and for writing, 6 s
	close(next)
	for _, answer := range answers {
		lines, seen := bufio.NewScanner(answer.Body), 0
		for seen < 2 && lines.Scan() {
			if lines.Text() == "event: visits" {
				seen++
			}
		}
		if seen < 2 {
			t.Errorf("saw %d of 2 events: %v", seen, lines.Err())
		}
	}
	if n, err := testutil.GatherAndCount(r.metrics, "footfall_event_streams"); err != nil || n != 1 {
		t.Error(n, err)
	}
	httpcheck.Golden(t, "record", httpcheck.Send(t, r.handler, "POST", "/visit/home", ""))
}

func TestStreamsEndWhenTheServerDrains(t *testing.T) {
	s, _ := streaming(t, func(ctx context.Context, show func(watching.News) error) error {
		err := show(news())
		<-ctx.Done()
		return err
	})
	answer := openStream(t, s)
	s.Drain()
	ended := make(chan error, 1)
	go func() {
		_, err := io.Copy(io.Discard, answer.Body)
		ended <- err
	}()
	select {
	case err := <-ended:
		check.OK(t, err, "the end of it")
	case <-time.After(20 * time.Second):
		t.Fatal("it goes on")
	}
	if again := openStream(t, s); again.StatusCode != http.StatusServiceUnavailable {
		t.Errorf("a new one while the server drains: %d", again.StatusCode)
	}
}

// A client that reads nothing holds up neither the stop nor memory: after what
// fits into the buffers of the connection, show waits.
func TestAStreamToAClientThatReadsNothingEnds(t *testing.T) {
	wrote, blocked := make(chan int), make(chan error, 1)
	s, _ := streaming(t, func(_ context.Context, show func(watching.News) error) error {
		large := news()
		for range 1000 {
			large.Windows = append(large.Windows, summary())
		}
		for n := 0; ; n++ {
			if err := show(large); err != nil {
				blocked <- err
				return err
			}
			wrote <- n
		}
	})
	conn := check.Value(net.Dial("tcp", s.Addr()))(t)
	defer conn.Close()
	_ = conn.(*net.TCPConn).SetReadBuffer(4096)
	check.Value(io.WriteString(conn, "GET /events HTTP/1.1\r\nHost: x\r\n\r\n"))(t)
	news, quiet := 0, false
	for !quiet {
		select {
		case news = <-wrote:
		case <-time.After(2 * time.Second):
			quiet = true
		}
	}
	if news > 20 {
		t.Errorf("%d MB were taken for a client that reads nothing", news/4)
	}
	// An event may take 10 s to be sent, and the stop has less.
	stop, cancel := context.WithTimeout(t.Context(), 6*time.Second)
	defer cancel()
	check.OK(t, s.Stop(stop))
	select {
	case err := <-blocked:
		if err == nil || errors.Is(err, context.Canceled) {
			t.Error(err)
		}
	case <-time.After(20 * time.Second):
		t.Error("the stream is still written to after the stop")
	}
}
