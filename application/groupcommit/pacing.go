package groupcommit

import (
	"runtime"
	"time"
)

// longestPause bounds the time that a flush waits for more callers.
const longestPause = 2 * time.Millisecond

// pace decides how long a flush waits for callers to join it. Callers that the last
// flush has answered are likely to come again, and a call costs less per caller the more
// share it. So a flush waits until as many have come as the last one answered, but no
// longer than the last one took. It adapts to the load, and a lone caller never waits.
// It is used by one goroutine.
type pace struct {
	callers int // that the last flush answered
	took    time.Duration
}

// flushed notes the last flush.
func (p *pace) flushed(callers int, took time.Duration) { p.callers, p.took = callers, took }

// waitForBatch returns when it is time to flush. await returns the number of waiting
// callers. It makes wake receive a value when there are enough, or none will follow.
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
