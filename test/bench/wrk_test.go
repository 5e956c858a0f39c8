package bench_test

import (
	"bytes"
	"cmp"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	"footfall/test/check"
)

// load is one way in which wrk sends requests.
type load struct {
	kind        string // of testdata/load.lua; a program may have its own
	connections int
	// pause between two requests of a connection, on the average; 0: none.
	pause time.Duration
}

func (l load) String() string {
	if l.pause > 0 {
		return fmt.Sprintf("%s, %d connections, half the rate", l.kind, l.connections)
	}
	return fmt.Sprintf("%s, %d connections", l.kind, l.connections)
}

// items are how many visits, ids or reads one request has.
func (l load) items() int64 {
	if l.kind == "bulk" {
		return bulkVisits
	}
	return 1
}

// figures are what one run of wrk shows of a program.
type figures struct {
	perSecond float64 // of requests
	p50, p99  time.Duration
	// service and redis are CPU time for each visit, id or read: a bulk has many of them.
	service, redis time.Duration
	// failed are requests that were not answered by 2xx.
	failed int64
}

// run sends a load to a program for some time.
func (l load) run(tb testing.TB, p program, length time.Duration) figures {
	tb.Helper()
	return l.start(tb, p, length)()
}

// start begins to send a load to a program for some time; end waits until that is over.
func (l load) start(tb testing.TB, p program, length time.Duration) (end func() figures) {
	tb.Helper()
	service, redis := cpu(tb, p.service), cpu(tb, p.redis...)
	seconds := fmt.Sprintf("%.0fs", length.Seconds()) // wrk knows no 1m20s
	cmd := exec.CommandContext(tb.Context(), "wrk", "-t1", "-c", strconv.Itoa(l.connections), "-d", seconds,
		"--timeout", "5s", "-s", "testdata/load.lua", "http://"+p.addr, "--", cmp.Or(p.kind, l.kind), strconv.FormatInt(l.pause.Milliseconds(), 10))
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	check.Must(tb, cmd.Start())
	return func() figures {
		tb.Helper()
		err := cmd.Wait()
		service, redis := cpu(tb, p.service)-service, cpu(tb, p.redis...)-redis
		var requests, micros, p50, p99, failed int64
		_, result, _ := strings.Cut(out.String(), "RESULT ")
		if n, _ := fmt.Sscan(result, &requests, &micros, &p50, &p99, &failed); err != nil || n != 5 || requests == 0 {
			tb.Fatalf("wrk on %s, %v: %v\n%s", p.name, l, err, out.String())
		}
		items := time.Duration(requests * l.items())
		return figures{
			perSecond: float64(requests) / float64(micros) * 1e6,
			p50:       time.Duration(p50) * time.Microsecond, p99: time.Duration(p99) * time.Microsecond,
			service: service / items, redis: redis / items,
			failed: failed,
		}
	}
}

// cpu is the time that processes have run so far, in user and kernel mode.
func cpu(tb testing.TB, pids ...int) time.Duration {
	tb.Helper()
	const tick = 10 * time.Millisecond // USER_HZ is 100 on every Linux that Go knows
	var sum time.Duration
	for _, pid := range pids {
		stat := check.Value(os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid)))(tb)
		_, rest, _ := strings.Cut(string(stat), ") ") // behind the name, which may hold anything
		fields := strings.Fields(rest)                // proc(5): utime and stime are the fields 14 and 15
		for _, field := range fields[11:13] {
			ticks := check.Value(strconv.ParseInt(field, 10, 64))(tb)
			sum += time.Duration(ticks) * tick
		}
	}
	return sum
}
