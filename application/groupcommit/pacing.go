package groupcommit

import (
	"runtime"
	"time"
)

// longestPause is the longest time for which a flush waits for more callers.
const longestPause = 2 * time.Millisecond

// pace decides when a flush has waited enough for callers to join it. Those
// whom the last one has answered are likely to come again, and a call of a
// node costs the more the fewer share it. So a flush waits until as many have
// come as the last one answered, but no longer than the last one took: it
// follows the load by itself, and whoever was alone waits for nobody. It is
// used by one goroutine.
type pace struct {
	callers int // whom the last flush answered
	took    time.Duration
}

// flushed says what a flush was like.
func (p *pace) flushed(callers int, took time.Duration) { p.callers, p.took = callers, took }

// gather returns when it is time to flush. await tells how many callers wait,
// and lets wake have a value when there are enough, or none will come any more.
func (p *pace) waitForBatch(await func(enough int) (waiting int), wake <-chan struct{}) {
	enough := min(p.callers, MaxBatch)
	// Callers that are ready to run join first, as long as some do.
	waiting := await(enough)
	for before := -1; waiting > before && waiting < MaxBatch; {
		before = waiting
		runtime.Gosched()
		waiting = await(enough)
	}
	if waiting >= enough {
		return
	}
	over := time.NewTimer(min(p.took, longestPause))
	defer over.Stop()
	for await(enough) < enough {
		select {
		case <-wake:
		case <-over.C:
			return
		}
	}
}
