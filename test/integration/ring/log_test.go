package ring_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"footfall/test/check"
	"footfall/test/integration/service"
	"footfall/test/servers"
)

// lines are those of a log with a message, each with its attributes.
func lines(in *service.Instance, message string) (all []map[string]any) {
	for text := range strings.Lines(in.Logged()) {
		line := make(map[string]any)
		if json.Unmarshal([]byte(text), &line) == nil && line["msg"] == message {
			all = append(all, line)
		}
	}
	return all
}

// wantLine fails the test unless exactly one line has a message, with some attributes. It
// returns the line.
func wantLine(t *testing.T, in *service.Instance, message string, attributes map[string]any) map[string]any {
	t.Helper()
	found := lines(in, message)
	if len(found) != 1 {
		t.Errorf("%q is logged %d times:\n%s", message, len(found), in.Logged())
		return nil
	}
	for name, want := range attributes {
		if got := fmt.Sprint(found[0][name]); !strings.Contains(got, fmt.Sprint(want)) {
			t.Errorf("%q has %s %q, want %q", message, name, got, want)
		}
	}
	return found[0]
}

// N4: the log has one line for each change of the ring, with who asked for it, for counts
// that were set, for a node that goes and comes back, and for the requests that it costs.
func TestN4TheLogSaysWhatHappensToTheRingAndItsNodes(t *testing.T) {
	t.Parallel()
	r := service.NewRing(t, 2, "--appendfsync", "everysec")
	in, other := r.Deployment().Start(), r.Deployment().Start()
	third := servers.StartRedis(t, "--appendfsync", "everysec")
	in.MustTool("ring", "add", "redis://"+third.Addr)
	id := in.Ring().ID(third.Addr)
	put := in.Administer(http.MethodPut, "/pages/home", `{"count":7}`)
	set := in.Administer(http.MethodPost, "/pages", `[{"page_id":"a","count":1},{"page_id":"b","count":2}]`)
	service.WaitFor(t, "the other instance has the ring", func() bool { return other.Ring().Epoch == 2 })

	away := fmt.Sprint("redis_", r.Servers[0].Port())
	pages := r.Pages(in, 10)[0]
	r.Servers[0].Kill()
	refused := 0
	service.WaitFor(t, "visits are refused", func() bool {
		if r.Visit(in, pages[0]).Status == http.StatusServiceUnavailable {
			refused++
		}
		return refused == 20
	})
	check.Must(t, r.Servers[0].Start())
	service.WaitFor(t, "the node is back", func() bool { return r.Visit(in, pages[0]).Status == http.StatusOK })
	check.Equal(t, in.Stop(), 0, "exit code")

	wantLine(t, in, "ring changed", map[string]any{"epoch": 2, "nodes": id})
	wantLine(t, in, "ring change was requested and is made", map[string]any{
		"epoch": 2, "request": "POST /ring/nodes", "user_agent": "footfall ring add", "client": "127.0.0.1", "nodes": id,
	})
	wantLine(t, other, "ring changed", map[string]any{"epoch": 2, "nodes": id})
	wantLine(t, in, "node does not answer", map[string]any{"node": away, "error": "connect", "level": "WARN"})
	wantLine(t, in, "node works again", map[string]any{"node": away, "after": "s"})
	counts := lines(in, "counts were set")
	if len(counts) != 2 {
		t.Fatalf("counts were set: %v", counts)
	}
	for i, want := range []struct {
		pages   float64
		request string
		reply   service.Reply
	}{{1, "PUT /pages/home", put}, {2, "POST /pages", set}} {
		check.Equal(t, counts[i]["pages"], any(want.pages), "pages")
		check.Equal(t, counts[i]["request"], any(want.request), "the request")
		check.Equal(t, counts[i]["request_id"], any(want.reply.Header.Get("X-Request-Id")), "the id of the request")
	}
	sum := 0.0
	for _, line := range lines(in, "requests were refused") {
		check.Equal(t, line["node"], any(away), "the node whose requests were refused")
		sum += line["items"].(float64)
	}
	if reason := fmt.Sprint(lines(in, "requests were refused")); sum < float64(refused) || !strings.Contains(reason, "connect") {
		t.Errorf("%d requests were refused, the log says %v: %s", refused, sum, reason)
	}
	service.WaitFor(t, "an instance has moved the last arc", func() bool {
		ended := append(lines(in, "moves ended: every page is where the ring has it"), lines(other, "moves ended: every page is where the ring has it")...)
		return len(ended) > 0 && ended[0]["arcs"].(float64) > 0 && ended[0]["took"] != ""
	})
}
