package chaos

import (
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"footfall/domain/counting"
)

// Diary is when the visits of pages were sent and answered. It is safe for concurrent use. A nil one
// notes nothing.
type Diary struct {
	// Now is the time by clocks that are right.
	Now func() time.Time
	// Skew is how far the clock of a node that places visits is off, at most.
	Skew time.Duration
	// Patience is how long a request may take of which all is certainly placed.
	Patience time.Duration

	mu       sync.Mutex
	mentions map[counting.Page][]*Mention
	troubles []*span
}

// Mention is of visits that were sent.
type Mention struct {
	Page  counting.Page
	Count int64

	diary   *Diary
	sent    span
	outcome Outcome
	certain bool // that they are placed
}

// span is a part of time. It has no end while to is zero.
type span struct{ from, to time.Time }

func (s span) meets(o span) bool {
	return (s.to.IsZero() || !o.from.After(s.to)) && (o.to.IsZero() || !s.from.After(o.to))
}

// Send notes visits that are about to be sent.
func (d *Diary) Send(v counting.Visit) *Mention {
	if d == nil {
		return nil
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	m := &Mention{Page: v.Page, Count: v.Count, diary: d, sent: span{from: d.Now().Add(-d.Skew)}, outcome: Unknown}
	if d.mentions == nil {
		d.mentions = make(map[counting.Page][]*Mention)
	}
	d.mentions[v.Page] = append(d.mentions[v.Page], m)
	return m
}

// Settle notes what became of them. What is in doubt may be placed at any time.
func (m *Mention) Settle(o Outcome) {
	if m == nil {
		return
	}
	d := m.diary
	d.mu.Lock()
	defer d.mu.Unlock()
	if m.outcome = o; o != Acknowledged {
		return
	}
	m.sent.to = d.Now().Add(d.Skew)
	m.certain = m.sent.to.Sub(m.sent.from) <= d.Patience+2*d.Skew &&
		!slices.ContainsFunc(d.troubles, func(t *span) bool { return t.meets(m.sent) })
}

// Trouble notes that visits may not be placed from now on, until its result is called.
func (d *Diary) Trouble() (over func()) {
	d.mu.Lock()
	defer d.mu.Unlock()
	t := &span{from: d.Now()}
	d.troubles = append(d.troubles, t)
	return func() {
		d.mu.Lock()
		defer d.mu.Unlock()
		t.to = d.Now()
	}
}

// Place notes visits that a node has placed.
func (d *Diary) Place(v counting.Visit, at time.Time) {
	m := d.Send(v)
	d.mu.Lock()
	defer d.mu.Unlock()
	m.sent, m.outcome, m.certain = span{at, at}, Acknowledged, true
}

// Restart forgets a page, but for what is in doubt.
func (d *Diary) Restart(page counting.Page) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.mentions[page] = slices.DeleteFunc(d.mentions[page], func(m *Mention) bool { return m.outcome != Unknown })
}

// Of is what is noted about a page now.
func (d *Diary) Of(page counting.Page) (all []Mention) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, m := range d.mentions[page] {
		all = append(all, *m)
	}
	return all
}

// Compare tells what is wrong with the history of a page; empty is nothing. Before it was read, before was noted, and after
// when it had been. Now is the latest time that a clock has shown.
func Compare(h counting.PageHistory, before, after []Mention, now time.Time) string {
	buckets, err := h.Buckets()
	if err != nil {
		return err.Error()
	}
	setting, today := h.State.Setting, now.UTC().Truncate(24*time.Hour)
	got, summed, sum := make(map[counting.Unit]int64), make(map[counting.Unit]bool), int64(0)
	for _, b := range buckets {
		day := counting.DayUnit(b.Unit.Start())
		summed[day] = summed[day] || b.Unit == day
		sum += b.Visits
		if got[day] += b.Visits; b.Unit != day {
			got[b.Unit] += b.Visits
		}
	}
	if sum > h.Visits {
		return fmt.Sprintf("%d visits are in buckets, of %d", sum, h.Visits)
	}
	small := expect(before, after, setting.UnitAt)
	days := expect(before, after, counting.DayUnit)
	units := slices.Collect(maps.Keys(got))
	units = slices.AppendSeq(slices.AppendSeq(units, maps.Keys(small.least)), maps.Keys(days.least))
	for _, u := range units {
		day, want := counting.DayUnit(u.Start()), days
		if u != day {
			want = small
		}
		least, most := want.least[u], want.of(u)
		if u.Start().Before(h.State.Since) || u.Start().Before(today.AddDate(0, 0, -setting.Days)) {
			least = 0
		}
		if (u == day || !summed[day]) && (got[u] < least || got[u] > most) {
			return fmt.Sprintf("%v from %s has %d visits, want %d to %d", u.Length(), u.Start().Format(time.RFC3339), got[u], least, most)
		}
	}
	return ""
}

// bounds are what units of one kind may have.
type bounds struct {
	least, most map[counting.Unit]int64
	endless     map[counting.Unit]int64 // what is in doubt, by the unit since which it may come
}

func expect(before, after []Mention, unit func(time.Time) counting.Unit) bounds {
	b := bounds{make(map[counting.Unit]int64), make(map[counting.Unit]int64), make(map[counting.Unit]int64)}
	for _, m := range before {
		if u := unit(m.sent.from); m.certain && u == unit(m.sent.to) {
			b.least[u] += m.Count
		}
	}
	for _, m := range after {
		switch u := unit(m.sent.from); {
		case m.outcome == Refused:
		case m.sent.to.IsZero():
			b.endless[u] += m.Count
		default:
			for last := unit(m.sent.to); u <= last; u++ {
				b.most[u] += m.Count
			}
		}
	}
	return b
}

// of is the most that a unit may have.
func (b bounds) of(u counting.Unit) int64 {
	most := b.most[u]
	for since, n := range b.endless {
		if since <= u {
			most += n
		}
	}
	return most
}
