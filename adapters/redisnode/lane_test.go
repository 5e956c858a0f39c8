package redisnode_test

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"sync"
	"testing"
	"time"

	"footfall/domain/counting"
	"footfall/test/check"
)

// A call that its caller has abandoned is not sent when the server is back.
func TestACallThatHasEndedIsNotSentLater(t *testing.T) {
	t.Parallel()
	p := openMoving(t, 0)
	check.Value(p.Apply(t.Context(), visits(1)))(t)
	before := scriptsOf(t, p)
	p.from.Freeze()
	give := func(want bool) {
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer cancel()
		_, err := p.Apply(ctx, visits(2))
		if err == nil || errors.Is(err, counting.ErrNotApplied) != want {
			t.Errorf("a call that ended: %v", err)
		}
	}
	give(false) // it is in flight, and holds up the others
	var ended sync.WaitGroup
	for range 40 {
		ended.Go(func() { give(true) })
	}
	ended.Wait()
	p.from.Thaw()
	eventually(t, func() bool { _, err := p.apply(t, visits(2)); return err == nil })
	if sent := scriptsOf(t, p) - before; sent > 10 {
		t.Errorf("%d scripts were sent", sent)
	}
}

// scriptsOf is how many scripts a master has run.
func scriptsOf(t *testing.T, p parting) int {
	t.Helper()
	sum := 0
	info := fmt.Sprint(p.cluster.Do(p.from, "info", "commandstats"))
	for _, calls := range regexp.MustCompile(`cmdstat_eval(?:sha)?:calls=(\d+)`).FindAllStringSubmatch(info, -1) {
		n := check.Value(strconv.Atoi(calls[1]))(t)
		sum += n
	}
	return sum
}
