package httpapi

import (
	"bytes"
	"context"
	"encoding/json"
	"math/rand/v2"
	"net/http"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"footfall/domain/counting"
	"footfall/domain/watching"
)

const (
	// maxWatchedPages is how many pages one stream watches.
	maxWatchedPages = 50
	// eventTime is how long one event may take to be sent: a client that takes
	// longer is cut off, and comes back with Last-Event-ID.
	eventTime = 10 * time.Second
	// sendBuffer bounds what the system keeps for a client that reads slowly,
	// so that news add up here, to the newest, and not there.
	sendBuffer = 16 << 10
)

// eventRoutes serves GET /events.
type eventRoutes struct {
	watching Watching
	streams  prometheus.Gauge
}

// events streams what changes of the watched pages, of the windows and of the
// nodes, as server-sent events, until the client leaves or the server drains.
func (e *eventRoutes) events(w http.ResponseWriter, r *http.Request, _ string) error {
	pages, err := pagesToWatch(r.URL.RawQuery)
	if err != nil {
		return err
	}
	if isDraining(r.Context()) {
		return unavailable("draining", "The service is stopping.", 1)
	}
	e.streams.Inc()
	defer e.streams.Dec()
	ctx, leave := endless(r)
	defer leave()
	begun := false
	err = e.watching.Watch(ctx, pages, r.Header.Get("Last-Event-ID"), func(news watching.News) error {
		var out bytes.Buffer
		if !begun {
			begun = true
			greet(w, &out)
		}
		if err := writeNews(&out, news); err != nil {
			return err
		}
		control := http.NewResponseController(w)
		_ = control.SetWriteDeadline(time.Now().Add(eventTime)) // not in a test without a connection
		if _, err := w.Write(out.Bytes()); err != nil {
			return err
		}
		return control.Flush()
	})
	if begun {
		return nil // a client that is gone isn't told
	}
	return err
}

// pagesToWatch are the pages that a query names, each once.
func pagesToWatch(rawQuery string) ([]counting.Page, error) {
	names, err := allParams(rawQuery, "page_id", maxWatchedPages)
	if err != nil {
		return nil, err
	}
	pages := make([]counting.Page, 0, len(names))
	seen := make(map[string]bool, len(names))
	for _, name := range names {
		if seen[name] {
			continue
		}
		seen[name] = true
		page, err := parsePage(name)
		if err != nil {
			return nil, err
		}
		pages = append(pages, page)
	}
	return pages, nil
}

// endless frees a request from the bounds that its server has for all. Its
// context ends when the client leaves or the server drains; a stop doesn't wait
// for it.
func endless(r *http.Request) (ctx context.Context, leave func()) {
	if c := connOf(r.Context()); c != nil {
		c.limitBuffer(sendBuffer)
	}
	ctx, cancel := context.WithCancel(r.Context())
	s, ok := ctx.Value(serverKey{}).(*Server)
	if !ok {
		return ctx, cancel
	}
	s.working.Add(-1)
	forget := context.AfterFunc(s.life, cancel)
	return ctx, func() {
		forget()
		cancel()
		s.working.Add(1)
	}
}

// greet begins the stream.
func greet(w http.ResponseWriter, out *bytes.Buffer) {
	h := w.Header()
	h.Set("Content-Type", "text/event-stream")
	h.Set("Cache-Control", "no-store")
	h.Set("X-Accel-Buffering", "no") // proxies of the kind of nginx pass events on at once
	// Clients that lost one server come to the next one at different times.
	out.WriteString("retry: " + strconv.Itoa(500+rand.IntN(1500)) + "\n")
	_ = writeEvent(out, "hello", "", struct {
		Time time.Time `json:"time"`
	}{time.Now().UTC()})
}

// nodeJSON is a node as everybody may see it.
type nodeJSON struct {
	ID      counting.NodeID `json:"id"`
	Share   float64         `json:"share"`
	Answers bool            `json:"answers"`
}

// writeNews writes an event for each kind of news, or a comment where there
// are none. The last event has the id: a client that got only some of them has
// not got the news.
func writeNews(out *bytes.Buffer, news watching.News) error {
	type event struct {
		name string
		data any
	}
	var events []event
	if len(news.Pages) > 0 {
		results := make([]readingResult, len(news.Pages))
		for i, p := range news.Pages {
			results[i] = readingOf(string(p.Page), p.Reading)
		}
		events = append(events, event{"visits", readingsJSON{results}})
	}
	if len(news.Windows) > 0 {
		events = append(events, event{"windows", windowsOf(news.Windows)})
	}
	if news.WindowsErr != nil {
		f := faultOf(news.WindowsErr, false)
		events = append(events, event{"windows_error", itemError{f.code, f.detail}})
	}
	if len(news.Nodes) > 0 {
		nodes := make([]nodeJSON, len(news.Nodes))
		for i, n := range news.Nodes {
			nodes[i] = nodeJSON(n)
		}
		events = append(events, event{"nodes", struct {
			Nodes []nodeJSON `json:"nodes"`
		}{nodes}})
	}
	if len(events) == 0 {
		out.WriteString(":\n\n")
	}
	for i, one := range events {
		id := ""
		if i == len(events)-1 {
			id = news.ID
		}
		if err := writeEvent(out, one.name, id, one.data); err != nil {
			return err
		}
	}
	return nil
}

func writeEvent(out *bytes.Buffer, name, id string, data any) error {
	text, err := json.Marshal(data) // on one line
	if err != nil {
		return err
	}
	out.WriteString("event: " + name + "\n")
	if id != "" {
		out.WriteString("id: " + id + "\n")
	}
	out.WriteString("data: ")
	out.Write(text)
	out.WriteString("\n\n")
	return nil
}
