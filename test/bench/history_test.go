package bench_test

import (
	"cmp"
	_ "embed"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"text/tabwriter"
	"time"

	"github.com/redis/go-redis/v9"

	"footfall/test/check"
	"footfall/test/servers"
)

//go:embed testdata/history.lua
var historyScripts string

// firstHour is the first hour of a day.
const firstHour = 497_640

// layouts is a server with pages in one or more layouts of their counts over time.
type layouts struct {
	b       *testing.B
	client  *redis.Client
	scripts map[string]*redis.Script
	seq     int
}

// BenchmarkHistoryLayout measures layouts of counts over time in Redis, in CPU time of the
// server: visits, memory, the move of closed hours, and reads.
func BenchmarkHistoryLayout(b *testing.B) {
	for name, part := range map[string]func(*layouts){
		"visits": (*layouts).visits, "buckets": (*layouts).buckets,
		"months": (*layouts).months, "folds": (*layouts).folds, "reads": (*layouts).reads,
	} {
		b.Run(name, func(b *testing.B) {
			server := servers.StartRedis(b, "--appendfsync", "everysec", "--auto-aof-rewrite-percentage", "0",
				"--slowlog-log-slower-than", "-1", "--slowlog-max-len", "100000")
			l := &layouts{b: b, client: redis.NewClient(&redis.Options{Addr: server.Addr, ReadTimeout: time.Minute, MaxRetries: -1}), scripts: make(map[string]*redis.Script)}
			defer func() { _ = l.client.Close() }()
			for _, function := range []string{"apply", "fill", "fold", "history"} {
				l.scripts[function] = redis.NewScript(historyScripts + "return " + function + "(unpack(ARGV)) or 'OK'")
			}
			part(l)
		})
	}
}

// table is a new table of some columns.
func (l *layouts) table(columns string) *table {
	t := &table{tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)}
	fmt.Println()
	t.row(strings.Split(columns, ",")...)
	return t
}

func (l *layouts) set(name, value string) {
	check.Must(l.b, l.client.ConfigSet(l.b.Context(), name, value).Err())
}

func (l *layouts) run(function string, args ...any) {
	check.Must(l.b, l.scripts[function].Run(l.b.Context(), l.client, []string{"ff:"}, args...).Err())
}

// info is a number that the server has of itself.
func (l *layouts) info(section, name string) float64 {
	_, after, _ := strings.Cut(check.Value(l.client.Info(l.b.Context(), section).Result())(l.b), "\n"+name+":")
	return check.Value(strconv.ParseFloat(strings.SplitN(after, "\r", 2)[0], 64))(l.b)
}

// cpu is the CPU time of the server while f runs, in microseconds.
func (l *layouts) cpu(f func()) float64 {
	spent := func() float64 { return l.info("cpu", "used_cpu_sys") + l.info("cpu", "used_cpu_user") }
	before := spent()
	f()
	return 1e6 * (spent() - before)
}

// fill empties the server and stores hours of some arcs. kinds are those of the script.
// It returns the memory that was used.
func (l *layouts) fill(kinds []string, arcs, perArc, name, hours, most int, packing string) float64 {
	check.Must(l.b, l.client.FlushAll(l.b.Context()).Err())
	before := l.info("memory", "used_memory")
	for _, kind := range kinds {
		for arc := range arcs {
			for page := arc * perArc; page < (arc+1)*perArc; page += 32 { // in short steps
				l.run("fill", kind, arc, page, min(page+32, (arc+1)*perArc)-1, name, firstHour, hours, most, packing)
			}
		}
	}
	return l.info("memory", "used_memory") - before
}

// batches are 16,384 visits, as scripts get them.
func batches(arcs, perArc, name, size int, sorted bool) [][]byte {
	var all [][]byte
	for left := 1 << 14; left > 0; left -= size {
		pages := make([]int, min(size, left))
		for i := range pages {
			pages[i] = rand.IntN(arcs * perArc)
		}
		if sorted {
			slices.SortFunc(pages, func(a, b int) int { return cmp.Compare(a/perArc, b/perArc) })
		}
		b := binary.BigEndian.AppendUint16([]byte{0xdc}, uint16(3*len(pages)))
		for _, page := range pages {
			for _, s := range []string{strconv.Itoa(page / perArc), fmt.Sprintf("/%0*d", name-1, page), "1"} {
				b = append(append(b, 0xd9, byte(len(s))), s...)
			}
		}
		all = append(all, b)
	}
	return all
}

// visits measures a visit in each layout, of a bucket that is there, and of a new one.
func (l *layouts) visits() {
	kinds := []string{"page", "hour", "field", "key", "value"}
	t := l.table("pages/arc,name,batch,order,page us,+hour hash,+field,+key,one value,new: hour hash,field,key,one value")
	for _, perArc := range []int{1, 8, 61, 610} {
		arcs := min(1<<14/3, 1<<19/perArc)
		for _, name := range []int{16, 40, 65} {
			l.fill([]string{"c", "h", "b", "k", "p"}, arcs, perArc, name, 1, 9, "text")
			for _, size := range []int{16, 85, 512} {
				for _, sorted := range []bool{false, true} {
					row := []string{fmt.Sprint(perArc), fmt.Sprint(name), fmt.Sprint(size), map[bool]string{false: "random", true: "by arc"}[sorted]}
					asked := kinds[:2]
					if size == 85 && !sorted {
						asked = kinds
					}
					known, fresh := make([][]float64, len(kinds)), make([][]float64, len(kinds))
					for turn := range 5 {
						all := batches(arcs, perArc, name, size, sorted)
						for i, kind := range asked {
							known[i] = append(known[i], l.apply(kind, firstHour, all))
							if len(asked) > 2 && turn < 3 {
								fresh[i] = append(fresh[i], l.apply(kind, firstHour+1+turn, all))
							}
						}
					}
					for _, turns := range append(known, fresh[1:]...) {
						row = append(row, middle(turns))
					}
					t.row(row...)
				}
			}
			_ = t.Flush()
		}
	}
}

// apply returns the CPU time of a visit in microseconds.
func (l *layouts) apply(layout string, hour int, all [][]byte) float64 {
	return l.cpu(func() {
		for _, visits := range all {
			l.seq++
			l.run("apply", layout, "session", l.seq, hour, visits)
		}
	}) / (1 << 14)
}

// middle is the median of some figures, or nothing.
func middle(turns []float64) string {
	if len(turns) == 0 {
		return ""
	}
	slices.Sort(turns)
	return fmt.Sprintf("%.2f", turns[len(turns)/2])
}

// buckets measures the memory of a page, and of its first bucket.
func (l *layouts) buckets() {
	l.withoutFile()
	t := l.table("pages/arc,name,page B,hour hash,field,key,one value")
	for _, perArc := range []int{1, 8, 61, 610} {
		arcs := min(1<<14/3, 1<<17/perArc)
		for _, name := range []int{16, 40, 65} {
			row := []string{fmt.Sprint(perArc), fmt.Sprint(name)}
			page := 0.0
			for _, kind := range []string{"c", "h", "b", "k", "p"} {
				each := l.fill([]string{kind}, arcs, perArc, name, 1, 9, "text") / float64(arcs*perArc)
				page = cmp.Or(page, each)
				if kind == "p" {
					each -= page
				}
				row = append(row, fmt.Sprintf("%.1f", each))
			}
			t.row(row...)
		}
	}
	_ = t.Flush()
}

// months measures the memory of a page that was visited in each of 720 hours.
func (l *layouts) months() {
	l.withoutFile()
	t := l.table("pages/arc,name,counts to,hour hashes B,24 hours: msgpack,varint,12 hours: varint,one value: msgpack,varint")
	for _, perArc := range []int{1, 8, 60, 610} {
		arcs := max(1, 256/perArc)
		for _, name := range []int{16, 24, 40, 65} {
			for _, most := range []int{999, 100_000} {
				row := []string{fmt.Sprint(perArc), fmt.Sprint(name), fmt.Sprint(most)}
				for _, k := range [][]string{{"h", "text"}, {"24", "msgpack"}, {"24", "varint"}, {"12", "varint"}, {"H", "msgpack"}, {"H", "varint"}} {
					row = append(row, fmt.Sprintf("%.0f", l.fill(k[:1], arcs, perArc, name, 720, most, k[1])/float64(arcs*perArc)))
				}
				t.row(row...)
			}
			_ = t.Flush()
		}
	}
}

// withoutFile has the server write no file: its buffers would be measured with the keys.
func (l *layouts) withoutFile() {
	l.set("appendonly", "no")
	l.fill([]string{"h"}, 64, 64, 16, 1, 9, "text") // what the server allocates once
}

// folds measures the move of closed hours, while pages have 15 days of history.
func (l *layouts) folds() {
	t := l.table("pages/arc,name,into,packing,hours at once,us per page and hour,AOF B per page and hour,script ms p50,max")
	for _, perArc := range []int{8, 61, 610} {
		arcs := max(1, 2048/perArc)
		for _, into := range []string{"24", "H"} {
			for _, packing := range []string{"text", "msgpack", "varint"} {
				for _, hours := range []int{1, 6, 24} {
					l.fill([]string{into}, arcs, perArc, 24, 360, 99, packing)
					for arc := range arcs {
						l.run("fill", "h", arc, arc*perArc, (arc+1)*perArc-1, 24, firstHour+360, 24, 99, packing)
					}
					written := l.written()
					us, p50, longest := l.calls(func() {
						for first := 0; first < 24; first += hours {
							for arc := range arcs {
								l.run("fold", into, packing, arc, firstHour+360+first, hours)
							}
						}
					})
					each := float64(24 * arcs * perArc)
					t.row(fmt.Sprint(perArc), "24", into, packing, fmt.Sprint(hours), fmt.Sprintf("%.2f", us/each),
						fmt.Sprintf("%.0f", (l.written()-written)/each), p50, longest)
				}
			}
		}
		_ = t.Flush()
	}
}

// written is the size of the server's file when it has written all.
func (l *layouts) written() float64 {
	for l.info("persistence", "aof_buffer_length") > 0 {
		time.Sleep(10 * time.Millisecond)
	}
	return l.info("persistence", "aof_current_size")
}

// calls is the CPU time of the server while f runs, in microseconds, and the median and the
// longest time of a script meanwhile.
func (l *layouts) calls(f func()) (us float64, p50, longest string) {
	check.Must(l.b, l.client.Do(l.b.Context(), "SLOWLOG", "RESET").Err())
	l.set("slowlog-log-slower-than", "0")
	us = l.cpu(f)
	l.set("slowlog-log-slower-than", "-1")
	var times []time.Duration
	for _, e := range check.Value(l.client.SlowLogGet(l.b.Context(), -1).Result())(l.b) {
		if strings.EqualFold(e.Args[0], "evalsha") {
			times = append(times, e.Duration)
		}
	}
	slices.Sort(times)
	ms := func(d time.Duration) string { return fmt.Sprintf("%.3f", d.Seconds()*1e3) }
	return us, ms(times[len(times)/2]), ms(times[len(times)-1])
}

// reads measures reads of 720 hours of a page.
func (l *layouts) reads() {
	t := l.table("pages/arc,name,layout,open hours,us per read,script ms p50,max")
	for _, perArc := range []int{1, 8, 61, 610} {
		arcs := max(1, 128/perArc)
		for _, layout := range []string{"h", "24", "12", "H"} {
			open := map[string]int{"h": 720, "24": 24, "12": 12, "H": 8}[layout]
			l.fill(slices.Compact([]string{"h", layout}), arcs, perArc, 24, 720, 99, "msgpack")
			us, p50, longest := l.calls(func() {
				for range 2000 {
					page := rand.IntN(arcs * perArc)
					l.run("history", layout, page/perArc, fmt.Sprintf("/%0*d", 23, page), firstHour, 720, open)
				}
			})
			t.row(fmt.Sprint(perArc), "24", layout, fmt.Sprint(open), fmt.Sprintf("%.1f", us/2000), p50, longest)
		}
		_ = t.Flush()
	}
}
