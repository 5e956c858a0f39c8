package faults_test

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"footfall/test/check"
	"footfall/test/integration/service"
	"footfall/test/servers"
)

// F1: two instances share a store, and all of it is emptied. Then an instance is started.
// It begins at 0, and the ones that ran before answer nothing more: no page has two
// numbers. They say why, and join when they are restarted.
func TestF1AStoreThatWasEmptiedHasOneRing(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name  string
		nodes int
		third bool // a third instance is started; otherwise one is restarted
	}{{"one node, a restart", 1, false}, {"one node, a third instance", 1, true}, {"three nodes, a restart", 3, false}} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			r := service.NewRing(t, c.nodes)
			all, folders := r.StartAll(2)
			pages := somePages(30)
			for _, page := range pages {
				r.MustVisit(all[0], page)
			}
			stop := keepVisiting(r, pages, all...)
			for _, s := range r.Servers {
				flush(t, s)
			}
			for _, in := range all {
				service.WaitFor(t, "no instance is ready", func() bool { return readyz(r, in).Status == http.StatusServiceUnavailable })
			}
			fresh := folders[1]
			if c.third {
				fresh = r.Deployment()
			} else {
				all[1].Kill()
			}
			born := fresh.Start()
			stop()
			old := all[:1]
			if c.third {
				old = all[:2]
			}
			wantOneNumber(t, r, born, old, pages)
			wantLine(t, born, "WARN", "first start: the store was empty")
			for _, in := range old {
				for _, s := range r.Servers {
					wantRefusal(t, r, in, s, "other_deployment", "belongs to another deployment")
				}
			}
			r.MustVisit(born, pages[0])
			all[0].Kill()
			joined := folders[0].Start()
			readyz(r, joined).Want(t, http.StatusOK)
			check.Equal(t, r.Read(joined, pages[0]).Body, r.Read(born, pages[0]).Body, "what the two instances read")
		})
	}
}

// F1: one of three nodes is emptied. Its pages are refused by every instance, also by one
// that is started later, and the others go on. Only an operator makes them begin at 0.
func TestF1OneOfThreeNodesThatWasEmptiedStaysRefused(t *testing.T) {
	t.Parallel()
	r := service.NewRing(t, 3)
	all, folders := r.StartAll(2)
	pages := somePages(60)
	lost, left := pages[:0:0], pages[:0:0]
	empty := r.Servers[1]
	id := all[0].Ring().ID(empty.Addr)
	for _, page := range pages {
		r.MustVisit(all[0], page)
		if r.MustRead(all[0], page)[0].ServedVia == id {
			lost = append(lost, page)
		} else {
			left = append(left, page)
		}
	}
	stop := keepVisiting(r, lost, all...)
	flush(t, empty)
	for _, in := range all {
		wantRefusal(t, r, in, empty, "empty", "the store is empty: it was emptied or replaced")
	}
	all[1].Kill()
	all[1] = folders[1].Start()
	stop()
	wantRefusal(t, r, all[1], empty, "empty", "the store is empty: it was emptied or replaced")
	for _, in := range all {
		for _, page := range lost {
			r.Read(in, page).Want(t, http.StatusServiceUnavailable)
			r.Visit(in, page).Want(t, http.StatusServiceUnavailable)
		}
		for i := range r.MustRead(in, left...) {
			check.Equal(t, *r.MustRead(in, left...)[i].Visits, 1, "visits of %s", left[i])
		}
		readyz(r, in).Want(t, http.StatusOK) // two nodes answer
	}
	all[0].MustTool("ring", "remove", id, "--accept-loss")
	for _, in := range all {
		for _, page := range lost {
			service.WaitFor(t, page+" begins at 0", func() bool { return r.Read(in, page).Status == http.StatusOK })
			check.Equal(t, *r.MustRead(in, page)[0].Visits, 0, "visits of %s", page)
		}
	}
}

// F1: the file of the embedded store is removed while the service runs, and a new file
// takes its place. The service answers nothing of what no start would find again.
func TestF1AnEmbeddedFileThatIsRemovedAnswersNothing(t *testing.T) {
	t.Parallel()
	d := service.NewDeployment(t, "FOOTFALL_STORE=embedded://data")
	in := d.Start()
	r := &service.Ring{T: t, Client: http.DefaultClient}
	r.MustVisit(in, "home")
	path := filepath.Join(d.Dir, "data", "footfall.db")
	check.Must(t, os.Rename(path, path+".away"))
	r.Visit(in, "home").Want(t, http.StatusServiceUnavailable)
	r.Read(in, "home").Want(t, http.StatusServiceUnavailable)
	readyz(r, in).Want(t, http.StatusServiceUnavailable, "the file of the store was removed or replaced")
	wantLine(t, in, "ERROR", `"reason":"replaced"`)
	check.Must(t, os.WriteFile(path, nil, 0o600))
	r.Visit(in, "home").Want(t, http.StatusServiceUnavailable)
	check.Must(t, os.Rename(path+".away", path))
	service.WaitFor(t, "it goes on", func() bool { return r.Visit(in, "home").Status == http.StatusOK })
	check.Equal(t, *r.MustRead(in, "home")[0].Visits, 2, "visits")
	wantLine(t, in, "INFO", "node takes calls again")
}

func somePages(n int) (pages []string) {
	for i := range n {
		pages = append(pages, fmt.Sprint("page-", i))
	}
	return pages
}

func flush(t *testing.T, s *servers.Redis) {
	t.Helper()
	c := s.Client()
	defer func() { _ = c.Close() }()
	check.Must(t, c.FlushAll(t.Context()).Err())
}

func readyz(r *service.Ring, in *service.Instance) service.Reply {
	return r.Ask(in, http.MethodGet, "/readyz", "")
}

// keepVisiting visits pages through instances, some of which may be killed, until stop is
// called.
func keepVisiting(r *service.Ring, pages []string, all ...*service.Instance) (stop func()) {
	over := make(chan struct{})
	var callers sync.WaitGroup
	for i, in := range all {
		callers.Go(func() {
			for n := i; ; n++ {
				select {
				case <-over:
					return
				case <-time.After(5 * time.Millisecond):
					r.Visit(in, pages[n%len(pages)])
				}
			}
		})
	}
	stop = sync.OnceFunc(func() { close(over); callers.Wait() })
	r.T.Cleanup(stop)
	return stop
}

// wantOneNumber visits and reads pages through the instance of a new deployment and
// through older ones, for longer than they take to poll. The older ones must answer nothing.
func wantOneNumber(t *testing.T, r *service.Ring, born *service.Instance, old []*service.Instance, pages []string) {
	t.Helper()
	visits := make(map[string]int64)
	for end := time.Now().Add(4 * time.Second); time.Now().Before(end); {
		for _, page := range pages {
			r.MustVisit(born, page)
			visits[page]++
			for _, in := range old {
				for _, got := range []service.Reply{r.Visit(in, page), r.Read(in, page)} {
					if got.Status != http.StatusServiceUnavailable {
						t.Fatalf("two rings answer from one store: %s %d %s", got.Request, got.Status, got.Body)
					}
				}
			}
		}
	}
	for _, page := range pages {
		check.Equal(t, *r.MustRead(born, page)[0].Visits, visits[page], "visits of %s in the new deployment", page)
	}
}

// wantRefusal waits until an instance says why it refuses the calls of a server: in its log,
// once, at GET /readyz and in a metric.
func wantRefusal(t *testing.T, r *service.Ring, in *service.Instance, s *servers.Redis, reason, text string) {
	t.Helper()
	node := fmt.Sprint("redis_", s.Port())
	service.WaitFor(t, "it is ready or not because "+text, func() bool {
		return regexp.MustCompile(node + `[^"]* since ` + moment + `: [^"]*` + regexp.QuoteMeta(text)).MatchString(readyz(r, in).Body)
	})
	wantLine(t, in, "ERROR", `"node":"`+node+`"`, `"reason":"`+reason+`"`)
	if metric := fmt.Sprintf("footfall_node_refused{node=%q,reason=%q} 1", node, reason); !strings.Contains(in.Metrics(), metric) {
		t.Errorf("no metric %s", metric)
	}
}

// wantLine waits for a line of the log that has some parts, and wants it once.
func wantLine(t *testing.T, in *service.Instance, level string, parts ...string) {
	t.Helper()
	lines := func() (n int) {
		for line := range strings.Lines(in.Logged()) {
			all := strings.Contains(line, `"level":"`+level+`"`)
			for _, part := range parts {
				all = all && strings.Contains(line, part)
			}
			if all {
				n++
			}
		}
		return n
	}
	service.WaitFor(t, "a line with "+strings.Join(parts, ", "), func() bool { return lines() > 0 })
	check.Equal(t, lines(), 1, "lines with %s", strings.Join(parts, ", "))
}
