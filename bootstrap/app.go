package bootstrap

import (
	"context"
	"crypto/rand"
	"fmt"
	"log/slog"
	"os"
	"time"

	"go.uber.org/fx"

	"footfall/adapters/filelog"
	"footfall/adapters/httpapi/limits"
	"footfall/adapters/httpcallback"
	"footfall/adapters/prometheus"
	"footfall/adapters/scheduler"
	"footfall/application/cluster"
	"footfall/application/groupcommit"
	"footfall/application/history"
	"footfall/application/pagestats"
	"footfall/application/resharding"
	"footfall/application/uniques"
	"footfall/application/visits"
	"footfall/application/watch"
	"footfall/domain/counting"
	"footfall/domain/publishing"
)

const (
	// startBudget is the time for the start. At the first start of a deployment
	// every node has to answer within it.
	startBudget = 15 * time.Second
	// agreeTime is the part of it for agreeing with the nodes. It is shorter,
	// because fx would only report the time-out, and not the node.
	agreeTime = startBudget - 2*time.Second
	// startGrace is the time for the rest of a start after a signal.
	startGrace = 200 * time.Millisecond
	// stopBudget is more than all stages of the stop take, so that none is
	// skipped. Docker kills after 10 s by default.
	stopBudget = 9500 * time.Millisecond
	// drainTime is how long a stopping service continues to serve, while
	// GET /readyz makes balancers send no more.
	drainTime = 500 * time.Millisecond
	// listenersTime is how long the public and the ingest listener answer what is in flight.
	listenersTime = 2500 * time.Millisecond
	// requestTime bounds reading a request and answering it.
	requestTime = 10 * time.Second
	// profileTime is for the longest profile that the admin listener takes.
	profileTime = 2 * time.Minute
)

// program is the whole program. What starts first stops last.
func program(s Settings, log *slog.Logger, writer *logWriter) fx.Option {
	return fx.Options(
		fx.NopLogger,
		fx.StartTimeout(startBudget), fx.StopTimeout(stopBudget),
		fx.Supply(s, log, writer),
		fx.Provide(
			prometheus.New,
			openStore,
			newCluster,
			newResharding,
			newCaptureLog,
			newCallbackLog,
			newNotifier,
			newSink,
			newPublishers,
			newUniques,
			newScheduler,
			visits.New,
			newHistory,
			newWatch,
			newPageStats,
			newRefusals,
			newCounter,
			newConnections,
			newPublicServer,
			newIngestServer,
			newAdminServer,
		),
		fx.Invoke(exposeDeployment, startServers),
	)
}

// stage registers the start of a part, and its stop with a budget of its own:
// fx has one deadline for all, and skips what is left at that time.
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

func newCluster(lc fx.Lifecycle, s Settings, store Store, m *prometheus.Metrics, log *slog.Logger) *cluster.Cluster {
	observer := func(id counting.NodeID) func(groupcommit.Flush) {
		observe := m.Batches(id)
		return func(f groupcommit.Flush) {
			observe(f.Items, f.Requests, f.Took, f.Err)
			countRefusals(m, f.Receipt)
		}
	}
	c := cluster.New(cluster.Options{
		Nodes: store.Nodes, Dial: store.Dial, HangUp: store.HangUp, Move: store.Move, Server: store.Server,
		Length: s.Length, Name: s.Name, MaxSkew: s.MaxSkew, EndpointLimit: s.CallbackLimit,
		KeyLimit: s.KeyLimit, RecordLimit: s.recordLimit(), PageLimit: s.PageLimit, DiskReserve: s.DiskReserve,
		Log: log, Observer: observer, Lost: m.CountLost,
	})
	start := func(ctx context.Context) error {
		ctx, cancel := context.WithTimeout(ctx, agreeTime)
		defer cancel()
		return c.Start(ctx)
	}
	stage(lc, "group commit", start, c.Stop, 2*time.Second)
	return c
}

// countRefusals counts the items that a node has refused because of a bound.
func countRefusals(m *prometheus.Metrics, r counting.Receipt) {
	if r.Duplicate {
		return
	}
	for _, refused := range r.Refused {
		switch refused.Reason {
		case counting.KeyLimit:
			m.CountRefused("keys", limits.BoundTotal)
		case counting.PageLimit:
			m.CountRefused("pages", limits.BoundTotal)
		case counting.DiskFull:
			m.CountRefused("disk", limits.BoundTotal)
		}
	}
}

func newResharding(lc fx.Lifecycle, store Store, c *cluster.Cluster, log *slog.Logger) *resharding.Service {
	r := resharding.New(resharding.Options{Cluster: c, Locate: store.Locate, Log: log})
	stage(lc, "movers", r.Start, r.Stop, time.Second)
	return r
}

func newCaptureLog(lc fx.Lifecycle, s Settings) *filelog.Log {
	l := filelog.New(s.CaptureLog, s.callbackLines())
	stage(lc, "capture log", l.Start, l.Stop, 500*time.Millisecond)
	return l
}

// newSink returns the configured publisher; nil if there is none.
func newSink(lc fx.Lifecycle, s Settings, log *slog.Logger) Sink {
	if s.Sink == nil {
		return nil
	}
	sink := s.Sink(log)
	stage(lc, "publisher", sink.Start, sink.Stop, 400*time.Millisecond)
	return sink
}

// newPublishers returns the publishers in the order in which a report tries
// them. If the first refuses a report or its outcome is unknown, the report goes
// to the capture log.
func newPublishers(captured *filelog.Log, sink Sink, m *prometheus.Metrics) []publishing.Publisher {
	all := []publishing.Publisher{m.Publisher(captured)}
	if sink != nil {
		all = []publishing.Publisher{m.Publisher(sink), all[0]}
	}
	return all
}

func newUniques(lc fx.Lifecycle, s Settings, c *cluster.Cluster, publishers []publishing.Publisher, notifier *httpcallback.Notifier, journal callbackLog, m *prometheus.Metrics, log *slog.Logger) *uniques.Service {
	host, _ := os.Hostname() // for people; the random part makes the name unique
	m.ExposePaused(notifier.Paused)
	u := uniques.New(uniques.Options{
		Cluster: c, Publishers: publishers, Notifier: notifier, Journal: journal, CaptureLog: s.CaptureLog,
		Grace: s.Grace, Instance: host + "-" + rand.Text(), Log: log,
		Observe: m.CountAttempt, EndpointShare: s.shareOf(s.CallbackLimit),
		Refused: func(bound string) { m.CountRefused("endpoints", bound) },
	})
	stage(lc, "callbacks", nil, u.Stop, time.Second)
	return u
}

func newScheduler(lc fx.Lifecycle, s Settings, u *uniques.Service, log *slog.Logger) *scheduler.Scheduler {
	sch := scheduler.New(u, s.Length, s.Grace, log)
	stage(lc, "scheduler", sch.Start, sch.Stop, time.Second)
	return sch
}

func newHistory(lc fx.Lifecycle, s Settings, c *cluster.Cluster, m *prometheus.Metrics, log *slog.Logger) *history.Service {
	h := history.New(history.Options{Cluster: c, Setting: s.History, Log: log, Compacted: m.CountCompaction, Dropped: m.CountDrop})
	stage(lc, "history", h.Start, h.Stop, time.Second)
	return h
}

func newWatch(lc fx.Lifecycle, v *visits.Service, u *uniques.Service, c *cluster.Cluster) *watch.Service {
	w := watch.New(watch.Options{Read: v.Read, Windows: u.Windows, Nodes: c.Nodes})
	stage(lc, "watching", nil, w.Stop, time.Second)
	return w
}

func newPageStats(lc fx.Lifecycle, s Settings, c *cluster.Cluster, m *prometheus.Metrics, log *slog.Logger) *pagestats.Service {
	p := pagestats.New(pagestats.Options{
		Cluster: c, Share: s.shareOf(counting.MaxPrefixes), Log: log, Scanned: m.CountScan,
		Refused: func(share bool) {
			if share {
				m.CountRefused("prefixes", limits.BoundClient)
			} else {
				m.CountRefused("prefixes", limits.BoundTotal)
			}
		},
	})
	stage(lc, "scan of pages", nil, p.Stop, time.Second)
	return p
}

func exposeDeployment(m *prometheus.Metrics, c *cluster.Cluster, past *history.Service, ring *resharding.Service, u *uniques.Service, w *logWriter) {
	m.Expose(prometheus.Deployment{
		DroppedLines: w.dropped.Load, Queued: c.Queued, Epoch: ring.Epoch, Status: ring.Status, Windows: u.Windows,
		History: past.States, Build: Build(),
	})
}
