package faults_test

import (
	"strings"
	"testing"
	"time"

	"footfall/test/check"
	"footfall/test/integration/service"
	"footfall/test/servers"
)

// watched is a ring of one master with a replica. Three Sentinels watch the master, and
// promote the replica when it is away for a second.
type watched struct {
	*failover
	sentinels *servers.Sentinels
}

func newWatched(t *testing.T) *watched {
	t.Helper()
	r := service.NewRing(t, 0)
	w := &watched{failover: &failover{Ring: r, primary: r.AddServer("--repl-diskless-sync-delay", "0")}}
	w.sentinels = servers.StartSentinels(t, 3, "")
	w.sentinels.Watch(t, "m", w.primary)
	w.attach()
	r.Env = []string{"FOOTFALL_STORE=redis+sentinel://" + w.sentinels.Addrs() + "/m", "FOOTFALL_WINDOW=2s", "FOOTFALL_GRACE=300ms"}
	return w
}

// attach gives the primary a new replica. It replicates through the link.
func (w *watched) attach() {
	w.T.Helper()
	w.link = servers.StartProxy(w.T, w.primary.Addr)
	host, port, _ := strings.Cut(w.link.Addr, ":")
	w.replica = w.AddServer("--replicaof", host, port, "--repl-diskless-sync-delay", "0")
	service.WaitFor(w.T, "the replica is online", func() bool { return w.info(w.primary, `state=(online)`) != "" })
	w.sentinels.AwaitReplica(w.T, "m", w.replica)
}

// failOver kills the primary while its replica lags, and returns when the Sentinels have
// promoted the replica. It returns how many bytes of the stream that lacks.
func (w *watched) failOver(lag time.Duration) (lost int) {
	w.T.Helper()
	w.link.Stall()
	time.Sleep(lag)
	lost = w.tail()
	w.primary.Kill()
	w.link.Refuse()
	check.Equal(w.T, w.info(w.replica, `role:(\w+)`), "slave", "the role before the failover")
	service.WaitFor(w.T, "the replica is promoted", func() bool { return w.sentinels.Master(w.T, "m") == w.replica.Addr })
	check.Equal(w.T, w.info(w.replica, `role:(\w+)`), "master", "the role after the failover")
	w.primary = w.replica
	return lost
}

// F37: four times the master is killed under load while its replica lags, and the Sentinels
// promote that. No visit is lost or doubled, no window has two numbers, and every
// acknowledged id is in a published count. The ring does not change.
func TestF37FourFailoversToALaggingReplicaMakeNoNumberWrong(t *testing.T) {
	t.Parallel()
	w := newWatched(t)
	folders := []*service.Deployment{w.Deployment(), w.Deployment()}
	one, other := folders[0].Start(), folders[1].Start()
	ids := sendIDs(t, w.Ring, one)
	visits := service.NewTraffic(w.Ring, service.PageNames(40), one, other).Start(6, 0)
	windows := func() int { reports, _ := service.Reports(t, folders...); return len(reports) }
	for i := range 4 {
		before := windows()
		service.WaitFor(t, "another window", func() bool { return windows() > before })
		visits.GoesOn(100)
		lost := w.failOver(3 * time.Second)
		if lost < 5_000 {
			t.Errorf("failover %d: the replica lacks %d bytes, want a tail of some seconds", i, lost)
		}
		began := time.Now()
		visits.GoesOn(100)
		t.Logf("failover %d: the replica lacked %d bytes; visits went on %v after its promotion", i, lost, time.Since(began))
		w.attach()
	}
	before := windows()
	service.WaitFor(t, "two more windows", func() bool { return windows() >= before+2 })
	ids.stop()
	visits.Check()
	total := func() int64 { reports, _ := service.Reports(t, folders...); return service.Total(reports) }
	service.WaitFor(t, "all ids in published counts", func() bool { return total() >= ids.acked.Load() })
	if n := total(); n > ids.acked.Load()+ids.unknown.Load() {
		t.Errorf("%d ids are published, %d were acknowledged and %d are in doubt", n, ids.acked.Load(), ids.unknown.Load())
	}
	for _, in := range []*service.Instance{one, other} {
		check.Equal(t, w.Counter(in, "footfall_batches_lost_total"), 0, "batches reported as lost")
		check.Equal(t, strings.Count(in.Logged(), `"master moved"`), 4, "moves in the log")
		status := in.MustTool("ring", "status")
		if !strings.Contains(status, `"epoch": 1`) && !strings.Contains(status, `"epoch":1`) || !strings.Contains(status, "sentinel/m") {
			t.Errorf("the ring has changed: %s", status)
		}
	}
}

// F37: a master joins a ring by its name, and the Sentinels that are configured find it.
func TestF37AnotherMasterOfTheSentinelsJoinsTheRing(t *testing.T) {
	t.Parallel()
	w := newWatched(t)
	w.sentinels.Watch(t, "other", w.AddServer())
	in := w.Deployment().Start()
	traffic := service.NewTrafficOf(w.Ring, 200, in).Start(4, 4)
	in.ToolFails([]string{"has credentials"}, "ring", "add", "redis+sentinel://u:p@"+w.sentinels.All[0].Addr+"/other")
	in.ToolFails([]string{"want sentinel/NAME"}, "ring", "add", "redis://"+w.primary.Addr)
	in.ToolFails([]string{"knows no master third"}, "ring", "add", "sentinel/third")
	in.MustTool("ring", "weight", "redis_m", "7") // it has all arcs, and keeps most of them
	in.MustTool("ring", "add", "sentinel/other")
	second := w.Deployment().Start() // dials the member that is not configured
	via := make(map[string]bool)
	for _, page := range w.MustRead(second, traffic.Pages...) {
		via[page.ServedVia] = true
	}
	check.Equal(t, via["redis_m"] && via["redis_other"] && len(via) == 2, true, "pages are served via %v", via)
	in.Moved()
	in.MustTool("ring", "remove", "redis_other")
	traffic.Check(second)
}
