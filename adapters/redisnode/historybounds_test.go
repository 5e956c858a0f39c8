package redisnode_test

import (
	"bufio"
	"fmt"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"footfall/domain/counting"
	"footfall/test/check"
	"footfall/test/conformance"
	"footfall/test/servers"
)

const (
	// boundKeys is the most keys that one script may read, and the most that it may delete.
	boundKeys = 1000
	// manyPages and manyHours are the history of an arc of these tests.
	manyPages, manyHours = 60, 720
)

// observed is a server with a monitor of what scripts do.
type observed struct {
	node
	t     *testing.T
	lines chan string
	marks int
}

func observe(t *testing.T, n node) *observed {
	w := &observed{node: n, t: t, lines: make(chan string, 1024)}
	conn := check.Value(net.Dial("tcp", n.server.Addr))(t)
	t.Cleanup(func() { _ = conn.Close() })
	check.Value(conn.Write([]byte("MONITOR\r\n")))(t)
	answers := bufio.NewReader(conn)
	check.Equal(t, check.Value(answers.ReadString('\n'))(t), "+OK\r\n", "the answer of MONITOR")
	go func() {
		for {
			line, err := answers.ReadString('\n')
			if err != nil {
				return
			}
			select {
			case w.lines <- strings.TrimSpace(line):
			case <-t.Context().Done():
				return
			}
		}
	}()
	return w
}

// script is what one run of a script did with keys.
type script struct{ used, deleted map[string]bool }

// during returns the scripts that run while something is done.
func (w *observed) during(do func()) []script {
	w.t.Helper()
	w.marks++
	mark, all := fmt.Sprint("mark ", w.marks), make(chan []script, 1)
	go func() {
		var some []script
		for {
			select {
			case line := <-w.lines:
				if strings.Contains(line, mark) {
					all <- some
					return
				}
				some = noteScript(some, line)
			case <-w.t.Context().Done():
				return
			}
		}
	}()
	do()
	w.do(w.t, "echo", mark)
	select {
	case some := <-all:
		return some
	case <-time.After(time.Minute):
		w.t.Fatal("the monitor is silent")
		return nil
	}
}

// noteScript adds a line of a monitor to the scripts, of which the last one is running: time, [database client],
// "command", "key", ...
func noteScript(all []script, line string) []script {
	_, rest, _ := strings.Cut(line, "[")
	by, rest, _ := strings.Cut(rest, "] \"")
	command, keys, _ := strings.Cut(strings.TrimSuffix(rest, "\""), "\" \"")
	command, isScript := strings.ToUpper(command), strings.HasSuffix(by, " lua")
	switch {
	case !isScript && strings.HasPrefix(command, "EVAL"):
		return append(all, script{make(map[string]bool), make(map[string]bool)})
	case !isScript || len(all) == 0 || keys == "":
		return all
	case !slices.Contains([]string{"EXISTS", "UNLINK", "DEL"}, command): // the others have one key
		keys, _, _ = strings.Cut(keys, "\" \"")
	}
	last := all[len(all)-1]
	for key := range strings.SplitSeq(keys, "\" \"") {
		last.used[key] = true
		if command == "UNLINK" || command == "DEL" {
			last.deleted[key] = true
		}
	}
	return all
}

// bounded checks that no script uses or deletes too many keys while something is done, and returns the most that
// one has used.
func (w *observed) bounded(what string, do func()) (most int) {
	w.t.Helper()
	begin := time.Now()
	all := w.during(do)
	took, deleted := time.Since(begin), 0
	for _, s := range all {
		most, deleted = max(most, len(s.used)), max(deleted, len(s.deleted))
	}
	w.t.Logf("%s: %d scripts in %v; one uses %d keys at most, and deletes %d", what, len(all), took.Round(time.Millisecond), most, deleted)
	if len(all) == 0 || most > boundKeys || deleted > boundKeys {
		w.t.Errorf("%s: of %d scripts one uses %d keys, and one deletes %d", what, len(all), most, deleted)
	}
	return most
}

// fill places visits of some pages of an arc in the last hours, as batches did.
func (n node) fill(t *testing.T, session counting.Session, arc counting.Arc, pages, hours int) {
	t.Helper()
	now := time.Now()
	for hour := range hours {
		b := &counting.Batch{Epoch: 1, Session: session, Seq: int64(hour + 1), At: now.Add(-time.Duration(hours-hour) * time.Hour), Clock: conformance.AnyTime()}
		for i := range pages {
			b.Visits = append(b.Visits, counting.Visit{Arc: arc, Page: page(i), Count: 1 + int64(i)})
		}
		check.Value(n.Apply(t.Context(), b))(t)
	}
}

// keepMonths begins the history of a node long ago.
func keepMonths(t *testing.T, n counting.Histories) {
	t.Helper()
	setting := check.Value(counting.ParseHistory("1h:32d,1d:400d"))(t)
	check.Value(n.KeepHistory(t.Context(), setting, time.Now().AddDate(0, 0, -60), false, conformance.AnyTime()))(t)
}

// P11: no script reads or deletes more than 1,000 keys, however much history an arc has, and
// whether it is packed or not.
func TestP11NoScriptReadsOrDeletesMoreThanAThousandKeys(t *testing.T) {
	t.Parallel()
	from, to := atSource(t, servers.StartRedis(t, "--appendfsync", "no")), atDestination(t, servers.StartRedis(t, "--appendfsync", "no"))
	to.arc = from.arc
	keepMonths(t, from)
	from.fill(t, "many", from.arc, manyPages, manyHours)
	from.fill(t, "few", from.arc+1, manyPages/6, manyHours)
	source := observe(t, from.node)

	at := counting.Located{Arc: from.arc, Page: page(1)}
	read := source.bounded("read", func() { check.Value(from.ReadHistory(t.Context(), counting.Expected{Epoch: 1}, at))(t) })
	check.Equal(t, read > manyHours, true, "is the history in many keys")
	from.do(t, moving.fence, moving.open)
	to.do(t, moving.fence, moving.open)
	keepMonths(t, to)
	destination := observe(t, to.node)

	marked := 0
	source.bounded("claim", func() { from.do(t, moving.claim) })
	destination.bounded("import", func() {
		source.bounded("fetch", func() { _, marked = from.copyTo(t, to) })
	})
	source.bounded("retire", func() { check.Must(t, from.RetireArc(t.Context(), 2, from.arc, marked)) })
	destination.bounded("close", func() { check.Must(t, to.CloseArc(t.Context(), 2, to.arc, marked)) })
	h := check.Value(to.ReadHistory(t.Context(), counting.Expected{Epoch: 2}, at))(t)
	check.Equal(t, len(check.Value(h.Buckets())(t)), manyHours, "buckets of a page that has moved")

	source.bounded("compact open buckets", func() { compactAll(t, from) })
	check.Equal(t, len(from.keys(t, fmt.Sprint("ff:h:*:", from.arc+1))) <= 2, true, "are the buckets packed")
	destination.bounded("compact packed ones", func() { compactAll(t, to) })
	for range 3 {
		destination.bounded("drop", func() { dropAll(t, to) })
	}
	source.bounded("turn off", func() {
		check.Value(from.KeepHistory(t.Context(), counting.HistorySetting{}, time.Time{}, true, conformance.AnyTime()))(t)
		compactAll(t, from)
	})
	check.Equal(t, len(from.keys(t, "ff:h*")), 0, "keys that are left")
}

func dropAll(t *testing.T, n counting.Histories) {
	t.Helper()
	for cursor, more := "", true; more; more = cursor != "" {
		cursor = check.Value(n.DropHistory(t.Context(), conformance.AnyTime(), cursor))(t)
	}
}

// P11: arcs whose pages were deleted are claimed together, and have histories.
func TestP11DeletedPagesLeaveNoMoreKeysThanAScriptMayDelete(t *testing.T) {
	t.Parallel()
	from := atSource(t, servers.StartRedis(t, "--appendfsync", "no"))
	keepMonths(t, from)
	var arcs []counting.Arc
	for _, m := range from.after.Moves() {
		if m.Arc != from.arc && len(arcs) < counting.MaxTogether {
			arcs = append(arcs, m.Arc)
		}
	}
	now := time.Now()
	for hour := range 48 {
		b := &counting.Batch{Epoch: 1, Session: "many", Seq: int64(hour + 1), At: now.Add(-time.Duration(48-hour) * time.Hour), Clock: conformance.AnyTime()}
		for _, arc := range arcs {
			b.Visits = append(b.Visits, counting.Visit{Arc: arc, Page: page(1), Count: 1})
		}
		check.Value(from.Apply(t.Context(), b))(t)
	}
	deleted := &counting.Batch{Epoch: 1, Session: "many", Seq: 49, Clock: conformance.AnyTime()}
	for _, arc := range arcs {
		deleted.SetCounts = append(deleted.SetCounts, counting.SetCount{Arc: arc, Page: page(1), Delete: true})
	}
	check.Equal(t, len(check.Value(from.Apply(t.Context(), deleted))(t).Refused), 0, "refused")
	from.do(t, moving.fence, moving.open)
	source := observe(t, from.node)
	source.bounded("claim of many arcs", func() {
		for _, f := range check.Value(from.ClaimArcs(t.Context(), 2, arcs))(t) {
			check.Equal(t, f, counting.FrozenPages{Stage: counting.Frozen}, "what is left of deleted pages")
		}
	})
	source.bounded("retire", func() {
		check.Must(t, from.RetireArc(t.Context(), 2, arcs[0], 0))
	})
	check.Equal(t, len(from.keys(t, fmt.Sprint("ff:h*:", arcs[0]))), 0, "keys that are left")
}

// P11: a batch that sets counts uses 1,000 keys at most: with histories of two days of quarters in each arc, and when
// the clocks disagree. What is refused then is set by another batch.
func TestP11BatchesThatSetCountsUseAThousandKeysAtMost(t *testing.T) {
	t.Parallel()
	const arcs, few, quarters, fewQuarters = 220, 4, 200, 20 // that a batch may set, and may restore
	n := joined(t, servers.StartRedis(t, "--appendfsync", "no"))
	setting := check.Value(counting.ParseHistory("15m:32d,1d:400d"))(t)
	now := time.Now()
	check.Value(n.KeepHistory(t.Context(), setting, now.AddDate(0, 0, -3), false, conformance.AnyTime()))(t)
	for i := range quarters {
		b := &counting.Batch{Epoch: 1, Session: "fill", Seq: int64(i + 1), At: now.Add(-time.Duration(i) * 15 * time.Minute), Clock: conformance.AnyTime()}
		for arc := range arcs {
			if arc < few || i < fewQuarters {
				b.Visits = append(b.Visits, counting.Visit{Arc: counting.Arc(arc), Page: page(arc), Count: 1})
			}
		}
		check.Value(n.Apply(t.Context(), b))(t)
	}
	w, seq := observe(t, n), int64(0)
	set := func(what string, clock counting.Clock, pages int, h counting.Packed) (refused int) {
		t.Helper()
		seq++
		b := &counting.Batch{Epoch: 1, Session: "set", Seq: seq, Clock: clock}
		for arc := range pages {
			b.SetCounts = append(b.SetCounts, counting.SetCount{Arc: counting.Arc(arc), Page: page(arc), Count: seq, History: h})
		}
		w.bounded(what, func() {
			r := check.Value(n.Apply(t.Context(), b))(t)
			for _, refusal := range r.Refused {
				check.Equal(t, refusal.Reason, counting.WrongClock, "reason of item %d", refusal.Item)
			}
			refused = len(r.Refused)
		})
		return refused
	}
	right := counting.Clock{Now: now, MaxSkew: time.Hour}
	ahead, behind := counting.Clock{Now: now.AddDate(0, 0, 1), MaxSkew: time.Hour}, counting.Clock{Now: now.AddDate(0, 0, -1), MaxSkew: time.Hour}
	check.Equal(t, set("restore", right, few, counting.Restored(now)), 0, "items that are refused")
	check.Equal(t, set("set", right, arcs, ""), 0, "items that are refused")
	check.Equal(t, set("set by a caller that is ahead", ahead, arcs, ""), 0, "items that are refused")
	refused := set("set by a caller that is behind", behind, arcs, "")
	check.Equal(t, refused > 0 && refused < arcs, true, "%d of %d items are refused by a caller that is behind", refused, arcs)
	for arc := range arcs {
		h := check.Value(n.ReadHistory(t.Context(), counting.Expected{Epoch: 1}, counting.Located{Arc: counting.Arc(arc), Page: page(arc)}))(t)
		want := seq
		if arc >= arcs-refused {
			want--
		}
		check.Equal(t, h.Visits, want, "visits of page %d", arc)
		check.Equal(t, len(check.Value(h.Buckets())(t)), 0, "buckets of page %d", arc)
	}
}
