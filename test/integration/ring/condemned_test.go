package ring_test

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"footfall/test/chaos"
	"footfall/test/check"
	"footfall/test/integration/service"
)

// condemned are three servers, of which the first was killed and is condemned: the command
// that abandons it is running, and waits for arcs of others, which can't move to a fourth
// server.
type condemned struct {
	*service.Ring
	instances [2]*service.Instance
	first     string              // id of its node
	others    []string            // a page of each of the others
	visits    *service.Traffic    // of all pages
	planted   map[string]struct{} // keys in the way of arcs
	since     time.Time
	says      chan string // what the command has printed, when it has ended
}

func newCondemned(t *testing.T) *condemned {
	t.Helper()
	r := service.NewRing(t, 3)
	r.Env = []string{"FOOTFALL_WINDOW=1s", "FOOTFALL_GRACE=100ms"}
	c := &condemned{Ring: r, instances: [2]*service.Instance{r.Start(), r.Start()}, planted: make(map[string]struct{}), says: make(chan string, 1)}
	in := c.instances[0]
	by := r.Pages(in, 15)
	c.first, c.others = in.Ring().ID(r.Servers[0].Addr), []string{by[1][0], by[2][0]}
	c.visits = service.NewTraffic(r, slices.Concat(by...), in)
	fourth := r.AddServer()
	for _, page := range c.visits.Pages {
		c.visits.Visit(page)
		var at struct {
			Arc  int
			Node string
		}
		in.Administer(http.MethodGet, "/ring/owner?page_id="+page, "").Into(t, &at)
		if key := fmt.Sprintf("ff:in:%d:2", at.Arc); at.Node != c.first {
			r.Do(3, "set", key, "in the way")
			c.planted[key] = struct{}{}
		}
	}
	in.Add(fourth)
	service.WaitFor(t, "only arcs that are stuck are left", func() bool {
		m := in.Ring().Moves
		return m.Left > 0 && m.Left == len(m.Stuck)
	})
	r.Servers[0].Kill()
	go func() {
		out, err := in.Tool("ring", "remove", c.first, "--accept-loss")
		c.says <- fmt.Sprint(out, err)
	}()
	c.await("the node is condemned", true)
	c.since = time.Now()
	return c
}

// await waits until both instances say whether the node is condemned.
func (c *condemned) await(what string, want bool) {
	c.T.Helper()
	for _, in := range c.instances {
		service.WaitFor(c.T, what, func() bool {
			if want && len(c.says) > 0 {
				c.T.Fatalf("the command has ended: %s", <-c.says)
			}
			return want == slices.ContainsFunc(in.Ring().Nodes, func(n service.RingNode) bool { return n.ID == c.first && n.Condemned })
		})
	}
}

// arrive lets the arcs move.
func (c *condemned) arrive() {
	c.T.Helper()
	for key := range c.planted {
		c.Do(3, "del", key)
	}
	c.instances[0].Repair()
}

// accepts sends ids until so many are acknowledged.
func (c *condemned) accepts(n int) {
	c.T.Helper()
	id := 0
	service.WaitFor(c.T, "ids are acknowledged", func() bool {
		id++
		if c.Accept(c.instances[id%2], id, "").Outcome == chaos.Acknowledged {
			n--
		}
		return n == 0
	})
}

// X8, P6: a server is abandoned while arcs of others are on their way. Ids are refused
// until the arcs have arrived: they would be lost with their windows. Visits go on.
func TestX8NoAcknowledgedIDIsLostWithTheWindowsOfAnAbandonedServer(t *testing.T) {
	t.Parallel()
	c := newCondemned(t)
	for _, in := range c.instances {
		for id := range 30 {
			if got := c.Accept(in, id, ""); got.Status != http.StatusServiceUnavailable {
				t.Fatalf("an id beside a condemned node: %d %s", got.Status, got.Body)
			}
		}
		c.Ask(in, http.MethodGet, "/readyz", "").Want(t, http.StatusOK, c.first+": it will be abandoned")
		for _, page := range c.others {
			c.Visit(in, page).Want(t, http.StatusOK)
		}
	}
	c.arrive()
	if says := service.Await(t, "the command ends", c.says); !strings.HasSuffix(says, "<nil>") || !strings.Contains(says, `"condemned":["`+c.first+`"]`) {
		t.Errorf("the command says %s", says)
	}
	c.await("the node is not condemned any more", false)
	check.Equal(t, len(c.instances[1].Ring().Losses), 1, "losses")
	const ids = 40
	c.accepts(ids)
	service.WaitFor(t, "every id is in a published count", func() bool {
		sum := int64(0)
		for _, w := range c.Windows(c.instances[0]) {
			if w.State == "done" && w.WindowStart.After(c.since) {
				sum += w.Count
			}
		}
		return sum >= ids
	})
}

// X8: a condemned server that answers again is not abandoned, and has lost nothing.
func TestX8ACondemnedServerThatAnswersAgainStays(t *testing.T) {
	t.Parallel()
	c := newCondemned(t)
	check.Must(t, c.Servers[0].Start())
	c.await("the node is not condemned any more", false)
	c.accepts(10)
	c.arrive()
	if says := service.Await(t, "the command ends", c.says); !strings.Contains(says, "answers again, and was not abandoned") {
		t.Errorf("the command says %s", says)
	}
	c.visits.Check()
}
