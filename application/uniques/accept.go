// Package uniques collects ids and closes windows (design: windows). The nodes count
// the distinct ids of a window. When the window has ended, the instance that claims
// it first freezes the counts, records their sum, publishes it, and notifies the
// endpoints that were named.
package uniques

import (
	"context"
	"errors"
	"log/slog"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"footfall/application/cluster"
	"footfall/domain/counting"
	"footfall/domain/publishing"
)

// Options of a Service.
type Options struct {
	Cluster *cluster.Cluster
	// Publishers, at least one, are tried in this order until one takes the report.
	Publishers []publishing.Publisher
	Notifier   publishing.Notifier
	Journal    publishing.Journal
	// CaptureLog is the path of what the last publisher writes, for the log.
	CaptureLog string
	// Grace is how long after its end a window is sealed.
	Grace time.Duration
	// Instance is a name that is unique for this start of this instance.
	Instance string
	Log      *slog.Logger
	// EndpointShare is how many new endpoints of a window one client may name, and how many
	// may be at one host; 0 is no bound.
	EndpointShare int
	// Refused is called with the bound that refused an endpoint: BoundClient, BoundHost or
	// BoundTotal. Nil is a no-op.
	Refused func(bound string)
	// Observe is called with every attempt that is logged. Nil is a no-op.
	Observe func(publishing.Attempt)
}

// Service accepts ids and closes windows. Its methods are safe for concurrent use.
type Service struct {
	Options
	attempts chan struct{} // one slot per attempt, until its result is saved
	saves    chan struct{} // one slot per result that is being saved
	retries  chan struct{} // one slot per attempt that an operator asked for
	shares   *shares
	unsentAt atomic.Int64 // when it was logged last that attempts do not leave this machine

	ctx    context.Context // of the deliveries in the background; ends with Stop
	cancel context.CancelFunc
	mu     sync.Mutex
	// closing are the windows whose endpoints this instance is notifying.
	closing map[counting.Window]bool
	// unfinished are the windows that could not be finished, and when that was logged.
	unfinished map[counting.Window]time.Time
	// unconfirmed is when it was logged that earlier publishers did not confirm; zero when
	// the first one has taken the last report.
	unconfirmed time.Time
	stopped     bool
	calling     sync.WaitGroup
}

// New makes a service on a cluster. The cluster must be started before any other method
// is called.
func New(o Options) *Service {
	ctx, cancel := context.WithCancel(context.Background())
	return &Service{
		Options: o, shares: &shares{most: o.EndpointShare}, attempts: make(chan struct{}, maxAttempts), saves: make(chan struct{}, maxSaves), retries: make(chan struct{}, maxRetries),
		ctx: ctx, cancel: cancel, closing: make(map[counting.Window]bool), unfinished: make(map[counting.Window]time.Time),
	}
}

// Accept adds an id to the current window, and the endpoint, if there is one, to
// those that are notified of its count. An endpoint that is new in the window is not added
// if the client, or the host, has its share; kept is false then, and the id is added alone.
// After an error neither is. Errors:
//   - publishing.ErrForbidden: the policy forbids the endpoint;
//   - counting.ErrUnavailable: the id is not counted and never will be;
//   - counting.ErrInDoubt: it may be counted;
//   - counting.EndpointLimit, counting.Corrupt: the node refused it.
func (s *Service) Accept(ctx context.Context, client netip.Prefix, id counting.ID, endpoint publishing.Endpoint) (kept bool, err error) {
	if endpoint == "" {
		return true, s.send(ctx, counting.IDEvent{ID: id})
	}
	if err := s.Notifier.Permits(endpoint); err != nil {
		return false, err
	}
	w := s.Cluster.View().Length().At(time.Now())
	isNew, bound := s.shares.take(w, client, endpoint)
	if bound != "" {
		s.refused(bound)
		return false, s.send(ctx, counting.IDEvent{ID: id})
	}
	err = s.send(ctx, counting.IDEvent{ID: id, Endpoint: string(endpoint)})
	if err != nil && isNew {
		s.shares.back(w, client, endpoint)
	}
	if errors.Is(err, counting.EndpointLimit) {
		s.refused(BoundTotal)
	}
	return true, err
}

func (s *Service) refused(bound string) {
	if s.Refused != nil {
		s.Refused(bound)
	}
}

func (s *Service) send(ctx context.Context, e counting.IDEvent) error {
	err := s.Cluster.Send(ctx, func(ctx context.Context, v *cluster.View) error { return v.SendID(ctx, e, time.Now()) })
	if errors.Is(err, counting.WrongTable) || errors.Is(err, counting.WrongClock) { // no node has applied it
		return counting.ErrUnavailable
	}
	return err
}
