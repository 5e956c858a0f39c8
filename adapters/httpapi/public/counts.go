package public

import (
	"errors"
	"fmt"
	"net/http"
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
		Help: "Visits of the public listener that were refused for their number, by reason: limit, overflow.",
	}, []string{"reason"})
	if err := registry.Register(refused); err != nil {
		return nil, fmt.Errorf("register the metrics of http: %w", err)
	}
	return &countRefusals{refused.WithLabelValues("limit"), refused.WithLabelValues("overflow"), rate.Sometimes{Interval: time.Minute}}, nil
}

// boundCounts gives an error to each item whose count is above limit, or does not fit
// into what the request may add: ten times the limit, or one for each of the most items,
// if that is more. 0 is no limit.
func (a *api) boundCounts(items []request.Visit) (refused error) {
	if a.CountLimit == 0 {
		return nil
	}
	most := max(requestCounts*a.CountLimit, request.MaxItems)
	left := most
	for i := range items {
		switch count := items[i].Count; {
		case items[i].Err != nil:
		case count > a.CountLimit || count > left:
			items[i].Err = problem.New(http.StatusBadRequest, "count_limit", fmt.Sprintf(
				"A count is at most %d here, and the counts of a request are at most %d together.", a.CountLimit, most))
			refused = items[i].Err
			a.counts.limit.Inc()
		default:
			left -= count
		}
	}
	return refused
}

// noteOverflow counts a visit that its page has no room for. All of them cause at most one
// line a minute, with the page: its count is spoilt.
func (a *api) noteOverflow(page counting.Page, err error) {
	if !errors.Is(err, counting.Overflow) {
		return
	}
	a.counts.overflow.Inc()
	a.counts.lines.Do(func() {
		a.Log.Warn("visit refused, the count of the page would pass 2^63-1", "page_id", page)
	})
}
