package bench_test

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"
	"text/tabwriter"
	"time"

	"footfall/test/attack"
	"footfall/test/check"
	"footfall/test/integration/service"
)

var (
	attackLasts = flag.Duration("attack", 8*time.Second, "how long BenchmarkAttacks attacks the service in each way")
	attackNamed = flag.String("attacks", "", "the beginning of the names of the attacks, such as S6")
)

// BenchmarkAttacks prints for each attack from one address what callers of another one
// notice: their refusals, and the 99th percentile beside that of the time before.
// FOOTFALL_BENCH_MEMORY is the memory that the service may have, as in a container: it
// needs root.
func BenchmarkAttacks(b *testing.B) {
	in := service.NewDeployment(b, "FOOTFALL_WINDOW=10s").Start()
	if limit := os.Getenv("FOOTFALL_BENCH_MEMORY"); limit != "" {
		confine(b, in.Cmd.Process.Pid, limit)
	}
	t := &table{tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)}
	t.row("attack", "its requests", "requests", "refused", "p99", "p99 before", "ratio", "RSS MiB")
	b.ResetTimer()
	for _, a := range append(attack.All(), attack.Attack{Name: "all of them", Run: attack.Everything}) {
		if !strings.HasPrefix(a.Name, *attackNamed) {
			continue
		}
		before := attack.Honest(b.Context(), in.Public, min(*attackLasts, 8*time.Second))
		ctx, cancel := context.WithTimeout(b.Context(), *attackLasts+time.Second)
		at := attack.NewStranger(in.Public)
		var attacking sync.WaitGroup
		attacking.Go(func() { a.Run(ctx, at) })
		time.Sleep(500 * time.Millisecond)
		during := attack.Honest(b.Context(), in.Public, *attackLasts)
		cancel()
		attacking.Wait()
		t.row(a.Name, fmt.Sprint(at.Sent()), fmt.Sprint(during.Requests), fmt.Sprint(during.Refused+before.Refused), during.P99.String(), before.P99.String(),
			fmt.Sprintf("%.2f", float64(during.P99)/float64(before.P99)), fmt.Sprintf("%.0f", float64(in.ResidentKB())/1024))
	}
	b.StopTimer()
	_ = t.Flush()
}

// confine puts a process into a group that may have so much memory, of cgroup v1 or v2.
func confine(b *testing.B, pid int, limit string) {
	b.Helper()
	root, bound, events := "/sys/fs/cgroup", "memory.max", "memory.events"
	if _, err := os.Stat(root + "/memory"); err == nil {
		root, bound, events = root+"/memory", "memory.limit_in_bytes", "memory.failcnt"
	}
	group := fmt.Sprint(root, "/footfall-", pid)
	check.Must(b, os.Mkdir(group, 0o755))
	write := func(name, text string) {
		b.Helper()
		f, err := os.OpenFile(group+"/"+name, os.O_WRONLY, 0)
		check.Must(b, err)
		_, err = f.WriteString(text)
		check.Must(b, errors.Join(err, f.Close()))
	}
	write(bound, limit)
	write("cgroup.procs", fmt.Sprint(pid))
	b.Cleanup(func() { b.Logf("%s: %s", events, check.Value(os.ReadFile(group+"/"+events))(b)) })
}
