package bootstrap

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"go.uber.org/fx"

	"footfall/adapters/cli"
	"footfall/adapters/httpapi"
	"footfall/adapters/httpapi/admin"
	"footfall/adapters/httpapi/counter"
	"footfall/adapters/httpapi/limits"
	"footfall/adapters/httpapi/netconn"
	"footfall/adapters/httpapi/public"
	"footfall/adapters/ingest"
	"footfall/adapters/prometheus"
	"footfall/adapters/scheduler"
	"footfall/application/cluster"
	"footfall/application/history"
	"footfall/application/pagestats"
	"footfall/application/resharding"
	"footfall/application/uniques"
	"footfall/application/visits"
	"footfall/application/watch"
	"footfall/domain/publishing"
)

// publicServer and adminServer are the listeners.
type (
	publicServer struct{ *httpapi.Server }
	adminServer  struct{ *httpapi.Server }
)

// newRefusals notes what the listeners refuse.
func newRefusals(m *prometheus.Metrics, log *slog.Logger) *limits.Refusals {
	return limits.NewRefusals(m.CountRefused, log)
}

func newCounter(s Settings, v *visits.Service, u *uniques.Service, c *cluster.Cluster, m *prometheus.Metrics, refused *limits.Refusals, log *slog.Logger) (*counter.Counter, error) {
	bounds := s.bounds(refused)
	bounds.Keys = s.keyQuota(func() int { return len(c.View().Nodes) }, refused)
	return counter.New(counter.Options{
		Visits: v, IDs: u, Metrics: m, Log: log, Bounds: bounds, CountLimit: int64(s.CountLimit), Origins: s.CORSOrigins,
		Identify: limits.Identify{Proxies: s.TrustedProxies}, Clients: limits.NewClients(s.RateLimit, s.TrustedProxies, refused),
	})
}

// newConnections bounds those of the public and the ingest listener together.
func newConnections(s Settings, shared *counter.Counter, refused *limits.Refusals, log *slog.Logger) *netconn.Connections {
	total := least(s.ConnectionLimit, newFileBudget().public)
	return netconn.NewConnections(netconn.Limits{
		Connections: total, Share: s.connectionShare(total), Identify: shared.Identify, Bytes: shared.Bytes, Refused: refused,
	}, log)
}

func newPublicServer(s Settings, shared *counter.Counter, connections *netconn.Connections, past *history.Service, u *uniques.Service, w *watch.Service, p *pagestats.Service,
	c *cluster.Cluster, sch *scheduler.Scheduler, sink Sink, m *prometheus.Metrics, refused *limits.Refusals, log *slog.Logger,
) (publicServer, error) {
	streams, pages := s.streams(connections.Connections, refused)
	handler, err := public.New(public.Options{
		Counter: shared, History: past, Windows: u, Watching: w, Stats: p, Nodes: c.Nodes, Publisher: sink, Waiting: sch.Waiting, Registry: m,
		Private: s.Pages != "public", Streams: streams, WatchedPages: pages, PageStats: s.pool("page_stats", pageStats, 1, refused),
	})
	server := httpapi.NewServer(s.Listen, public.AllowOrigins(handler, s.CORSOrigins), requestTime, log)
	server.Limit(connections)
	return publicServer{server}, err
}

// newIngestServer returns nil where the settings have no such listener.
func newIngestServer(s Settings, shared *counter.Counter, connections *netconn.Connections, log *slog.Logger) *ingest.Server {
	if s.IngestListen == "" {
		return nil
	}
	return ingest.New(ingest.Options{
		Addr: s.IngestListen, Counter: shared, Connections: connections, RequestTime: requestTime, Origins: public.OriginFields(s.CORSOrigins), Log: log,
	})
}

func newAdminServer(s Settings, store Store, v *visits.Service, past *history.Service, u *uniques.Service, p *pagestats.Service, ring *resharding.Service, c *cluster.Cluster,
	sch *scheduler.Scheduler, sink Sink, m *prometheus.Metrics, log *slog.Logger,
) adminServer {
	handler := admin.New(admin.Options{
		Windows: u, Callbacks: u, Ring: ring, Pages: v, Retention: past, Stats: p, Nodes: c.Nodes, Publisher: sink, Waiting: sch.Waiting, Metrics: m, Log: log, Token: s.AdminToken, Loopback: s.AdminLoopback,
		Unauthorized: m.CountUnauthorized, NoNames: s.Pages == "off", Copy: store.Copy, DiskReserve: s.DiskReserve,
	})
	server := httpapi.NewServer(s.AdminListen, handler, profileTime, log)
	server.Limit(netconn.NewConnections(netconn.Limits{Connections: newFileBudget().admin}, log))
	return adminServer{server}
}

// startServers comes last: the listeners open when all other parts run. A stop
// begins with the drain, and then answers the requests in flight.
func startServers(lc fx.Lifecycle, s Settings, c *cluster.Cluster, publishers []publishing.Publisher, public publicServer, ingest *ingest.Server, admin adminServer, log *slog.Logger) {
	stage(lc, "admin listener", named("admin-listen", s.AdminListen, admin.Start), admin.Stop, 500*time.Millisecond)
	stage(lc, "public listener", named("listen", s.Listen, public.Start), func(ctx context.Context) error {
		if ingest == nil {
			return public.Stop(ctx)
		}
		ended := make(chan error, 1)
		go func() { ended <- ingest.Stop(ctx) }()
		return errors.Join(public.Stop(ctx), <-ended)
	}, listenersTime)
	if ingest != nil {
		lc.Append(fx.Hook{OnStart: named("ingest-listen", s.IngestListen, ingest.Start)}) // the public listener's stage stops it
	}
	ready := func(context.Context) error {
		v := c.View()
		what := []any{
			"version", Build().Version, "store", s.StoreKind, "nodes", v.Describe(), "epoch", v.Epoch(),
			"publisher", publishers[0].Name(), "window", time.Duration(s.Length).String(), "listen", public.Addr(),
		}
		if ingest != nil {
			what = append(what, "ingest_listen", ingest.Addr())
		}
		log.Info("ready", append(what, "admin_listen", admin.Addr())...)
		return nil
	}
	drain := func(ctx context.Context) error {
		public.Drain()
		if ingest != nil {
			ingest.Drain()
		}
		admin.Drain()
		<-ctx.Done() // its budget is over
		return nil
	}
	stage(lc, "readiness", ready, drain, drainTime)
}

// named is a start whose error names the setting that it uses.
func named(setting, value string, start func(context.Context) error) func(context.Context) error {
	return func(ctx context.Context) error {
		if err := start(ctx); err != nil {
			return fmt.Errorf("%s=%q: %w", cli.Variable(setting), value, err)
		}
		return nil
	}
}
