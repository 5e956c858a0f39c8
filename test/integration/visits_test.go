package integration_test

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// V1, V9 of the list of failures: visits that were answered are there after
// kill -9, at the first read.
func TestAnsweredVisitsSurviveKill(t *testing.T) {
	d := newDeployment(t)
	in := d.start()
	for range 10 {
		if got, body, err := send(newClient(), http.MethodPost, in.public+"/visit/home"); got != acknowledged {
			t.Fatalf("%v %s %v", got, body, err)
		}
	}
	in.kill()
	if got := d.start().visits("home"); got != 10 {
		t.Fatalf("10 visits became %d", got)
	}
}

// tallies are what the writers of some pages were told.
type tallies struct{ acked, maybe [20]atomic.Int64 }

// write visits random pages until stop is closed.
func (n *tallies) write(t *testing.T, in *instance, stop <-chan struct{}) {
	c := newClient()
	defer c.CloseIdleConnections()
	for !closed(stop) {
		p := rand.IntN(len(n.acked))
		got, _, err := send(c, http.MethodPost, fmt.Sprintf("%s/visit/p%d", in.public, p))
		if err != nil {
			t.Error(err)
		}
		switch got {
		case acknowledged:
			n.acked[p].Add(1)
		case unknown:
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
	d := newDeployment(t)
	var told tallies
	var wg sync.WaitGroup
	interrupted := 0
	for range kills {
		in := d.start()
		stop := make(chan struct{})
		for range writers {
			wg.Go(func() { told.write(t, in, stop) })
		}
		wg.Go(func() { // V7: reads take nothing away
			c := newClient()
			defer c.CloseIdleConnections()
			for !closed(stop) {
				_, _, _ = send(c, http.MethodGet, in.public+"/visits/p0")
			}
		})
		time.Sleep(300*time.Millisecond + rand.N(300*time.Millisecond))
		before := sum(&told.maybe)
		in.kill()
		close(stop)
		wg.Wait()
		if sum(&told.maybe) > before {
			interrupted++
		}
	}
	if interrupted < kills/2 || sum(&told.acked) == 0 {
		t.Fatalf("%d of %d kills hit requests: %d acknowledged, %d unknown", interrupted, kills, sum(&told.acked), sum(&told.maybe))
	}
	in := d.start()
	for p := range told.acked {
		low := told.acked[p].Load()
		stored, high := in.visits(fmt.Sprintf("p%d", p)), low+told.maybe[p].Load()
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
	d := newDeployment(t)
	in := d.start()
	var told tallies
	var wg sync.WaitGroup
	stop := make(chan struct{})
	for range 32 {
		wg.Go(func() { told.write(t, in, stop) })
	}
	time.Sleep(300 * time.Millisecond)
	if code := in.stop(); code != 0 {
		t.Errorf("exit code %d:\n%s", code, in.logged())
	}
	close(stop)
	wg.Wait()
	acked, maybe := sum(&told.acked), sum(&told.maybe)
	if acked == 0 {
		t.Fatal("nothing was acknowledged")
	}
	var stored int64
	in = d.start()
	for p := range told.acked {
		stored += in.visits(fmt.Sprintf("p%d", p))
	}
	if stored < acked || stored > acked+maybe {
		t.Errorf("%d stored, %d acknowledged, %d unknown", stored, acked, maybe)
	}
	t.Logf("%d acknowledged, %d unknown", acked, maybe)
}
