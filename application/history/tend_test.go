package history_test

import (
	"strings"
	"testing"
	"time"

	"footfall/application/history"
	"footfall/domain/counting"
	"footfall/domain/sharding"
	"footfall/test/check"
)

func TestHistoryBeginsWithTheServiceAndTheStoredSettingWins(t *testing.T) {
	scenario(t, history.Options{Setting: hourly(t)}, func(t *testing.T, r *rig) {
		other := check.Value(counting.ParseHistory("15m:7d"))(t)
		r.nodes[0].state = counting.HistoryState{Setting: other, Since: time.Now().Add(-time.Hour)}
		check.Must(t, r.history.Start(t.Context()))
		check.Equal(t, r.nodes[0].state.Setting, other, "the setting of a node that keeps one")
		check.Equal(t, r.nodes[1].state, counting.HistoryState{Setting: other, Since: time.Now()}, "what a node keeps that kept none")
		check.Equal(t, r.history.States()["n1"].Setting, other, "what the service knows")
		elapse(time.Hour)
		if n := strings.Count(r.log.String(), "FOOTFALL_HISTORY differs"); n != 1 {
			t.Errorf("%d lines about the other setting, want 1:\n%s", n, r.log.String())
		}
	})
}

// The history of a node that an instance of an older version uses begins after that, and not with the
// time of the other nodes.
func TestHistoryBeginsWhenTheLastOlderInstanceHasLeft(t *testing.T) {
	scenario(t, history.Options{Setting: hourly(t)}, func(t *testing.T, r *rig) {
		left := time.Now().Add(42 * time.Minute)
		r.nodes[1].older = left
		check.Must(t, r.history.Start(t.Context()))
		check.Says(t, errorOf(r.log.String()), "history has not begun", "node=n2")
		elapse(time.Hour)
		since := r.nodes[1].state.Since
		if since.Before(left) || since.After(left.Add(2*time.Minute)) {
			t.Errorf("history began at %v, want it soon after %v", since, left)
		}
		check.Equal(t, strings.Count(r.log.String(), "has not begun"), 1, "the lines that it has not begun")
	})
}

type errorOf string

func (e errorOf) Error() string { return string(e) }

// A node that joins has the beginning of the others: its pages come with their history.
func TestANodeThatJoinsBeginsWithTheTimeOfTheOthers(t *testing.T) {
	scenario(t, history.Options{Setting: hourly(t)}, func(t *testing.T, r *rig) {
		check.Must(t, r.history.Start(t.Context()))
		began := time.Now()
		elapse(time.Hour)
		next, err := r.cluster.View().Add(sharding.Change{ID: "next"}, sharding.Member{ID: "n3", Addr: "n3:6379", Weight: 1})
		next = r.change(t, next, err)
		check.Must(t, r.cluster.Publish(t.Context(), next))
		check.Equal(t, r.add.state, counting.HistoryState{Setting: hourly(t), Since: began}, "what the new node keeps")
	})
}

// A pass takes at most 5 % of the time of a node, in one call at a time, once a day.
func TestCompactionIsBounded(t *testing.T) {
	compacted := 0
	observed := func(counting.NodeID, time.Duration, error) { compacted++ }
	scenario(t, history.Options{Setting: hourly(t), Compacted: observed}, func(t *testing.T, r *rig) {
		check.Must(t, r.history.Start(t.Context()))
		elapse(time.Minute)
		check.Equal(t, compacted, 0, "calls in the first minute")
		elapse(time.Hour)
		for _, n := range r.nodes {
			check.Equal(t, len(n.calls), n.parts, "calls of the first pass of %s", n.ID())
			took := n.calls[n.parts-1].Sub(n.calls[0]) + 3*time.Millisecond
			if n.busy*20 > took+60*time.Millisecond { // the last pause comes after the last call
				t.Errorf("calls of %v in %v", n.busy, took)
			}
		}
		elapse(50 * time.Hour)
		for _, n := range r.nodes {
			if passes := len(n.calls) / n.parts; passes != 2 && passes != 3 {
				t.Errorf("%d passes of %s in 51 hours", passes, n.ID())
			}
		}
		check.Equal(t, compacted, len(r.nodes[0].calls)+len(r.nodes[1].calls), "the calls that were observed")
	})
}

func TestAPassThatFailsIsRepeatedSoon(t *testing.T) {
	scenario(t, history.Options{Setting: hourly(t)}, func(t *testing.T, r *rig) {
		r.nodes[0].failing = 1
		check.Must(t, r.history.Start(t.Context()))
		elapse(time.Hour)
		check.Equal(t, len(r.nodes[0].calls), 1+r.nodes[0].parts, "calls of the node that failed once")
		check.Says(t, errorOf(r.log.String()), "compact history failed", "node=n1")
	})
}

func TestAServiceThatStopsEndsAPass(t *testing.T) {
	scenario(t, history.Options{Setting: hourly(t)}, func(t *testing.T, r *rig) {
		r.nodes[0].parts = 1_000_000
		check.Must(t, r.history.Start(t.Context()))
		elapse(time.Hour)
		check.Must(t, r.history.Stop(t.Context()))
		calls := len(r.nodes[0].calls)
		if calls == 0 || calls > 60_000 {
			t.Errorf("%d calls of an endless pass in an hour", calls)
		}
		elapse(time.Hour)
		check.Equal(t, len(r.nodes[0].calls), calls, "calls after the stop")
		check.Must(t, r.history.Start(t.Context()))
	})
}

func TestASettingIsChangedOnAllNodesOrSaysWhere(t *testing.T) {
	quarters := check.Value(counting.ParseHistory("15m:7d,1d:90d"))(t)
	scenario(t, history.Options{}, func(t *testing.T, r *rig) {
		check.Must(t, r.history.Start(t.Context()))
		all := check.Value(r.history.Set(t.Context(), quarters))(t).Nodes
		check.Equal(t, len(all), 2, "the nodes")
		for i, n := range r.history.Status(t.Context()).Nodes {
			check.Equal(t, n, all[i], "node %d", i)
			check.Equal(t, n.Setting, quarters, "the setting of node %d", i)
		}
		r.nodes[1].away = true
		status, err := r.history.Set(t.Context(), hourly(t))
		check.Is(t, err, counting.ErrUnavailable)
		check.Says(t, err, "n2", "repeat")
		check.Fails(t, status.Nodes[1].Err)
		check.Equal(t, r.nodes[0].state.Setting, hourly(t), "the setting of the node that answered")
		r.nodes[1].away = false
		check.Value(r.history.Set(t.Context(), hourly(t)))(t)
		check.Equal(t, r.nodes[1].state.Setting, hourly(t), "the setting of the node that is back")
	})
}

// History that was turned off stays off at an instance that is configured to keep one, which says so once. A
// node without a setting is turned off as the others are, whether the ring adds it or has it.
func TestHistoryThatWasTurnedOffBeginsOnlyByACommand(t *testing.T) {
	scenario(t, history.Options{Setting: hourly(t)}, func(t *testing.T, r *rig) {
		off := counting.HistoryState{Off: true}
		check.Must(t, r.history.Start(t.Context()))
		for _, n := range check.Value(r.history.Set(t.Context(), counting.HistorySetting{}))(t).Nodes {
			check.Equal(t, n.HistoryState, off, "what %s keeps", n.ID)
		}
		r.nodes[1].mu.Lock()
		r.nodes[1].state = counting.HistoryState{}
		r.nodes[1].mu.Unlock()
		elapse(time.Hour)
		check.Equal(t, r.nodes[0].state, off, "what is kept an hour later")
		check.Equal(t, r.nodes[1].state, counting.HistoryState{}, "what a node without a setting keeps")
		next, err := r.cluster.View().Add(sharding.Change{ID: "next"}, sharding.Member{ID: "n3", Addr: "n3:6379", Weight: 1})
		next = r.change(t, next, err)
		check.Must(t, r.cluster.Publish(t.Context(), next))
		check.Equal(t, r.add.state, off, "what a node keeps that joins")
		elapse(time.Hour)
		check.Equal(t, strings.Count(r.log.String(), "FOOTFALL_HISTORY differs"), 1, "lines about the other setting")
		check.Value(r.history.Set(t.Context(), hourly(t)))(t)
		check.Equal(t, r.nodes[0].state, counting.HistoryState{Setting: hourly(t), Since: time.Now()}, "what is kept after another command")
		check.Equal(t, r.add.state, r.nodes[0].state, "what the new node keeps after it")
	})
}

// What nodes have left of a history that was turned off is deleted immediately, and looked for once a day.
func TestHistoryThatIsTurnedOffIsDeleted(t *testing.T) {
	for _, byAnother := range []bool{false, true} { // before the service starts
		scenario(t, history.Options{Setting: hourly(t)}, func(t *testing.T, r *rig) {
			soon := time.Minute
			if byAnother {
				soon = 11 * time.Minute
				for _, n := range r.nodes {
					n.state = counting.HistoryState{Off: true}
				}
			}
			check.Must(t, r.history.Start(t.Context()))
			if !byAnother {
				elapse(time.Second)
				check.Value(r.history.Set(t.Context(), counting.HistorySetting{}))(t)
			}
			elapse(soon)
			for _, n := range r.nodes {
				check.Equal(t, len(n.calls), n.parts, "calls of %s in %v", n.ID(), soon)
			}
			elapse(20 * time.Hour)
			for _, n := range r.nodes {
				check.Equal(t, len(n.calls), n.parts, "calls of %s in some hours", n.ID())
			}
			elapse(10 * time.Hour)
			for _, n := range r.nodes {
				check.Equal(t, len(n.calls), 2*n.parts, "calls of %s in more than a day", n.ID())
			}
		})
	}
}
