package visits_test

import (
	"bufio"
	"fmt"
	"maps"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"footfall/test/check"
	"footfall/test/integration/service"
)

// ledger has the visits of pages that callers have sent, and those that were acknowledged.
type ledger struct {
	mu          sync.Mutex
	sent, acked map[string]int64
}

func (a *ledger) copies() (sent, acked map[string]int64) {
	a.mu.Lock()
	defer a.mu.Unlock()
	return maps.Clone(a.sent), maps.Clone(a.acked)
}

func sum(counts map[string]int64) (n int64) {
	for _, count := range counts {
		n += count
	}
	return n
}

// visit begins callers, who end when the returned function is called.
func (a *ledger) visit(t *testing.T, in *service.Instance, callers int, pages []string) (end func()) {
	over := make(chan struct{})
	var all sync.WaitGroup
	for range callers {
		all.Go(func() {
			c := service.NewClient()
			defer c.CloseIdleConnections()
			for {
				select {
				case <-over:
					return
				default:
				}
				page := pages[rand.IntN(len(pages))]
				a.mu.Lock()
				a.sent[page]++
				a.mu.Unlock()
				got, err := service.Request(c, http.MethodPost, in.Public+"/visit/"+page, "")
				if err != nil || got.Status != http.StatusOK && got.Status != http.StatusServiceUnavailable {
					continue // it may have been counted
				}
				a.mu.Lock()
				if got.Status == http.StatusOK {
					a.acked[page]++
				} else {
					a.sent[page]-- // it surely was not
				}
				a.mu.Unlock()
			}
		})
	}
	end = sync.OnceFunc(func() { close(over); all.Wait() })
	t.Cleanup(end)
	return end
}

// fill gives a store many pages, of some 300 bytes each.
func fill(t *testing.T, in *service.Instance, pages int) {
	t.Helper()
	for i := 0; i < pages; i += 2000 {
		var items []string
		for k := i; k < i+2000; k++ {
			items = append(items, fmt.Sprintf(`{"page_id":"%0240d"}`, k))
		}
		record(t, in, items)
	}
}

// restored starts a service on a copy.
func restored(t *testing.T, file string) *service.Instance {
	t.Helper()
	d := service.NewDeployment(t, "FOOTFALL_CALLBACK_ALLOW=none")
	check.Must(t, os.Mkdir(filepath.Join(d.Dir, "data"), 0o700))
	check.Must(t, os.WriteFile(filepath.Join(d.Dir, "data", "footfall.db"), check.Value(os.ReadFile(file))(t), 0o600))
	return d.Start()
}

// A backup that is taken while callers count opens as a store. Each of its counts lies
// between what was acknowledged before the backup and what was sent until its end.
func TestABackupUnderLoadHasWhatWasAcknowledged(t *testing.T) {
	t.Parallel()
	in := service.NewDeployment(t).Start()
	fill(t, in, 20_000)
	pages := []string{"a", "b", "c", "d", "e", "f", "g", "h"}
	a := &ledger{sent: make(map[string]int64), acked: make(map[string]int64)}
	end := a.visit(t, in, 8, pages)
	service.WaitFor(t, "every page is acknowledged", func() bool {
		_, acked := a.copies()
		return len(acked) == len(pages)
	})
	during := int64(0)
	for i := range 3 {
		file := filepath.Join(t.TempDir(), fmt.Sprint("copy-", i))
		_, least := a.copies()
		in.MustTool("backup", file)
		most, acked := a.copies()
		during += sum(acked) - sum(least)
		old := restored(t, file)
		for _, page := range pages {
			if n := old.Visits(page); n < least[page] || n > most[page] {
				t.Errorf("backup %d: %s has %d visits, want %d to %d", i, page, n, least[page], most[page])
			}
		}
		check.Equal(t, old.Visits(fmt.Sprintf("%0240d", 19_999)), 1, "a page that was there before")
		check.Equal(t, old.Stop(), 0, "the exit code")
	}
	if during == 0 {
		t.Error("no visit was acknowledged during a backup")
	}
	end()
	sent, acked := a.copies()
	for _, page := range pages {
		if n := in.Visits(page); n < acked[page] || n > sent[page] {
			t.Errorf("%s has %d visits, want %d to %d", page, n, acked[page], sent[page])
		}
	}
}

// ignore asks for a backup, and reads no more than the status.
func ignore(t *testing.T, in *service.Instance) {
	t.Helper()
	c := check.Value(net.Dial("tcp", strings.TrimPrefix(in.Admin, "http://")))(t)
	t.Cleanup(func() { _ = c.Close() })
	check.Must(t, c.(*net.TCPConn).SetReadBuffer(4096))
	_ = check.Value(fmt.Fprintf(c, "GET /backup HTTP/1.1\r\nHost: localhost\r\n\r\n"))(t)
	status := check.Value(bufio.NewReaderSize(c, 16).ReadString('\n'))(t)
	check.Equal(t, strings.TrimSpace(status), "HTTP/1.1 200 OK", "the answer")
}

// A caller that asks for a backup and does not read it is cut off. Meanwhile the service
// counts, and refuses another backup.
func TestABackupThatIsNotReadIsCutOff(t *testing.T) {
	t.Parallel()
	in := service.NewDeployment(t).Start()
	fill(t, in, 60_000)
	ignore(t, in)
	file := filepath.Join(t.TempDir(), "copy")
	in.ToolFails([]string{"409", "Another backup"}, "backup", file)
	in.Record("home").Want(t, http.StatusOK)
	service.WaitFor(t, "the caller is cut off", func() bool { return strings.Contains(in.Logged(), "backup failed") })
	check.OK(t, check.Err(in.Tool("backup", file)), "the backup after it")
	check.Equal(t, restored(t, file).Visits("home"), 1, "visits in the copy")
	ignore(t, in)
	check.Equal(t, in.Stop(), 0, "the exit code of a stop during a backup")
}

// Of a store that has tools of its own, the service says which.
func TestABackupOfAnotherStoreIsRefused(t *testing.T) {
	t.Parallel()
	in := service.NewDeployment(t, "FOOTFALL_STORE=memory://").Start()
	dir := t.TempDir()
	in.ToolFails([]string{"501", "redis-cli --rdb", "footfall export"}, "backup", filepath.Join(dir, "copy"))
	if left := check.Value(os.ReadDir(dir))(t); len(left) > 0 {
		t.Errorf("the command has left %v", slices.Collect(func(yield func(string) bool) {
			for _, f := range left {
				if !yield(f.Name()) {
					return
				}
			}
		}))
	}
}
