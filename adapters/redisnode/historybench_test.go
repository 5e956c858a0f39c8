package redisnode_test

import (
	"cmp"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"text/tabwriter"
	"time"

	"github.com/redis/go-redis/v9"

	"footfall/domain/counting"
	"footfall/test/check"
	"footfall/test/conformance"
	"footfall/test/servers"
)

// kept is a node with histories, and its server.
type kept struct {
	*testing.B
	node
	client *redis.Client
	state  counting.HistoryState
	now    time.Time
}

// startKept starts a node that has kept history for more than a year.
func startKept(b *testing.B, setting string, args ...string) *kept {
	b.Helper()
	n := joined(b, servers.StartRedis(b, append([]string{"--slowlog-max-len", "100000", "--slowlog-log-slower-than", "-1", "--auto-aof-rewrite-percentage", "0"}, args...)...))
	k := &kept{B: b, node: n, client: n.server.Client(), now: time.Now()}
	b.Cleanup(func() { _ = k.client.Close() })
	h := check.Value(counting.ParseHistory(setting))(b)
	k.state = check.Value(n.KeepHistory(b.Context(), h, k.now.AddDate(-2, 0, 0), false, conformance.AnyTime()))(b)
	return k
}

// name is that of a page, of some bytes.
func name(arc, page, bytes int) string { return fmt.Sprintf("/%0*d", bytes-1, arc*1000+page) }

// store stores histories of pages that were visited in every unit: all that the setting keeps is packed as it was
// a day ago, and the buckets since then are open.
func (k *kept) store(arcs, pages, bytes int) {
	k.Helper()
	h, today := k.state.Setting, k.now.UTC().Truncate(24*time.Hour)
	var packed counting.Packed
	add := func(u counting.Unit, visits int64) { packed = packed.Append(counting.Bucket{Unit: u, Visits: visits}) }
	for day := -h.Days - 1; day < -h.SmallDays-1; day++ {
		add(counting.DayUnit(today.AddDate(0, 0, day)), 2000)
	}
	opened := k.now.Add(-25 * time.Hour).Truncate(h.Unit)
	for at := today.AddDate(0, 0, -h.SmallDays-1); at.Before(opened); at = at.Add(h.Unit) {
		add(h.UnitAt(at), 83)
	}
	for arc := range arcs {
		list, histories := "0,", make([]string, 0, 2*pages)
		for page := range pages {
			histories = append(histories, name(arc, page, bytes), string(packed))
		}
		for at := opened; !at.After(k.now); at = at.Add(h.Unit) {
			visits := make([]any, 0, 2*pages)
			for page := range pages {
				visits = append(visits, name(arc, page, bytes), 83)
			}
			check.Must(k, k.client.HSet(k.Context(), fmt.Sprintf("ff:h:%d:%d", h.UnitAt(at), arc), visits...).Err())
			list += strconv.Itoa(int(h.UnitAt(at))) + ","
		}
		check.Must(k, k.client.HSet(k.Context(), fmt.Sprintf("ff:hp:%d", arc), append(histories, "", list)).Err())
	}
}

// figures are of calls of a script, by the server. cpu is its CPU time, with a call of INFO.
type figures struct {
	calls     int
	cpu, took []time.Duration
}

// measure measures the calls that each makes one of, until it returns false.
func (k *kept) measure(each func() bool) (f figures) {
	k.Helper()
	check.Must(k, k.client.Do(k.Context(), "SLOWLOG", "RESET").Err())
	check.Must(k, k.client.ConfigSet(k.Context(), "slowlog-log-slower-than", "0").Err())
	before := k.spent()
	for more := true; more; f.calls++ {
		more = each()
		after := k.spent()
		f.cpu = append(f.cpu, after-before)
		before = after
	}
	check.Must(k, k.client.ConfigSet(k.Context(), "slowlog-log-slower-than", "-1").Err())
	for _, e := range check.Value(k.client.SlowLogGet(k.Context(), -1).Result())(k) {
		if strings.HasPrefix(strings.ToLower(e.Args[0]), "eval") {
			f.took = append(f.took, e.Duration)
		}
	}
	slices.Sort(f.cpu)
	slices.Sort(f.took)
	return f
}

// spent is the CPU time of the server so far.
func (k *kept) spent() (sum time.Duration) {
	info := check.Value(k.client.Info(k.Context(), "cpu").Result())(k)
	for _, field := range []string{"used_cpu_sys_main_thread:", "used_cpu_user_main_thread:"} {
		_, after, _ := strings.Cut(info, field)
		seconds := check.Value(strconv.ParseFloat(strings.SplitN(after, "\r", 2)[0], 64))(k)
		sum += time.Duration(seconds * float64(time.Second))
	}
	return sum
}

func printed(columns ...string) *tabwriter.Writer {
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	_, _ = fmt.Fprintln(w, "\n"+strings.Join(columns, "\t"))
	return w
}

// spread is the median, the 99th of a hundred, and the longest of some times in order.
func spread(all []time.Duration) string {
	ms := func(i int) string { return fmt.Sprintf("%.2f", all[i].Seconds()*1e3) }
	return strings.Join([]string{ms(len(all) / 2), ms(len(all) * 99 / 100), ms(len(all) - 1)}, "\t")
}

// BenchmarkHistoryCompact measures the scripts of a day's compaction, and those of a read.
func BenchmarkHistoryCompact(b *testing.B) {
	w := printed("setting", "pages/arc", "script", "calls", "CPU ms p50", "p99", "max", "took ms p50", "p99", "max")
	for _, setting := range []string{"1h:32d,1d:400d", "15m:32d,1d:400d", "15m:104d,1d:4000d"} {
		for _, pages := range []int{1, 10, 60, 600} {
			k := startKept(b, setting)
			k.store(max(1, 120/pages), pages, 24)
			row := func(script string, f figures) {
				_, _ = fmt.Fprintf(w, "%s\t%d\t%s\t%d\t%s\t%s\n", setting, pages, script, f.calls, spread(f.cpu), spread(f.took))
			}
			cursor, left := "", 500
			k.load()
			row("compact", k.measure(func() bool {
				cursor = check.Value(k.Compact(b.Context(), conformance.AnyTime(), cursor))(b)
				return cursor != ""
			}))
			row("read_history", k.measure(func() bool {
				k.read(left % pages)
				left--
				return left > 0
			}))
			_ = w.Flush()
		}
	}
}

// load has the server load the scripts, which takes longer than they do.
func (k *kept) load() {
	k.Helper()
	k.read(0)
	never := counting.Clock{Now: k.now.AddDate(-9, 0, 0), MaxSkew: time.Second}
	check.Value(k.Compact(k.Context(), never, ""))(k)
}

func (k *kept) read(page int) {
	k.Helper()
	check.Value(k.ReadHistory(k.Context(), counting.Expected{Epoch: 1}, counting.Located{Arc: 0, Page: counting.Page(name(0, page, 24))}))(k)
}

// BenchmarkHistoryMemory measures the memory of pages that were visited in each of 720 hours, once all of them but
// the present one are packed, and before the last day of them is: what a page has in its arc's keys.
func BenchmarkHistoryMemory(b *testing.B) {
	w := printed("pages/arc", "name B", "visits an hour", "packed: B a page", "with a day of open hours")
	for _, pages := range []int{1, 10, 60} {
		for _, bytes := range []int{16, 24, 40, 65} {
			for _, most := range []int{1, 999, 100_000} {
				k := startKept(b, "1h:32d,1d:400d", "--appendonly", "no")
				before := k.visitHours(0, pages, bytes, most, 720-26, -26)
				k.visitHours(before, pages, bytes, most, 26, 0)
				open := k.memory(0)
				for cursor, more := "", true; more; more = cursor != "" {
					cursor = check.Value(k.Compact(b.Context(), conformance.AnyTime(), cursor))(b)
				}
				_, _ = fmt.Fprintf(w, "%d\t%d\t%d\t%d\t%d\n", pages, bytes, most, k.memory(0)/int64(pages), open/int64(pages))
			}
			_ = w.Flush()
		}
	}
}

// visitHours visits all pages of arc 0 in each of some hours, of which the last one ends some hours from the present
// one, and compacts it all but for the last call's. It returns the number of batches.
func (k *kept) visitHours(seq int64, pages, bytes, most, hours, last int) int64 {
	k.Helper()
	for hour := 1; hour <= hours; hour++ {
		seq++
		at := k.now.Add(time.Duration(last+hour-hours) * time.Hour)
		batch := &counting.Batch{Epoch: 1, Session: "hours", Seq: seq, At: at, Clock: conformance.AnyTime()}
		for page := range pages {
			visits := int64(1 + (page*7919+hour*104729)%most)
			batch.Visits = append(batch.Visits, counting.Visit{Arc: 0, Page: counting.Page(name(0, page, bytes)), Count: visits})
		}
		r := check.Value(k.Apply(k.Context(), batch))(k)
		check.Equal(k, len(r.Refused), 0, "refused")
		check.Equal(k, r.At.Unix(), at.Unix(), "placed")
	}
	for cursor, more := "", last < 0; more; more = cursor != "" {
		cursor = check.Value(k.Compact(k.Context(), conformance.AnyTime(), cursor))(k)
	}
	return seq
}

// memory is that of the keys with the histories of an arc.
func (k *kept) memory(arc int) (sum int64) {
	k.Helper()
	for _, pattern := range []string{"ff:h:*:%d", "ff:hp:%d"} {
		for _, key := range check.Value(k.client.Keys(k.Context(), fmt.Sprintf(pattern, arc)).Result())(k) {
			sum += check.Value(k.client.MemoryUsage(k.Context(), key, 0).Result())(k)
		}
	}
	return cmp.Or(sum, -1)
}
