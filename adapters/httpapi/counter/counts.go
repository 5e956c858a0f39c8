package counter

import (
	"errors"
	"fmt"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/time/rate"

	"footfall/adapters/httpapi/problem"
	"footfall/adapters/httpapi/request"
	"footfall/domain/counting"
)

// requestCounts is how many times the bound of one count a request may add.
const requestCounts = 10

// countRefusals counts and logs visits that are refused for their number.
type countRefusals struct {
	limit, overflow prometheus.Counter
	lines           rate.Sometimes // of the log
}

// newCountRefusals fails when registry has a metric of the same name.
func newCountRefusals(registry prometheus.Registerer) (*countRefusals, error) {
	refused := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "footfall_counts_refused_total",
		Help: "Visits of the public and the ingest listener that were refused for their number, by reason: limit, overflow.",
	}, []string{"reason"})
	if err := registry.Register(refused); err != nil {
		return nil, fmt.Errorf("register the metrics of http: %w", err)
	}
	return &countRefusals{refused.WithLabelValues("limit"), refused.WithLabelValues("overflow"), rate.Sometimes{Interval: time.Minute}}, nil
}

// boundCounts gives an error to each item whose count is above limit, or does not fit
// into what the request may add: ten times the limit, or one for each of the most items,
// if that is more. 0 is no limit.
func (c *Counter) boundCounts(items []request.Visit) (refused error) {
	if c.CountLimit == 0 {
		return nil
	}
	most := max(requestCounts*c.CountLimit, request.MaxItems)
	left := most
	for i := range items {
		switch count := items[i].Count; {
		case items[i].Err != nil:
		case count > c.CountLimit || count > left:
			items[i].Err = problem.BadRequest("count_limit", fmt.Sprintf(
				"A count is at most %d here, and the counts of a request are at most %d together.", c.CountLimit, most))
			refused = items[i].Err
			c.counts.limit.Inc()
		default:
			left -= count
		}
	}
	return refused
}

// noteOverflow counts a visit that its page has no room for. All of them cause at most one
// line a minute, with the page: its count is spoilt.
func (c *Counter) noteOverflow(page counting.Page, err error) {
	if !errors.Is(err, counting.Overflow) {
		return
	}
	c.counts.overflow.Inc()
	c.counts.lines.Do(func() {
		c.Log.Warn("visit refused, the count of the page would pass 2^63-1", "page_id", page)
	})
}
