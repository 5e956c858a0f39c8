package visits_test

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"footfall/test/integration/service"
)

// V1, V9 of the list of failures: visits that were answered are there after
// kill -9, at the first read.
func TestAnsweredVisitsSurviveKill(t *testing.T) {
	d := service.NewDeployment(t)
	in := d.Start()
	for range 10 {
		if got, body, err := service.Send(service.NewClient(), http.MethodPost, in.Public+"/visit/home"); got != service.Acknowledged {
			t.Fatalf("%v %s %v", got, body, err)
		}
	}
	in.Kill()
	if got := d.Start().Visits("home"); got != 10 {
		t.Fatalf("10 visits became %d", got)
	}
}

// tallies are what the writers of some pages were told.
type tallies struct{ acked, maybe [20]atomic.Int64 }

// write visits random pages until stop is closed.
func (n *tallies) write(t *testing.T, in *service.Instance, stop <-chan struct{}) {
	c := service.NewClient()
	defer c.CloseIdleConnections()
	for !closed(stop) {
		p := rand.IntN(len(n.acked))
		got, _, err := service.Send(c, http.MethodPost, fmt.Sprintf("%s/visit/p%d", in.Public, p))
		if err != nil {
			t.Error(err)
		}
		switch got {
		case service.Acknowledged:
			n.acked[p].Add(1)
		case service.Unknown:
			n.maybe[p].Add(1)
		}
	}
}

func closed(stop <-chan struct{}) bool {
	select {
	case <-stop:
		return true
	default:
		return false
	}
}

// P1, P2, and V2, V4, V7, V8, V10 of the list of failures: writers and
// readers at full load while the program is killed again and again.
func TestKillsUnderLoadLoseAndDoubleNothing(t *testing.T) {
	const writers, kills = 32, 6
	d := service.NewDeployment(t)
	var told tallies
	var wg sync.WaitGroup
	interrupted := 0
	for range kills {
		in := d.Start()
		stop := make(chan struct{})
		for range writers {
			wg.Go(func() { told.write(t, in, stop) })
		}
		wg.Go(func() { // V7: reads take nothing away
			c := service.NewClient()
			defer c.CloseIdleConnections()
			for !closed(stop) {
				_, _, _ = service.Send(c, http.MethodGet, in.Public+"/visits/p0")
			}
		})
		time.Sleep(300*time.Millisecond + rand.N(300*time.Millisecond))
		before := sum(&told.maybe)
		in.Kill()
		close(stop)
		wg.Wait()
		if sum(&told.maybe) > before {
			interrupted++
		}
	}
	if interrupted < kills/2 || sum(&told.acked) == 0 {
		t.Fatalf("%d of %d kills hit requests: %d acknowledged, %d unknown", interrupted, kills, sum(&told.acked), sum(&told.maybe))
	}
	in := d.Start()
	for p := range told.acked {
		low := told.acked[p].Load()
		stored, high := in.Visits(fmt.Sprintf("p%d", p)), low+told.maybe[p].Load()
		if stored < low || stored > high {
			t.Errorf("page p%d: %d stored, want %d to %d", p, stored, low, high)
		}
	}
	t.Logf("%d kills, %d acknowledged, %d unknown", kills, sum(&told.acked), sum(&told.maybe))
}

func sum(n *[20]atomic.Int64) (total int64) {
	for i := range n {
		total += n[i].Load()
	}
	return total
}

// V23 of the list of failures, and P10: requests in flight at SIGTERM are
// answered, what was answered is stored, and the exit code is 0.
func TestSIGTERMDrains(t *testing.T) {
	d := service.NewDeployment(t)
	in := d.Start()
	var told tallies
	var wg sync.WaitGroup
	stop := make(chan struct{})
	for range 32 {
		wg.Go(func() { told.write(t, in, stop) })
	}
	time.Sleep(300 * time.Millisecond)
	if code := in.Stop(); code != 0 {
		t.Errorf("exit code %d:\n%s", code, in.Logged())
	}
	close(stop)
	wg.Wait()
	acked, maybe := sum(&told.acked), sum(&told.maybe)
	if acked == 0 {
		t.Fatal("nothing was acknowledged")
	}
	var stored int64
	in = d.Start()
	for p := range told.acked {
		stored += in.Visits(fmt.Sprintf("p%d", p))
	}
	if stored < acked || stored > acked+maybe {
		t.Errorf("%d stored, %d acknowledged, %d unknown", stored, acked, maybe)
	}
	t.Logf("%d acknowledged, %d unknown", acked, maybe)
}
