package uniques

import (
	"context"
	crand "crypto/rand"
	"math/rand/v2"
	"time"

	"footfall/application/cluster"
	"footfall/domain/counting"
	"footfall/domain/publishing"
)

const (
	// maxRetries bounds the concurrent attempts of all calls of RetryCallbacks. Those for
	// windows have slots of their own (maxAttempts).
	maxRetries = 64
	// retryBudget is the window length whose budget a call has, 45 s. The claims last
	// longer.
	retryBudget = counting.WindowLength(time.Minute)
	// forgetFor is for how long it is tried to delete the letter of a delivered callback.
	forgetFor = 5 * time.Second
)

// RetryCallbacks makes one attempt at each failed callback of a selection, with the body
// and the id of its window. It returns what came of them, and the next cursor as
// FailedCallbacks does. A callback that is delivered is failed no more. Others stay as they
// were, but for their last attempt. One attempt is made at a time of each, over all
// instances. If an instance dies, those that it has begun can be retried a minute later.
//
// Attempts do not count for the limits of callbacks of windows, nor are they held by
// pauses. Errors: those of FailedCallbacks, before any attempt is made, and counting.ErrUnavailable when
// ctx ends, or the service stops, in the middle: what was delivered until then is failed no more.
func (s *Service) RetryCallbacks(ctx context.Context, f publishing.FailedSelection) ([]publishing.RetriedCallback, string, error) {
	ctx, end, running := s.begin(ctx)
	if !running {
		return nil, "", counting.ErrUnavailable
	}
	defer end()
	v := s.Cluster.View()
	chosen, err := selectionOf(v, f)
	if err != nil {
		return nil, "", err
	}
	letters, next, err := lettersOf(ctx, v, chosen)
	if err != nil || len(letters) == 0 {
		return nil, next, err
	}
	r := &retry{Service: s, view: v, owner: s.Instance + "-" + crand.Text(), schedule: publishing.NewSchedule(retryBudget, time.Now())}
	if err := r.claim(ctx, letters); err != nil {
		return nil, "", err
	}
	err = r.sendAll(ctx)
	r.release(ctx)
	if err != nil {
		return nil, "", counting.Mark(err, counting.ErrUnavailable)
	}
	return r.results(), next, nil
}

// begin is for work that Stop cancels and waits for. running is false after Stop.
func (s *Service) begin(ctx context.Context) (_ context.Context, end func(), running bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.stopped {
		return ctx, nil, false
	}
	s.calling.Add(1)
	ctx, cancel := context.WithCancel(ctx)
	stop := context.AfterFunc(s.ctx, cancel)
	return ctx, func() {
		stop()
		cancel()
		s.calling.Done()
	}, true
}

// retry is one call of RetryCallbacks.
type retry struct {
	*Service
	view     *cluster.View
	owner    string
	schedule publishing.Schedule
	tries    []*try
}

// try is the retry of one letter.
type try struct {
	counting.DeadLetter
	claimed bool // and no other owner has it
	outcome publishing.Outcome
	err     error
}

// claim claims letters at every node, and keeps those that some node has. If a node does not
// answer, none is kept: it may have a letter that another instance sends.
func (r *retry) claim(ctx context.Context, letters []counting.DeadLetter) error {
	keys := make([]counting.DeadLetterKey, len(letters))
	for i, l := range letters {
		keys[i] = l.Key
	}
	answers, err := cluster.Gather(ctx, r.view.Present(), func(ctx context.Context, m *cluster.Member) ([]counting.DeadLetterClaim, error) {
		return m.ClaimDeadLetters(ctx, r.owner, counting.MaxLease, keys)
	})
	for i, l := range letters {
		has := make(map[counting.DeadLetterClaim]bool)
		for _, claims := range answers {
			has[claims[i]] = true
		}
		switch {
		case has[counting.DeadLetterBusy]:
			r.tries = append(r.tries, &try{DeadLetter: l, outcome: publishing.Busy})
		case has[counting.DeadLetterClaimed]:
			r.tries = append(r.tries, &try{DeadLetter: l, claimed: true})
		}
	}
	if err != nil {
		r.release(ctx)
		return counting.Mark(err, counting.ErrUnavailable)
	}
	return nil
}

// sendAll makes one attempt at each letter that is claimed.
func (r *retry) sendAll(ctx context.Context) error {
	queue, of := publishing.NewQueue(r.schedule, maxRetries), make(map[string]*try)
	reports := make(map[string]bool)
	for _, t := range r.tries {
		if t.claimed {
			of[string(t.Key)] = t
			queue.Add(publishing.Delivery{Endpoint: publishing.Endpoint(t.Endpoint), Key: string(t.Key)}, time.Now())
			reports[r.view.WindowID(t.Key.Window())] = true
		}
	}
	err := attemptAll(ctx, queue, r.retries, func(call *publishing.Delivery, until time.Time) result {
		return r.send(ctx, of[call.Key], call, until)
	})
	for _, left := range queue.Left() {
		t := of[left.Key]
		t.outcome, t.err = left.Abandoned()
	}
	for id := range reports {
		if err := r.Journal.LogEnd(id); err != nil {
			r.Log.Error("log callback failed", "window", id, "error", err)
		}
	}
	return err
}

// send makes the attempt at one letter. It is made later if its address has no room, or this
// machine has no means for it.
func (r *retry) send(ctx context.Context, t *try, call *publishing.Delivery, until time.Time) result {
	began := time.Now()
	limited, cancel := context.WithDeadline(ctx, until)
	defer cancel()
	report := reportOf(r.view, counting.Entry{Window: t.Key.Window(), Count: t.Count})
	a := r.Notifier.Retry(limited, report, call.Endpoint, t.Delivery.Attempts+1)
	done := result{call: call, attempt: a}
	if a.Status == 0 && ctx.Err() != nil { // it has no result
		done.err = ctx.Err()
		return done
	}
	if a.Unsent || a.Outcome == publishing.Deferred {
		if done.due, done.again = r.schedule.Again(a, began, time.Now(), rand.Float64()); done.again {
			return done
		}
	}
	t.outcome, t.err = a.Outcome, a.Err
	if a.Outcome == publishing.Deferred {
		t.outcome, t.err = publishing.Limited, publishing.ErrLimited
	}
	if t.outcome == publishing.Limited || a.Unsent {
		return done
	}
	t.Delivery = counting.Delivery{Attempts: a.Number, Status: a.Status, Final: true}
	r.log(a)
	if a.Outcome == publishing.Delivered {
		r.forget(ctx, t)
	}
	return done
}

// forget deletes the letter of a callback that was delivered. If a node does not answer for
// long, the letter stays claimed until the lease is over, and may be sent again then, with
// the same id.
func (r *retry) forget(ctx context.Context, t *try) {
	t.claimed = false
	ctx = context.WithoutCancel(ctx)
	keys := []counting.DeadLetterKey{t.Key}
	for end := time.Now().Add(forgetFor); ; cluster.Pause(ctx, time.Second/4) {
		// The ring may have changed since the letter was claimed.
		err := r.Cluster.View().Each(ctx, func(ctx context.Context, _ int, m *cluster.Member) error { return m.ForgetDeadLetters(ctx, keys) })
		if err == nil {
			return
		}
		if time.Now().After(end) {
			r.Log.Warn("a callback was delivered by a retry, and stays on record as failed", "window", r.view.WindowID(t.Key.Window()), "error", err)
			return
		}
	}
}

// release ends the claims that are left, with the last attempts.
func (r *retry) release(ctx context.Context) {
	var letters []counting.DeadLetter
	for _, t := range r.tries {
		if t.claimed || t.outcome == publishing.Busy { // a node may have given the claim
			letters = append(letters, t.DeadLetter)
		}
	}
	if len(letters) == 0 {
		return
	}
	err := r.Cluster.View().Each(context.WithoutCancel(ctx), func(ctx context.Context, _ int, m *cluster.Member) error {
		return m.ReleaseDeadLetters(ctx, r.owner, letters)
	})
	if err != nil { // the leases end by themselves
		r.Log.Warn("release of failed callbacks failed", "error", err)
	}
}

func (r *retry) results() []publishing.RetriedCallback {
	all := make([]publishing.RetriedCallback, len(r.tries))
	for i, t := range r.tries {
		all[i] = publishing.RetriedCallback{FailedCallback: failedOf(r.view, t.DeadLetter), Result: t.outcome}
		if t.err != nil {
			all[i].Error = t.err.Error()
		}
	}
	return all
}
