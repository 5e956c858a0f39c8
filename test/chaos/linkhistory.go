package chaos

import (
	"context"
	"fmt"
	"time"

	"footfall/domain/counting"
)

var errTimeless = fmt.Errorf("%w: this kind of node keeps no history", counting.ErrNotApplied)

// history is a call of a node that keeps when visits came, errTimeless of another one.
func history[T any](ctx context.Context, l *Link, c Call, do func(context.Context, counting.Histories) (T, error)) (T, error) {
	h, ok := l.at().(counting.Histories)
	if !ok {
		var none T
		return none, errTimeless
	}
	return through(ctx, l, c, func(ctx context.Context) (T, error) { return do(ctx, h) })
}

// KeepHistory implements counting.Histories.
func (l *Link) KeepHistory(ctx context.Context, s counting.HistorySetting, since time.Time, change bool, c counting.Clock) (counting.HistoryState, error) {
	return history(ctx, l, Call{Method: "keephistory", Clock: c}, func(ctx context.Context, h counting.Histories) (counting.HistoryState, error) {
		return h.KeepHistory(ctx, s, since, change, c)
	})
}

// ReadHistory implements counting.Histories.
func (l *Link) ReadHistory(ctx context.Context, e counting.Expected, page counting.Located) (counting.PageHistory, error) {
	return history(ctx, l, Call{Method: "readhistory"}, func(ctx context.Context, h counting.Histories) (counting.PageHistory, error) {
		return h.ReadHistory(ctx, e, page)
	})
}

// ListHistories implements counting.Histories.
func (l *Link) ListHistories(ctx context.Context, e counting.Expected, cursor string) (counting.HistoryList, string, error) {
	r, err := history(ctx, l, Call{Method: "listhistories"}, func(ctx context.Context, h counting.Histories) (two[counting.HistoryList, string], error) {
		return both(h.ListHistories(ctx, e, cursor))
	})
	return r.a, r.b, err
}

// Compact implements counting.Histories.
func (l *Link) Compact(ctx context.Context, c counting.Clock, cursor string) (string, error) {
	return history(ctx, l, Call{Method: "compact", Clock: c}, func(ctx context.Context, h counting.Histories) (string, error) {
		return h.Compact(ctx, c, cursor)
	})
}

// DropHistory implements counting.Histories.
func (l *Link) DropHistory(ctx context.Context, c counting.Clock, cursor string) (string, error) {
	return history(ctx, l, Call{Method: "drophistory", Clock: c}, func(ctx context.Context, h counting.Histories) (string, error) {
		return h.DropHistory(ctx, c, cursor)
	})
}
