package process_test

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"testing"

	"footfall/test/check"
	"footfall/test/integration/service"
)

// bulkOf is a bulk of some items with names of their own.
func bulkOf(prefix string, items int) string {
	var body strings.Builder
	for i := range items {
		fmt.Fprintf(&body, "{\"page_id\":\"%s/%d\"}\n", prefix, i)
	}
	return body.String()
}

// wantRetryAfter wants a Retry-After that waits for another day of keys.
func wantRetryAfter(t *testing.T, got service.Reply) {
	t.Helper()
	seconds, err := strconv.Atoi(got.Header.Get("Retry-After"))
	if err != nil || seconds < 86400 || seconds > 2*86400 {
		t.Errorf("Retry-After is %q, want the end of tomorrow", got.Header.Get("Retry-After"))
	}
}

// S4: an idempotency key counts once for the limit, however many items its bulk has. Beyond
// the limit the answer says when a key will be free; keys that are known go on.
func TestS4ABulkCostsOneKey(t *testing.T) {
	t.Parallel()
	in := service.NewDeployment(t, "FOOTFALL_KEY_LIMIT=3", "FOOTFALL_CLIENT_SHARE=100").Start()
	body := bulkOf("page", 1000)
	for i := range 3 {
		service.AskOnce(in, "/visits", fmt.Sprint("key ", i), body).Want(t, http.StatusOK, "success", "!error")
	}
	refused := service.AskOnce(in, "/visits", "key 3", body)
	refused.Want(t, http.StatusServiceUnavailable, "key_limit")
	wantRetryAfter(t, refused)
	service.AskOnce(in, "/visits", "key 0", body).Want(t, http.StatusOK, "success", "!error")
	check.Equal(t, in.Visits("page/999"), 3, "visits")
	service.WaitFor(t, "the metrics show what is stored and what was refused", func() bool {
		metrics := in.Metrics()
		return strings.Contains(metrics, "\nfootfall_node_idempotency_keys{node=\"embedded\"} 3\n") &&
			strings.Contains(metrics, "\nfootfall_node_idempotency_records{node=\"embedded\"} 3003\n") &&
			strings.Contains(metrics, "\nfootfall_refused_total{bound=\"total\",resource=\"keys\"} 1\n")
	})
}

// S4: a client that has its share of the keys is refused, and others are not.
func TestS4OneClientHasAShareOfTheKeys(t *testing.T) {
	t.Parallel()
	in := service.NewDeployment(t, "FOOTFALL_KEY_LIMIT=100", "FOOTFALL_CLIENT_SHARE=10").Start()
	hoarder := clientFrom(t, "127.0.0.2")
	send := func(key string) service.Reply {
		return check.Value(service.Request(hoarder, http.MethodPost, in.Public+"/visits", bulkOf("page", 20), "Idempotency-Key", key))(t)
	}
	for i := range 10 {
		send(fmt.Sprint("key ", i)).Want(t, http.StatusOK, "success")
	}
	for i := range 100 {
		refused := send(fmt.Sprint("another ", i))
		refused.Want(t, http.StatusTooManyRequests, "client_limit")
		wantRetryAfter(t, refused)
	}
	send("key 9").Want(t, http.StatusOK, "success")
	for i := range 10 {
		service.AskOnce(in, "/visit/home", fmt.Sprint("of another client ", i), "").Want(t, http.StatusOK, "success")
	}
	check.Equal(t, in.Visits("page/19"), 10, "visits")
	check.Equal(t, strings.Contains(in.Metrics(), "\nfootfall_refused_total{bound=\"client\",resource=\"keys\"} 100\n"), true, "the metric has the refusals")
}
