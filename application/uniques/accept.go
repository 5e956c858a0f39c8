// Package uniques collects ids and closes windows (protocols: windows). A
// window's distinct ids are counted on the nodes; when it has ended, whoever
// claims it first freezes the numbers, records their sum, publishes it, and
// tells it to the endpoints that were named.
package uniques

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"footfall/application/cluster"
	"footfall/application/groupcommit"
	"footfall/domain/counting"
	"footfall/domain/publishing"
)

// Options of a Service.
type Options struct {
	Cluster *cluster.Cluster
	// Publishers in the order in which they are tried until one takes the
	// report; at least one.
	Publishers []publishing.Publisher
	Notifier   publishing.Notifier
	Journal    publishing.Journal
	// Grace is how long after its end a window is sealed.
	Grace time.Duration
	// Instance is a name that no other instance, nor an earlier start of
	// this one, has.
	Instance string
	Log      *slog.Logger
	// Observe, unless nil, is called with every attempt that is logged.
	Observe func(publishing.Attempt)
}

// Service accepts ids and closes windows. Its methods are safe for concurrent
// use.
type Service struct {
	Options
	attempts chan struct{} // a place for each attempt until its result is saved
	saves    chan struct{} // a place for each result that is being saved

	ctx    context.Context // of the calls in the background; ends with Stop
	cancel context.CancelFunc
	mu     sync.Mutex
	// closing are the windows whose endpoints this instance is calling now.
	closing map[counting.Window]struct{}
	stopped bool
	calling sync.WaitGroup
}

// New makes a service on a cluster, which must have been started when the
// other methods are called.
func New(o Options) *Service {
	ctx, cancel := context.WithCancel(context.Background())
	return &Service{
		Options: o, attempts: make(chan struct{}, maxAttempts), saves: make(chan struct{}, maxSaves),
		ctx: ctx, cancel: cancel, closing: make(map[counting.Window]struct{}),
	}
}

// Accept adds an id to the current window, and the endpoint, if there is one,
// to those that are told its count: both or neither. Errors:
// publishing.ErrForbidden; counting.ErrUnavailable, the id is not counted and
// never will be; counting.ErrInDoubt; counting.EndpointLimit and
// counting.Corrupt, it was refused.
func (s *Service) Accept(ctx context.Context, id counting.ID, endpoint publishing.Endpoint) error {
	if endpoint != "" {
		if err := s.Notifier.Permits(endpoint); err != nil {
			return err
		}
	}
	v := s.Cluster.View()
	// The node decides which window it is; if this clock guesses another,
	// and a change of the ring lies between them, the next table is right.
	first := 0
	if v.Tables() > 1 {
		first = v.TableFor(v.Length().At(time.Now()))
	}
	err := arrive(v, first, id, endpoint)
	if errors.Is(err, groupcommit.ErrMoved) || errors.Is(err, counting.WrongTable) {
		return s.acceptAgain(ctx, v, first, err, id, endpoint)
	}
	return err
}

// arrive adds an id at the node that collects it by one table.
func arrive(v *cluster.View, table int, id counting.ID, endpoint publishing.Endpoint) error {
	owner, epoch := v.IDOwner(id, table)
	ticket, err := v.Nodes[owner].Arrive(v.Epoch(), counting.IDEvent{ID: id, Endpoint: string(endpoint), Table: epoch})
	if err != nil {
		return err
	}
	return ticket.Wait()
}

// acceptAgain routes an id anew whose node said that the ring was changed, or
// that another table is the one of the window.
func (s *Service) acceptAgain(ctx context.Context, v *cluster.View, table int, err error, id counting.ID, endpoint publishing.Endpoint) error {
	ctx, cancel := context.WithTimeout(ctx, groupcommit.Deadline)
	defer cancel()
	for tried := 1; ctx.Err() == nil; {
		switch {
		case errors.Is(err, groupcommit.ErrMoved):
			if s.Cluster.Follow(ctx, v.Epoch()) != nil {
				return counting.ErrUnavailable
			}
			v, tried = s.Cluster.View(), 1
			table = v.TableFor(v.Length().At(time.Now()))
		case errors.Is(err, counting.WrongTable) && tried <= v.Tables():
			tried++
			table = (table + 1) % v.Tables()
		case errors.Is(err, counting.WrongTable):
			return counting.ErrUnavailable
		default:
			return err
		}
		err = arrive(v, table, id, endpoint)
	}
	if errors.Is(err, groupcommit.ErrMoved) || errors.Is(err, counting.WrongTable) {
		return counting.ErrUnavailable // it was applied nowhere, and there is no time left
	}
	return err
}
