package bootstrap

import (
	"context"
	"crypto/rand"
	"fmt"
	"log/slog"
	"os"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/fx"

	"footfall/adapters/filelog"
	"footfall/adapters/httpapi"
	"footfall/adapters/httpcallback"
	"footfall/adapters/scheduler"
	"footfall/application/cluster"
	"footfall/application/resharding"
	"footfall/application/uniques"
	"footfall/application/visits"
	"footfall/application/watch"
	"footfall/domain/publishing"
)

const (
	// startBudget is the time for the start: at the first one of a
	// deployment every node has to answer within it.
	startBudget = 15 * time.Second
	// agreeTime is the part of it for agreeing with the nodes: fx would say
	// only that its time is over, not which node does not answer.
	agreeTime = startBudget - time.Second
	// startGrace is the time for the rest of a start after a signal.
	startGrace = 200 * time.Millisecond
	// stopBudget is more than the stages of the stop take together, so that
	// none is skipped; docker kills after 10 s by default.
	stopBudget = 9500 * time.Millisecond
	// drainTime is how long a service that stops takes requests as before,
	// while GET /readyz tells balancers to send none.
	drainTime = 500 * time.Millisecond
	// maxInFlight bounds the requests served at once.
	maxInFlight = 4096
	// requestTime bounds reading a request and answering it.
	requestTime = 10 * time.Second
	// profileTime is for the longest profile that the admin listener takes.
	profileTime = 2 * time.Minute
)

// program is all of it. What is started first is stopped last.
func program(s Settings, log *slog.Logger) fx.Option {
	return fx.Options(
		fx.NopLogger,
		fx.StartTimeout(startBudget), fx.StopTimeout(stopBudget),
		fx.Supply(s, log),
		fx.Provide(
			newRegistry,
			newFlushMetrics,
			openStore,
			newCluster,
			newResharding,
			newCaptureLog,
			newPublishers,
			newUniques,
			visits.New,
			newWatch,
			fx.Annotate(newPublicServer, fx.ResultTags(`name:"public"`)),
			fx.Annotate(newAdminServer, fx.ResultTags(`name:"admin"`)),
		),
		fx.Invoke(registerQueues, registerDeployment, startScheduler, startServers),
	)
}

// stage registers a part's start, and its stop with a budget of its own: fx
// has one deadline for all, and skips what comes behind it.
func stage(lc fx.Lifecycle, name string, start, stop func(context.Context) error, budget time.Duration) {
	lc.Append(fx.Hook{
		OnStart: start,
		OnStop: func(ctx context.Context) error {
			ctx, cancel := context.WithTimeout(ctx, budget)
			defer cancel()
			if err := stop(ctx); err != nil {
				return fmt.Errorf("stop %s: %w", name, err)
			}
			return nil
		},
	})
}

func openStore(lc fx.Lifecycle, s Settings, log *slog.Logger) Store {
	store := s.Store(log)
	stage(lc, "store", store.Start, store.Stop, time.Second)
	return store
}

func newCluster(lc fx.Lifecycle, s Settings, store Store, m *flushMetrics, log *slog.Logger) (*cluster.Cluster, error) {
	c, err := cluster.New(cluster.Options{
		Nodes: store.Nodes, Dial: store.Dial, Length: s.Length, EndpointLimit: s.CallbackLimit, KeyLimit: s.KeyLimit,
		Log: log, Observer: m.observer, Lost: m.countLost,
	})
	if err != nil {
		return nil, err
	}
	start := func(ctx context.Context) error {
		ctx, cancel := context.WithTimeout(ctx, agreeTime)
		defer cancel()
		return c.Start(ctx)
	}
	stage(lc, "group commit", start, c.Stop, 2*time.Second)
	return c, nil
}

func newResharding(lc fx.Lifecycle, store Store, c *cluster.Cluster, log *slog.Logger) *resharding.Service {
	r := resharding.New(resharding.Options{Cluster: c, Locate: store.Locate, Log: log})
	stage(lc, "movers", r.Start, r.Stop, time.Second)
	return r
}

func newCaptureLog(lc fx.Lifecycle, s Settings) *filelog.Log {
	l := filelog.New(s.CaptureLog)
	stage(lc, "capture log", l.Start, l.Stop, 500*time.Millisecond)
	return l
}

// newPublishers are those that are tried in this order until one takes a
// report: what the first refuses, or leaves in doubt, goes to the capture log.
func newPublishers(lc fx.Lifecycle, s Settings, captured *filelog.Log, r *prometheus.Registry, log *slog.Logger) []publishing.Publisher {
	all := []publishing.Publisher{captured}
	if s.Sink != nil {
		sink := s.Sink(log)
		stage(lc, "publisher", sink.Start, sink.Stop, 400*time.Millisecond)
		all = []publishing.Publisher{sink, captured}
	}
	return measured(r, all)
}

func newUniques(lc fx.Lifecycle, s Settings, c *cluster.Cluster, publishers []publishing.Publisher, captured *filelog.Log, r *prometheus.Registry, log *slog.Logger) *uniques.Service {
	host, _ := os.Hostname() // the name is for people; the random part makes it one of its kind
	notifier := httpcallback.New(s.CallbackPolicy, httpcallback.Options{Secrets: s.CallbackSecrets})
	u := uniques.New(uniques.Options{
		Cluster: c, Publishers: publishers, Notifier: notifier, Journal: captured,
		Grace: s.Grace, Instance: host + "-" + rand.Text(), Log: log,
		Observe: newCallbackCounter(r),
	})
	stage(lc, "callbacks", nil, u.Stop, time.Second)
	return u
}

func startScheduler(lc fx.Lifecycle, s Settings, u *uniques.Service, log *slog.Logger) {
	sch := scheduler.New(u, s.Length, s.Grace, log)
	stage(lc, "scheduler", sch.Start, sch.Stop, time.Second)
}

func newWatch(lc fx.Lifecycle, v *visits.Service, u *uniques.Service, c *cluster.Cluster) *watch.Service {
	w := watch.New(watch.Options{Read: v.Read, Windows: u.Windows, Nodes: c.Nodes})
	stage(lc, "watching", nil, w.Stop, time.Second)
	return w
}

func newPublicServer(s Settings, v *visits.Service, u *uniques.Service, w *watch.Service, c *cluster.Cluster,
	r *prometheus.Registry, log *slog.Logger,
) (*httpapi.Server, error) {
	handler, err := httpapi.NewPublic(httpapi.PublicOptions{
		Visits: v, Uniques: u, Watching: w, Nodes: c.Nodes, Metrics: r, Log: log,
		MaxInFlight: maxInFlight, RateLimit: s.RateLimit, TrustedProxies: s.TrustedProxies,
	})
	return httpapi.NewServer(s.Listen, httpapi.AllowOrigins(handler, s.CORSOrigins), requestTime, log), err
}

func newAdminServer(s Settings, v *visits.Service, u *uniques.Service, ring *resharding.Service, r *prometheus.Registry, log *slog.Logger) *httpapi.Server {
	handler := httpapi.NewAdmin(httpapi.AdminOptions{
		Uniques: u, Ring: ring, Pages: v, Metrics: r, Log: log, Token: s.AdminToken, Loopback: s.AdminLoopback,
	})
	return httpapi.NewServer(s.AdminListen, handler, profileTime, log)
}

type servers struct {
	fx.In
	Public *httpapi.Server `name:"public"`
	Admin  *httpapi.Server `name:"admin"`
}

// startServers comes last: requests are taken when all else is up, and the
// first stages of the stop are to say that they should go elsewhere, and to
// answer those in flight.
func startServers(lc fx.Lifecycle, servers servers, log *slog.Logger) {
	stage(lc, "admin listener", servers.Admin.Start, servers.Admin.Stop, 500*time.Millisecond)
	stage(lc, "public listener", servers.Public.Start, servers.Public.Stop, 2500*time.Millisecond)
	ready := func(context.Context) error {
		log.Info("ready", "version", Version(), "listen", servers.Public.Addr(), "admin_listen", servers.Admin.Addr())
		return nil
	}
	drain := func(ctx context.Context) error {
		servers.Public.Drain()
		<-ctx.Done() // its budget is over
		return nil
	}
	stage(lc, "readiness", ready, drain, drainTime)
}
