package public

import (
	"bytes"
	"encoding/json"
	"math/rand/v2"
	"net/http"
	"strconv"
	"time"

	"footfall/adapters/httpapi"
	"footfall/adapters/httpapi/problem"
	"footfall/adapters/httpapi/request"
	"footfall/adapters/httpapi/windows"
	"footfall/domain/timeline"
	"footfall/domain/watching"
)

const (
	// eventTime bounds the sending of one event. A client that takes longer is
	// disconnected, and resumes with Last-Event-ID.
	eventTime = 10 * time.Second
	// sendBuffer bounds what the system buffers for a client that reads slowly,
	// so that news are combined here instead.
	sendBuffer = 16 << 10
)

// events serves GET /events. It streams the changes of watched pages, windows and
// nodes as server-sent events, until the client disconnects or the server drains.
func (a *api) events(w http.ResponseWriter, r *http.Request, _ string) ([]byte, error) {
	pages, err := request.WatchedPages(r.URL.RawQuery)
	if err != nil {
		return nil, err
	}
	if httpapi.IsDraining(r.Context()) {
		return nil, problem.Unavailable("draining", "The service is stopping.", 1)
	}
	client, names := a.client(r), int64(len(pages))
	if err := a.Streams.Acquire(client, 1); err != nil {
		return nil, err
	}
	defer a.Streams.Release(client, 1)
	if err := a.WatchedPages.Acquire(client, names); err != nil {
		return nil, err
	}
	defer a.WatchedPages.Release(client, names)
	a.streams.Inc()
	defer a.streams.Dec()
	ctx, leave := httpapi.StreamContext(r, sendBuffer)
	defer leave()
	begun := false
	err = a.Watching.Watch(ctx, pages, r.Header.Get("Last-Event-ID"), func(news watching.News) error {
		var out bytes.Buffer
		if !begun {
			begun = true
			greet(w, &out)
		}
		if err := a.writeNews(&out, news); err != nil {
			return err
		}
		control := http.NewResponseController(w)
		_ = control.SetWriteDeadline(time.Now().Add(eventTime)) // not in a test without a connection
		if _, err := w.Write(out.Bytes()); err != nil {
			return err
		}
		return control.Flush()
	})
	if begun { // no error can be sent any more
		return nil, nil // the client has disconnected
	}
	return nil, err
}

// greet begins the stream.
func greet(w http.ResponseWriter, out *bytes.Buffer) {
	h := w.Header()
	h.Set("Content-Type", "text/event-stream")
	h.Set("Cache-Control", "no-store")
	h.Set("X-Accel-Buffering", "no") // nginx and its like forward events immediately
	// Clients that lost one server connect to the next one at different times.
	out.WriteString("retry: " + strconv.Itoa(500+rand.IntN(1500)) + "\n")
	_ = writeEvent(out, "hello", "", struct {
		Time time.Time `json:"time"`
	}{time.Now().UTC()})
}

// writeNews writes an event for each kind of news, or a comment where there
// are none. The last event has the id: a client that received only some of them
// has not received the news.
func (a *api) writeNews(out *bytes.Buffer, news watching.News) error {
	type event struct {
		name string
		data any
	}
	var events []event
	if len(news.Pages) > 0 {
		results := make([]readingResult, len(news.Pages))
		for i, p := range news.Pages {
			results[i] = readingResult{string(p.Page), timeline.Rolled{Reading: p.Reading}, false}
		}
		events = append(events, event{"visits", json.RawMessage(appendReadings(nil, results))})
	}
	if len(news.Windows) > 0 {
		events = append(events, event{"windows", windows.Of(news.Windows, a.Private)})
	}
	if news.WindowsErr != nil {
		events = append(events, event{"windows_error", problem.Of(news.WindowsErr, false).Item()})
	}
	if len(news.Nodes) > 0 {
		events = append(events, event{"nodes", map[string][]watching.Node{"nodes": news.Nodes}})
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
