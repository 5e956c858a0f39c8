package redisnode

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"footfall/domain/counting"
	"footfall/domain/sharding"
)

// unixSeconds is 0 for the zero time, and timeOf its reverse.
func unixSeconds(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.Unix()
}

func timeOf(seconds int64) time.Time {
	if seconds == 0 {
		return time.Time{}
	}
	return time.Unix(seconds, 0).UTC()
}

// KeepHistory implements counting.Histories. What an earlier history has left is forgotten before
// another begins. A partition makes what says of each arc that its history is here. That is done in parts, of which the
// node knows the next one.
func (n *store) KeepHistory(ctx context.Context, h counting.HistorySetting, since time.Time, change bool, c counting.Clock) (counting.HistoryState, error) {
	for range 3 { // another caller may turn the history off again
		_, word, answer, err := n.call(ctx, n.servers.pool, "keep_history",
			[]any{h.String(), unixSeconds(since), change, c.Now.UnixMilli(), c.MaxSkew.Milliseconds()})
		switch {
		case err != nil:
		case word == "PREPARE":
			for more := true; more && err == nil; more = answer.text(0) != "" {
				answer, err = n.run(ctx, "prepare_history", sharding.Arcs)
			}
		default:
			return n.historyState(answer.text(0))
		}
		if err != nil {
			return counting.HistoryState{}, err
		}
	}
	return counting.HistoryState{}, fmt.Errorf("keep history on %s: what has to be done before was undone", n.id)
}

// historyState reads the setting, the Unix time at which the history began, and the floor, which may be missing; off, or
// nothing.
func (n *store) historyState(text string) (s counting.HistoryState, err error) {
	if s.Off = text == "off"; s.Off || text == "" {
		return s, nil
	}
	setting, times, _ := strings.Cut(text, " ")
	since, floor, _ := strings.Cut(times, " ")
	if s.Setting, err = counting.ParseHistory(setting); err != nil {
		return counting.HistoryState{}, fmt.Errorf("read the history of %s: %w", n.id, err)
	}
	s.Since, s.Floor = timeOf(answer{since}.int64(0)), timeOf(answer{floor}.int64(0))
	return s, nil
}

// ReadHistory implements counting.Histories.
func (n *store) ReadHistory(ctx context.Context, e counting.Expected, page counting.Located) (h counting.PageHistory, err error) {
	answer, err := n.run(ctx, "read_history", int64(e.Epoch), string(e.Session), e.Seq, uint64(page.Arc), string(page.Page))
	if err = answer.check(6, err); err != nil {
		return h, err
	}
	h.Part, h.History = parsePart(answer), counting.Packed(answer.text(4))
	switch answer.text(5) {
	case "missing":
		n.warnMissing(strconv.Itoa(int(page.Arc)))
		h.Err = counting.Missing
	case "corrupt":
		h.Err = counting.Corrupt
	}
	h.State, err = n.historyState(answer.text(3))
	return h, err
}

// listFields is about how many fields one call of ListHistories reads: a page has its count, its packed
// history, and the buckets that are open.
const listFields = 1000

// ListHistories implements counting.Histories. Cursor and errors are those of List.
func (n *store) ListHistories(ctx context.Context, e counting.Expected, cursor string) (l counting.HistoryList, next string, err error) {
	answer, err := n.run(ctx, "list_histories", int64(e.Epoch), string(e.Session), e.Seq, cursor, listFields, sharding.Arcs)
	if err != nil {
		return l, "", err
	}
	if l.State, err = n.historyState(answer.text(1)); err != nil {
		return counting.HistoryList{}, "", err
	}
	for i := 2; i+2 < len(answer); i += 3 {
		before := len(l.Pages)
		l.Pages = appendPages(l.Pages, counting.Arc(answer.int(i)), answer.list(i+1))
		for j := range l.Pages[before:] {
			l.Histories = append(l.Histories, counting.Packed(answer.list(i+2).text(j)))
		}
	}
	return l, answer.text(0), nil
}

// Compact implements counting.Histories. The cursor is the arc and what is left to do there.
func (n *store) Compact(ctx context.Context, c counting.Clock, cursor string) (next string, err error) {
	answer, err := n.run(ctx, "compact", c.Now.UnixMilli(), c.MaxSkew.Milliseconds(), cursor, sharding.Arcs)
	return answer.text(0), err
}

// DropHistory implements counting.Histories.
func (n *store) DropHistory(ctx context.Context, c counting.Clock, cursor string) (next string, err error) {
	answer, err := n.run(ctx, "drop_history", c.Now.UnixMilli(), c.MaxSkew.Milliseconds(), cursor, sharding.Arcs)
	return answer.text(0), err
}
