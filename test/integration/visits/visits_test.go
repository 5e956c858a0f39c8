package visits_test

import (
	"math/rand/v2"
	"net/http"
	"testing"
	"time"

	"footfall/test/check"
	"footfall/test/integration/service"
)

// V1, V9: visits that were answered are there after kill -9, at the first read.
func TestAnsweredVisitsSurviveKill(t *testing.T) {
	d := service.NewDeployment(t)
	in := d.Start()
	for range 10 {
		in.Record("home").Want(t, http.StatusOK)
	}
	in.Kill()
	check.Equal(t, d.Start().Visits("home"), 10, "visits after the kill")
}

// P1, P2, V2, V4, V7, V8, V10: writers and a reader at full load while the program
// is killed again and again. The reads take nothing away (V7).
func TestKillsUnderLoadLoseAndDoubleNothing(t *testing.T) {
	const kills = 6
	r := service.NewRing(t, 0)
	d := r.Deployment()
	in := d.Start()
	c := service.NewRingCrowd(r, []*service.Instance{in}, 20)
	c.Start(32, 1)
	interrupted := 0
	for round := 0; round < kills || interrupted < kills/2 && round < 10*kills; round++ {
		time.Sleep(300*time.Millisecond + rand.N(300*time.Millisecond))
		_, before := c.Totals()
		in.Kill()
		in = d.Start()
		c.Replace(0, in)
		if _, unknown := c.Totals(); unknown > before {
			interrupted++
		}
	}
	if interrupted < kills/2 {
		t.Fatalf("%d kills hit requests, want %d", interrupted, kills/2)
	}
	c.Check()
}

// V23, P10: requests in flight at SIGTERM are answered, what was answered is
// stored, and the exit code is 0.
func TestSIGTERMDrains(t *testing.T) {
	r := service.NewRing(t, 0)
	d := r.Deployment()
	in := d.Start()
	c := service.NewRingCrowd(r, []*service.Instance{in}, 20)
	c.Start(32, 0)
	time.Sleep(300 * time.Millisecond)
	in.Stop()
	in.Exited()
	c.Replace(0, d.Start())
	c.Check()
}
