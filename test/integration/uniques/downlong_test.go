package uniques_test

import (
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"footfall/test/check"
	"footfall/test/integration/service"
	"footfall/test/servers"
)

// down is a deployment whose clocks go from ten minutes ago to now while an endpoint is down.
type down struct {
	*service.Ring
	endpoint *ailing
	clocks   []*servers.Clock
	folders  []*service.Deployment
	all      []*service.Instance
	env      []string // of the first start
}

const outage = 10 * time.Minute

func newDown(t *testing.T, nodes, instances int) *down {
	t.Helper()
	d := &down{endpoint: newAiling(t)}
	program := service.Program()
	if nodes == 0 {
		clock, env := servers.NewClock(t, t.TempDir())
		d.Ring, d.clocks, program = service.NewRing(t, 0), []*servers.Clock{clock}, service.FaultyProgram()
		d.env = append(slices.Clone(env), "FAULTPOINT=none", "FOOTFALL_STORE=embedded://./data")
	} else {
		d.Ring = service.NewRingWithClocks(t, nodes)
		for _, s := range d.Servers {
			d.clocks = append(d.clocks, s.Clock)
		}
	}
	d.shift(-outage)
	d.Env = append(service.LocalCallbacks("2s", "100ms"), "FOOTFALL_MAX_CLOCK_SKEW=1h")
	for range instances {
		d.folders = append(d.folders, d.Deployment())
	}
	d.start(program, d.env)
	return d
}

func (d *down) shift(by time.Duration) {
	for _, c := range d.clocks {
		c.Shift(d.T, by)
	}
}

// start starts all instances with a program. Their commands are those of the usual one.
func (d *down) start(program string, env []string) {
	d.T.Helper()
	d.all = nil
	for _, folder := range d.folders {
		usual := folder.Env
		folder.Program, folder.Env = program, slices.Concat(usual, env)
		d.all = append(d.all, folder.Start())
		folder.Program, folder.Env = service.Program(), usual
	}
}

// hook is the endpoint as it is named.
func (d *down) hook() string { return d.endpoint.URL + "/hook?token=secret" }

// accept lets the instances take ids in turn. Each may be refused for a moment, when the clocks
// have leapt.
func (d *down) accept(first, n int) {
	d.T.Helper()
	for id := first; id < first+n; id++ {
		service.WaitFor(d.T, "an id is accepted", func() bool { return d.Accept(d.all[id%len(d.all)], id, d.hook()).Status == 200 })
	}
}

// retries lets a command run on each of the instances given, at once, and returns how many
// callbacks these say that they have delivered.
func (d *down) retries(on ...*service.Instance) (delivered int) {
	d.T.Helper()
	outs := make([]string, len(on))
	var all sync.WaitGroup
	for n, in := range on {
		all.Go(func() { outs[n], _ = in.Tool("callbacks", "retry", "--failed") }) // what another one retries is busy, and makes it fail
	}
	all.Wait()
	out := strings.Join(outs, "")
	d.T.Log(out)
	return strings.Count(out, `"result":"delivered"`)
}

// An endpoint that was down for ten minutes, while a window each minute had a count for it,
// receives each count once: after all instances were killed and started again, when several
// commands retry the same callbacks at once.
func TestAnEndpointThatWasDownForTenMinutesGetsEachCountOnce(t *testing.T) {
	t.Parallel()
	for _, store := range []struct {
		name             string
		nodes, instances int
	}{{"embedded", 0, 1}, {"redis", 3, 2}} {
		t.Run(store.name, func(t *testing.T) {
			t.Parallel()
			d := newDown(t, store.nodes, store.instances)
			const minutes = int(outage / time.Minute)
			ids := int64(0)
			for minute := range minutes {
				d.accept(1000*minute, minute+1)
				ids += int64(minute + 1)
				d.shift(-outage + time.Duration(minute+1)*time.Minute)
			}
			var reports map[string]service.Line
			service.WaitFor(t, "each window's callback is on record", func() bool {
				reports, _ = service.Reports(t, d.folders...)
				return service.Total(reports) >= ids && len(d.all[0].FailedCallbacks()) == countedWindows(reports)
			})
			first, last := time.Now(), time.Time{}
			for _, l := range reports {
				if l.Count > 0 && l.WindowStart.Before(first) {
					first = l.WindowStart
				}
				if l.Count > 0 && l.WindowStart.After(last) {
					last = l.WindowStart
				}
			}
			if span := last.Sub(first); span < outage-time.Minute {
				t.Errorf("the windows span %v", span)
			}
			for _, in := range d.all {
				in.Kill()
			}
			d.start(service.Program(), d.env)
			check.Equal(t, len(d.all[len(d.all)-1].FailedCallbacks()), countedWindows(reports), "callbacks on record")
			d.endpoint.up()
			delivered := d.retries(append(slices.Clone(d.all), d.all...)...)
			delivered += d.retries(d.all[0])
			check.Equal(t, delivered, countedWindows(reports), "callbacks that were delivered, as the commands say")
			check.Equal(t, len(d.all[0].FailedCallbacks()), 0, "callbacks on record")
			d.all[0].MustTool("callbacks", "retry", "--failed")
			checkTaken(t, d.endpoint, reports)
		})
	}
}
