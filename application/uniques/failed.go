package uniques

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"time"

	"footfall/application/cluster"
	"footfall/domain/counting"
	"footfall/domain/publishing"
)

// maxLooked bounds the dead letters that one call looks at.
const maxLooked = 10_000

// selection is a publishing.FailedSelection that was checked. Letters from until on are not
// meant: following a cursor ends though callbacks fail meanwhile.
type selection struct {
	after, until counting.DeadLetterKey
	window       counting.Window
	anyWindow    bool
	endpoint     string
	limit        int
}

// clockMargin is for clocks of nodes that were not asked lately.
const clockMargin = time.Minute

// latest is what the clocks of all nodes have not reached, as far as they were asked.
func latest(v *cluster.View) time.Time {
	most := time.Duration(0)
	for _, m := range v.Present() {
		ahead, _ := m.Skew()
		most = max(most, ahead)
	}
	return time.Now().Add(most + clockMargin)
}

// selectionOf checks a selection. Errors: publishing.ErrBadCursor, counting.ErrBadWindow.
func selectionOf(v *cluster.View, f publishing.FailedSelection) (s selection, err error) {
	s = selection{endpoint: string(f.Endpoint), limit: f.Limit, anyWindow: f.Window == "", until: counting.DeadLettersFrom(latest(v))}
	if !f.Since.IsZero() {
		s.after = counting.DeadLettersFrom(f.Since)
	}
	if !s.anyWindow {
		if s.window, err = v.ParseWindowID(f.Window); err != nil {
			return s, err
		}
	}
	if f.Cursor == "" {
		return s, nil
	}
	until, after, _ := strings.Cut(f.Cursor, ".")
	for text, key := range map[string]*counting.DeadLetterKey{until: &s.until, after: &s.after} {
		if *key, err = counting.ParseDeadLetterKey(text); err != nil {
			return s, publishing.ErrBadCursor
		}
	}
	return s, nil
}

// cursor is where the next call goes on.
func (s selection) cursor() string { return string(s.until) + "." + string(s.after) }

func (s selection) means(l counting.DeadLetter) bool {
	return (s.anyWindow || l.Key.Window() == s.window) && (s.endpoint == "" || l.Endpoint == s.endpoint)
}

// FailedCallbacks returns the failed callbacks of a selection, oldest first, and the cursor
// of those that follow; it is empty after the last. An answer may have fewer than the limit,
// or none, though others follow. Errors: publishing.ErrBadCursor, counting.ErrBadWindow, and
// counting.ErrUnavailable if a node is away, since the answer would be incomplete.
func (s *Service) FailedCallbacks(ctx context.Context, f publishing.FailedSelection) ([]publishing.FailedCallback, string, error) {
	v := s.Cluster.View()
	chosen, err := selectionOf(v, f)
	if err != nil {
		return nil, "", err
	}
	letters, next, err := lettersOf(ctx, v, chosen)
	all := make([]publishing.FailedCallback, len(letters))
	for i, l := range letters {
		all[i] = failedOf(v, l)
	}
	return all, next, err
}

func failedOf(v *cluster.View, l counting.DeadLetter) publishing.FailedCallback {
	return publishing.FailedCallback{
		Window: v.WindowID(l.Key.Window()), Endpoint: publishing.Endpoint(l.Endpoint), Count: l.Count, FailedAt: l.Key.Failed().UTC(),
		Attempts: l.Delivery.Attempts, Status: l.Delivery.Status, Reason: l.Delivery.Reason,
	}
}

// lettersOf returns the letters of a selection, and the next cursor.
func lettersOf(ctx context.Context, v *cluster.View, s selection) (found []counting.DeadLetter, next string, err error) {
	for range maxLooked / publishing.MaxFailed {
		some, err := listLetters(ctx, v, s.after)
		if err != nil {
			return nil, "", counting.Mark(err, counting.ErrUnavailable)
		}
		for _, l := range some {
			if l.Key >= s.until {
				return found, "", nil
			}
			s.after = l.Key
			if !s.means(l) {
				continue
			}
			if found = append(found, l); len(found) == s.limit {
				return found, s.cursor(), nil
			}
		}
		if len(some) < publishing.MaxFailed {
			return found, "", nil
		}
	}
	return found, s.cursor(), nil
}

// listLetters returns the first letters of all nodes after a key. During a change of the
// ring two nodes may have the same one.
func listLetters(ctx context.Context, v *cluster.View, after counting.DeadLetterKey) ([]counting.DeadLetter, error) {
	answers, err := cluster.Gather(ctx, v.Present(), func(ctx context.Context, m *cluster.Member) ([]counting.DeadLetter, error) {
		return m.ListDeadLetters(ctx, after, publishing.MaxFailed)
	})
	all := slices.Concat(answers...)
	slices.SortFunc(all, func(a, b counting.DeadLetter) int { return cmp.Compare(a.Key, b.Key) })
	all = slices.CompactFunc(all, func(a, b counting.DeadLetter) bool { return a.Key == b.Key })
	return all[:min(len(all), publishing.MaxFailed)], err
}
