package visits_test

import (
	"math/rand/v2"
	"testing"
	"time"

	"footfall/test/integration/service"
)

// P1, P2, V1, V2, V4, V7, V8, V9, V10: writers and a reader at full load while the program
// is killed again and again. The reads take nothing away (V7).
func TestKillsUnderLoadLoseAndDoubleNothing(t *testing.T) { service.EachListener(t, killsUnderLoad) }

func killsUnderLoad(t *testing.T, env ...string) {
	const kills = 6
	r := service.NewRing(t, 0)
	r.Env = env
	d := r.Deployment()
	in := d.Start()
	c := service.NewTrafficOf(r, 20, in)
	c.Pause = 0
	c.Start(32, 1)
	interrupted := 0
	for round := 0; round < kills || interrupted < kills/2 && round < 10*kills; round++ {
		time.Sleep(300*time.Millisecond + rand.N(300*time.Millisecond))
		_, _, before := c.Totals()
		in.Kill()
		in = d.Start()
		c.Replace(0, in)
		if _, _, unknown := c.Totals(); unknown > before {
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
func TestSIGTERMDrains(t *testing.T) { service.EachListener(t, drains) }

func drains(t *testing.T, env ...string) {
	r := service.NewRing(t, 0)
	r.Env = env
	d := r.Deployment()
	in := d.Start()
	c := service.NewTrafficOf(r, 20, in)
	c.Pause = 0
	c.Start(32, 0)
	c.GoesOn(200)
	in.Stop()
	in.Exited()
	c.Replace(0, d.Start())
	c.Check()
}
