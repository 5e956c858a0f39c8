//go:build compose

package compose_test

import (
	"archive/tar"
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/url"
	"strings"
	"testing"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"footfall/test/check"
)

// report is the count of a window, as the queue and the log have it.
type report struct {
	Event string `json:"event"`
	ID    string `json:"id"`
	Count *int64 `json:"count"`
}

// reports are the counts that were published, one a window: P5.
type reports struct {
	t      *testing.T
	s      *stack
	counts map[string]int64
	queued int // messages that the queue had, repeated ones included
}

func newReports(t *testing.T, s *stack) *reports {
	return &reports{t: t, s: s, counts: make(map[string]int64)}
}

func (r *reports) add(t *testing.T, one report) {
	t.Helper()
	if one.ID == "" || one.Count == nil {
		t.Fatalf("a report without id or count: %+v", one)
	}
	if before, ok := r.counts[one.ID]; ok && before != *one.Count {
		t.Errorf("window %s has the counts %d and %d", one.ID, before, *one.Count)
	}
	r.counts[one.ID] = *one.Count
}

// sum is all ids of all windows.
func (r *reports) sum() (all int64) {
	for _, n := range r.counts {
		all += n
	}
	return all
}

// takeQueue takes what the queue has, and tells whether the broker answered.
func (r *reports) takeQueue(t *testing.T) bool {
	t.Helper()
	password := ""
	for _, e := range r.s.env {
		if v, ok := strings.CutPrefix(e, "RABBITMQ_PASSWORD="); ok {
			password = v
		}
	}
	u := url.URL{Scheme: "amqp", User: url.UserPassword("footfall", password), Host: r.s.addr(t, "rabbitmq", 1, 5672), Path: "/"}
	conn, err := amqp.DialConfig(u.String(), amqp.Config{Dial: func(network, addr string) (net.Conn, error) {
		conn, err := (&net.Dialer{Timeout: 5 * time.Second}).DialContext(t.Context(), network, addr)
		if err == nil {
			err = conn.SetDeadline(time.Now().Add(15 * time.Second))
		}
		return conn, err
	}})
	if err != nil {
		return false
	}
	defer conn.Close()
	ch, err := conn.Channel()
	if err != nil {
		return false
	}
	for {
		m, ok, err := ch.Get("counts_queue", false)
		if err != nil {
			return false // among others: there is no queue yet
		}
		if !ok {
			return true
		}
		var one report
		if err := json.Unmarshal(m.Body, &one); err != nil || m.MessageId != one.ID || m.DeliveryMode != amqp.Persistent {
			t.Fatalf("message %q, mode %d: %v %s", m.MessageId, m.DeliveryMode, err, m.Body)
		}
		r.add(t, one)
		r.queued++
		if m.Ack(false) != nil {
			return false
		}
	}
}

// logged are the windows whose counts are in the capture log.
func (r *reports) logged(t *testing.T) map[string]bool {
	t.Helper()
	archive := tar.NewReader(strings.NewReader(r.s.run(t, "cp", r.s.container(t, "footfall", 2)+":/data/unique_id_capture.log", "-")))
	check.Value(archive.Next())(t)
	text, err := io.ReadAll(archive)
	if err != nil && !errors.Is(err, io.ErrUnexpectedEOF) { // the file grows meanwhile
		t.Fatal(err)
	}
	windows := make(map[string]bool)
	for line := range bytes.Lines(text) {
		var one report
		if !bytes.HasSuffix(line, []byte("\n")) {
			break // is being written
		}
		if err := json.Unmarshal(line, &one); err != nil {
			t.Fatalf("line %q of the capture log: %v", line, err)
		}
		if one.Event == "unique_ids" {
			r.add(t, one)
			windows[one.ID] = true
		}
	}
	return windows
}

// queueGrows waits until a count comes to the queue that is not there yet.
func (r *reports) queueGrows(t *testing.T) {
	t.Helper()
	waitFor(t, "the broker answers", func() bool { return r.takeQueue(t) }) // what is there is not new
	before := r.queued
	waitFor(t, "a count comes to the queue", func() bool { return r.takeQueue(t) && r.queued > before })
}
