package uniques_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"footfall/adapters/localnode"
	"footfall/application/cluster"
	"footfall/domain/counting"
	"footfall/domain/sharding"
)

// deployment is three nodes, which any number of instances join.
type deployment struct {
	nodes []*localnode.Node
	mu    sync.Mutex
	away  map[counting.NodeID]bool
	skew  map[counting.NodeID]time.Duration
}

func newDeployment() *deployment {
	d := &deployment{away: make(map[counting.NodeID]bool), skew: make(map[counting.NodeID]time.Duration)}
	for range 3 {
		d.addNode()
	}
	return d
}

// addNode makes one more node; only instances that are made later know it.
func (d *deployment) addNode() {
	id := counting.NodeID(fmt.Sprintf("n%d", len(d.nodes)+1))
	d.nodes = append(d.nodes, localnode.New(localnode.Options{ID: id, Addr: string(id) + ":6379", Now: func() time.Time {
		d.mu.Lock()
		defer d.mu.Unlock()
		return time.Now().Add(d.skew[id])
	}}))
}

// setAway lets a node be away or back, for all instances.
func (d *deployment) setAway(id counting.NodeID, away bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.away[id] = away
}

// setSkew lets a node's clock be ahead of the true time.
func (d *deployment) setSkew(id counting.NodeID, ahead time.Duration) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.skew[id] = ahead
}

// link is how one instance reaches a node. Its fail is called before every
// call that is named there and may make it fail without effect.
type link struct {
	*localnode.Node
	deployment *deployment
	mu         sync.Mutex
	fail       func(call string, w counting.Window) error
}

func (l *link) reach(call string, w counting.Window) error {
	l.deployment.mu.Lock()
	away := l.deployment.away[l.ID()]
	l.deployment.mu.Unlock()
	if away {
		return fmt.Errorf("%w: connection refused", counting.ErrNotApplied)
	}
	l.mu.Lock()
	fail := l.fail
	l.mu.Unlock()
	if fail == nil {
		return nil
	}
	return fail(call, w)
}

func (l *link) setFail(fail func(call string, w counting.Window) error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.fail = fail
}

func (l *link) Apply(ctx context.Context, b *counting.Batch) (counting.Receipt, error) {
	if err := l.reach("apply", 0); err != nil {
		return counting.Receipt{}, err
	}
	return l.Node.Apply(ctx, b)
}

func (l *link) RingSummary(ctx context.Context) (sharding.RingSummary, error) {
	if err := l.reach("summary", 0); err != nil {
		return sharding.RingSummary{}, err
	}
	return l.Node.RingSummary(ctx)
}

func (l *link) Heartbeat(ctx context.Context) (counting.HeartbeatResult, error) {
	if err := l.reach("heartbeat", 0); err != nil {
		return counting.HeartbeatResult{}, err
	}
	return l.Node.Heartbeat(ctx)
}

func (l *link) Seal(ctx context.Context, w counting.Window, grace time.Duration) (int64, error) {
	if err := l.reach("seal", w); err != nil {
		return 0, err
	}
	return l.Node.Seal(ctx, w, grace)
}

func (l *link) Distinct(ctx context.Context, w counting.Window) (int64, error) {
	if err := l.reach("distinct", w); err != nil {
		return 0, err
	}
	return l.Node.Distinct(ctx, w)
}

func (l *link) Endpoints(ctx context.Context, w counting.Window) ([]string, error) {
	if err := l.reach("endpoints", w); err != nil {
		return nil, err
	}
	return l.Node.Endpoints(ctx, w)
}

func (l *link) Retire(ctx context.Context, w counting.Window) error {
	if err := l.reach("retire", w); err != nil {
		return err
	}
	return l.Node.Retire(ctx, w)
}

func (l *link) Claim(ctx context.Context, w counting.Window, owner string, lease time.Duration) (string, counting.Entry, error) {
	if err := l.reach("claim", w); err != nil {
		return "", counting.Entry{}, err
	}
	return l.Node.Claim(ctx, w, owner, lease)
}

func (l *link) Renew(ctx context.Context, w counting.Window, token string, lease time.Duration) error {
	if err := l.reach("renew", w); err != nil {
		return err
	}
	return l.Node.Renew(ctx, w, token, lease)
}

func (l *link) Record(ctx context.Context, w counting.Window, token string, count int64) (int64, error) {
	if err := l.reach("record", w); err != nil {
		return 0, err
	}
	return l.Node.Record(ctx, w, token, count)
}

func (l *link) Publish(ctx context.Context, w counting.Window, token, sink string) error {
	if err := l.reach("publish", w); err != nil {
		return err
	}
	return l.Node.Publish(ctx, w, token, sink)
}

func (l *link) Finish(ctx context.Context, w counting.Window, token string, totals counting.DeliveryTotals) error {
	if err := l.reach("finish", w); err != nil {
		return err
	}
	return l.Node.Finish(ctx, w, token, totals)
}

func (l *link) SaveDelivery(ctx context.Context, w counting.Window, token, endpoint string, c counting.Delivery) error {
	if err := l.reach("save", w); err != nil {
		return err
	}
	return l.Node.SaveDelivery(ctx, w, token, endpoint, c)
}

func (l *link) Entry(ctx context.Context, w counting.Window) (counting.Entry, map[string]counting.Delivery, error) {
	if err := l.reach("entry", w); err != nil {
		return counting.Entry{}, nil, err
	}
	return l.Node.Entry(ctx, w)
}

func (l *link) Entries(ctx context.Context, before counting.Window, limit int) ([]counting.Entry, error) {
	if err := l.reach("entries", 0); err != nil {
		return nil, err
	}
	return l.Node.Entries(ctx, before, limit)
}

// idOn is an id, from least on, that a node of the deployment collects.
func idOn(t *testing.T, c *cluster.Cluster, node counting.NodeID, least counting.ID) counting.ID {
	t.Helper()
	v := c.View()
	for id := least; ; id++ {
		if owner, _ := v.IDOwner(id, 0); v.Nodes[owner].ID() == node {
			return id
		}
	}
}
