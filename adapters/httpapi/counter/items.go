package counter

import (
	"fmt"

	"github.com/prometheus/client_golang/prometheus"

	"footfall/adapters/httpapi/problem"
)

// itemKind is what an item of a request is, as the label kind names it.
type itemKind string

const (
	visitItem itemKind = "visit"
	idItem    itemKind = "id"
	readItem  itemKind = "read"
)

// itemOutcome is how an item ended, as the label outcome names it.
type itemOutcome string

const (
	itemOK      itemOutcome = "ok"
	itemBad     itemOutcome = "bad"      // it can't be right when it is repeated
	itemLimited itemOutcome = "limited"  // its client has its share
	itemRefused itemOutcome = "refused"  // 503: it had no effect
	itemInDoubt itemOutcome = "in_doubt" // 504: it may have been counted
	itemFailed  itemOutcome = "failed"   // a fault of the service
)

// items counts what requests are about: a bulk is one request with many items, some of
// which can fail while the answer is 200.
type items struct {
	of     map[itemKind]map[itemOutcome]prometheus.Counter
	visits prometheus.Counter
}

// newItems fails when registry has a metric of the same name.
func newItems(registry prometheus.Registerer) (*items, error) {
	all := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "footfall_items_total",
		Help: "Visits, ids and pages to be read in requests of the public and the ingest listener, by how each ended.",
	}, []string{"kind", "outcome"})
	n := &items{make(map[itemKind]map[itemOutcome]prometheus.Counter), prometheus.NewCounter(prometheus.CounterOpts{
		Name: "footfall_visits_total",
		Help: "Visits that the public and the ingest listener have acknowledged: the sum of their counts.",
	})}
	for _, kind := range []itemKind{visitItem, idItem, readItem} {
		n.of[kind] = make(map[itemOutcome]prometheus.Counter)
		for _, outcome := range []itemOutcome{itemOK, itemBad, itemLimited, itemRefused, itemInDoubt, itemFailed} {
			n.of[kind][outcome] = all.WithLabelValues(string(kind), string(outcome))
		}
	}
	for _, c := range []prometheus.Collector{all, n.visits} {
		if err := registry.Register(c); err != nil {
			return nil, fmt.Errorf("register the metrics of http: %w", err)
		}
	}
	return n, nil
}

// note counts one item by its error. count is that of a visit.
func (n *items) note(kind itemKind, count int64, err error) {
	outcome := itemOK
	if err != nil {
		switch f := problem.Of(err, kind != readItem); f.Status {
		case 503:
			outcome = itemRefused
		case 504:
			outcome = itemInDoubt
		case 429:
			outcome = itemLimited
		case 500:
			outcome = itemFailed
		default:
			outcome = itemBad
		}
	}
	n.of[kind][outcome].Inc()
	if kind == visitItem && err == nil {
		n.visits.Add(float64(count))
	}
}

// NoteRead counts a page that was to be read, by its error.
func (c *Counter) NoteRead(err error) { c.items.note(readItem, 0, err) }

// each returns an action of which each request is one item.
func (n *items) each(kind itemKind, do Action) Action {
	return func(r Request, variable string) ([]byte, error) {
		body, err := do(r, variable)
		n.note(kind, 1, err)
		return body, err
	}
}
