package history

import (
	"cmp"
	"context"
	"math/rand/v2"
	"slices"
	"time"

	"footfall/application/cluster"
	"footfall/domain/counting"
)

const (
	// keepEvery is the pause between two rounds that ask the nodes what they keep, with half as much
	// again at random. A node that an older instance has used begins only after some.
	keepEvery = time.Minute
	// firstPass is when the first pass of Compact begins at the latest, from half of it on: instances that
	// start together do not pass together.
	firstPass = 10 * time.Minute
	// passEvery is the pause between two passes, with a tenth more at random.
	passEvery = 24 * time.Hour
	// passAgain is the pause after a pass that a node did not answer.
	passAgain = 10 * time.Minute
	// rest is the pause after a call of Compact, in times that the call took: it has less than 5 % of
	// the time of its node.
	rest = 20
	// leastRest is the least pause.
	leastRest = time.Millisecond
)

// Start has the nodes begin their history, and tends it in the background from then on. Nodes that do not
// answer, or can't begin yet, begin later.
func (s *Service) Start(ctx context.Context) error {
	s.keep(ctx)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ctx.Err() == nil {
		s.work.Go(s.run)
		s.work.Go(s.makeRoom)
	}
	return nil
}

// Stop ends that.
func (s *Service) Stop(context.Context) error {
	s.mu.Lock()
	s.cancel()
	s.mu.Unlock()
	s.work.Wait() // every call ends with the context
	return nil
}

func (s *Service) run() {
	next := time.Now().Add(firstPass/2 + rand.N(firstPass/2))
	for {
		select {
		case <-s.ctx.Done():
			return
		case <-s.off:
			next = time.Now()
		case <-time.After(keepEvery + rand.N(keepEvery/2)):
		}
		s.keep(s.ctx)
		if time.Now().Before(next) {
			continue
		}
		if s.pass() {
			next = time.Now().Add(passEvery + rand.N(passEvery/10))
		} else {
			next = time.Now().Add(passAgain)
		}
	}
}

// pass compacts all nodes that keep a history or have turned theirs off, one after the other, and reports whether all
// have answered.
func (s *Service) pass() (whole bool) {
	whole = true
	for _, m := range s.Cluster.View().Present() {
		if !s.States()[m.ID()].IsSet() {
			continue
		}
		if err := s.compact(m); err != nil && s.ctx.Err() == nil {
			whole = false
			s.Log.Warn("compact history failed", "node", m.ID(), "error", err)
		}
	}
	return whole
}

// compact compacts one node, in calls with pauses.
func (s *Service) compact(m *cluster.Member) error {
	for cursor, more := "", true; more && s.ctx.Err() == nil; more = cursor != "" {
		begin := time.Now()
		next, err := cluster.Call(s.ctx, cluster.CallTimeout, func(ctx context.Context) (string, error) { return m.Compact(ctx, cursor) })
		took := time.Since(begin)
		s.Compacted(m.ID(), took, err)
		if err != nil {
			return err
		}
		cursor = next
		cluster.Pause(s.ctx, max(leastRest, rest*took)+rand.N(leastRest+took))
	}
	return nil
}

// answer is that of a node about what it keeps.
type answer = cluster.Answer[*cluster.Member, counting.HistoryState]

// askToKeep asks nodes what they keep. Those without a setting get one.
func askToKeep(ctx context.Context, nodes []*cluster.Member, h counting.HistorySetting) []answer {
	return cluster.Ask(ctx, cluster.CallTimeout, nodes, func(ctx context.Context, m *cluster.Member) (counting.HistoryState, error) {
		return m.KeepHistory(ctx, h, time.Time{}, false)
	})
}

// begin asks all nodes what they keep. Those without a setting get that of the others, or else the configured one.
func (s *Service) begin(ctx context.Context) (answers []answer, wanted counting.HistorySetting) {
	answers, wanted = askToKeep(ctx, s.members(), counting.HistorySetting{}), s.Setting
	slices.SortFunc(answers, func(a, b answer) int { return cmp.Compare(a.From.ID(), b.From.ID()) })
	var without []*cluster.Member
	answers = slices.DeleteFunc(answers, func(a answer) bool {
		remove := a.Err == nil && !a.Value.IsSet()
		if remove {
			without = append(without, a.From)
		}
		return remove
	})
	if i := slices.IndexFunc(answers, func(a answer) bool { return a.Value.IsSet() }); i >= 0 {
		wanted = answers[i].Value.Setting
	}
	return append(answers, askToKeep(ctx, without, wanted)...), wanted
}

// keep has the nodes that have no setting begin, and notes what each keeps.
func (s *Service) keep(ctx context.Context) {
	states := make(map[counting.NodeID]counting.HistoryState)
	answers, wanted := s.begin(ctx)
	before := s.States()
	for _, a := range answers {
		id, state := a.From.ID(), a.Value
		was, known := before[id]
		if a.Err != nil {
			if known {
				states[id] = was
			}
			continue
		}
		states[id] = state
		switch {
		case !state.IsSet() && wanted.Unit != 0 && !known:
			s.Log.Warn("history has not begun: an instance of an older version has used the node within 10 minutes, or clocks disagree", "node", id)
		case !state.Since.Equal(was.Since) && !state.Since.IsZero():
			s.Log.Info("history is kept", "node", id, "history", state.Setting.String(), "since", state.Since)
		}
		s.compare(id, state)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.states = states
}

// compare logs a stored setting that is not the configured one, once.
func (s *Service) compare(id counting.NodeID, state counting.HistoryState) {
	s.mu.Lock()
	defer s.mu.Unlock()
	stored := state.Setting.String()
	if !state.IsSet() || state.Setting == s.Setting {
		return
	}
	if s.logged != stored {
		s.Log.Warn("FOOTFALL_HISTORY differs from the setting of the store, which stays until footfall history set changes it",
			"node", id, "stored", stored, "configured", s.Setting.String())
	}
	s.logged = stored
}

// members are the nodes of the ring that can keep a history.
func (s *Service) members() (able []*cluster.Member) {
	for _, m := range s.Cluster.View().Present() {
		if m.Histories != nil {
			able = append(able, m)
		}
	}
	return able
}

// States are what the nodes kept when they were last asked, without those that have never
// answered.
func (s *Service) States() map[counting.NodeID]counting.HistoryState {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.states
}
