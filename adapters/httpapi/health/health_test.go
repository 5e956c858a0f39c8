package health_test

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"time"

	"footfall/adapters/httpapi"
	"footfall/adapters/httpapi/health"
	"footfall/domain/counting"
	"footfall/domain/publishing"
	"footfall/domain/watching"
	"footfall/test/check"
	"footfall/test/httpcheck"
)

// broker is a publisher that is away, unless it is nil inside.
type broker struct{ away *publishing.Outage }

func (broker) Name() string                 { return "rabbitmq" }
func (b broker) Away() *publishing.Outage   { return b.away }
func answering() watching.Node              { return watching.Node{ID: "redis_1", Answers: true} }
func away(id counting.NodeID) watching.Node { return watching.Node{ID: id} }

// outage is one that began in another zone, with an error that names an address.
func outage() broker {
	return broker{&publishing.Outage{
		Addr: "mq:5672", Since: time.Date(2026, 11, 29, 15, 2, 11, 0, time.FixedZone("elsewhere", 3600)), Err: errors.New("dial tcp 10.0.0.7:5672: connection refused"),
	}}
}

// readyz asks for GET /readyz.
func readyz(t *testing.T, o health.Options, nodes ...watching.Node) (status int, body string) {
	t.Helper()
	o.Nodes = func(context.Context) []watching.Node { return nodes }
	h := httpapi.NewHandler(httpapi.HandlerOptions{Log: slog.New(slog.DiscardHandler), Routes: health.Routes(o)})
	w := httpcheck.Send(t, h, http.MethodGet, "/readyz", "")
	return w.Code, strings.TrimSpace(w.Body.String())
}

// N4: the reasons tell the causes of an incident apart.
func TestN4ReasonsTellTheCausesOfAnIncidentApart(t *testing.T) {
	t.Parallel()
	killed, hanging, unknown, wrong, full, refusing := away("redis_2"), away("redis_2"), away("redis_2"), answering(), answering(), answering()
	killed.Silent, hanging.Silent = "connection refused", "connected, but no answer in time"
	wrong.Skew, full.Full, refusing.Says = -time.Minute, counting.BoundDisk, "OOM command not allowed"
	ahead, fullAndRefusing := answering(), refusing
	ahead.Skew, fullAndRefusing.Full = time.Hour+3*time.Millisecond, counting.BoundPages+","+counting.BoundDisk
	for want, node := range map[string]watching.Node{
		"node redis_2 does not answer: connection refused":                                                                                       killed,
		"node redis_2 does not answer: connected, but no answer in time":                                                                         hanging,
		"node redis_2 does not answer":                                                                                                           unknown,
		"node redis_1 takes no ids: its clock is 1m0s behind this instance's":                                                                    wrong,
		"node redis_1 takes no ids: its clock is 1h0m0s ahead of this instance's":                                                                ahead,
		`node redis_1 refuses writes: OOM command not allowed","node redis_1 takes no other pages: it has as many as FOOTFALL_PAGE_LIMIT allows`: fullAndRefusing,
		"node redis_1 takes no other pages and idempotency keys: less than FOOTFALL_DISK_RESERVE is free on its disk":                            full,
		"node redis_1 refuses writes: OOM command not allowed":                                                                                   refusing,
	} {
		status, body := readyz(t, health.Options{}, answering(), node)
		check.Equal(t, body, `{"status":"ready","reasons":["`+want+`"]}`, "the answer")
		check.Equal(t, status, http.StatusOK, "the status")
	}
}

// N4: a publisher that is away is a reason, with the time and where counts go meanwhile. The
// service is ready. Only the admin listener says where the publisher is, and why.
func TestN4APublisherThatIsAwayIsAReasonAndTheServiceIsReady(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name    string
		options health.Options
		want    string
	}{
		{"admin", health.Options{Publisher: outage()}, `{"status":"ready","reasons":["rabbitmq at mq:5672 is away since 2026-11-29T14:02:11Z: dial tcp 10.0.0.7:5672: connection refused; counts go to the capture log"]}`},
		{"public", health.Options{Publisher: outage(), Public: true}, `{"status":"ready","reasons":["rabbitmq is away since 2026-11-29T14:02:11Z; counts go to the capture log"]}`},
		{"connected", health.Options{Publisher: broker{}}, `{"status":"ready"}`},
		{"none", health.Options{}, `{"status":"ready"}`},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			status, body := readyz(t, c.options, answering())
			check.Equal(t, body, c.want, "the answer")
			check.Equal(t, status, http.StatusOK, "the status")
		})
	}
}

// N4: a service without a node says what else is wrong.
func TestN4AServiceThatIsNotReadyNamesThePublisherToo(t *testing.T) {
	t.Parallel()
	status, body := readyz(t, health.Options{Publisher: outage(), Public: true}, away("redis_1"))
	check.Equal(t, status, http.StatusServiceUnavailable, "the status")
	if want := `"reasons":["node redis_1 does not answer","rabbitmq is away since 2026-11-29T14:02:11Z; counts go to the capture log"]`; !strings.Contains(body, want) {
		t.Errorf("%s\nwant %s", body, want)
	}
}
