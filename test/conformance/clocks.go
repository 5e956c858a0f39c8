package conformance

import (
	"errors"
	"math"
	"time"

	"footfall/domain/counting"
	"footfall/test/check"
)

// AnyTime is a clock that agrees with every other.
func AnyTime() counting.Clock {
	return counting.Clock{Now: time.Now(), MaxSkew: math.MaxInt64}
}

// off is a clock that differs from the node's by d, and agrees with it up to a minute.
func (f *fixture) off(d time.Duration) counting.Clock {
	f.Helper()
	answer := check.Value(f.node.Heartbeat(f.Context(), counting.Clock{}))(f)
	return counting.Clock{Now: answer.Now.Add(d), MaxSkew: time.Minute}
}

// skewed checks that an error says by how much the node's clock is ahead, about.
func (f *fixture) skewed(err error, ahead time.Duration) {
	f.Helper()
	var skew *counting.SkewError
	mustBe(f, err, counting.ErrNotApplied)
	if !errors.As(err, &skew) || (skew.Ahead-ahead).Abs() > 30*time.Second {
		f.Errorf("got the error %v, want one that says that the node is %v ahead", err, ahead)
	}
}

func clockCases() []testCase {
	return []testCase{
		{"ids are refused when the clocks disagree, and visits are not", open, func(f *fixture) {
			w := f.window()
			f.addIDs(1)
			for _, d := range []time.Duration{time.Hour, -time.Hour} {
				b := f.batch(f.visit("home", 1))
				b.IDEvents, b.Clock = []counting.IDEvent{f.idEvent(2, ""), f.idEvent(3, "")}, f.off(d)
				f.apply(b, counting.Refusal{Item: 1, Reason: counting.WrongClock}, counting.Refusal{Item: 2, Reason: counting.WrongClock})
			}
			f.distinct(w, 1)
			f.visits("home", 2)
			b := f.batch()
			b.IDEvents, b.Clock = []counting.IDEvent{f.idEvent(2, "")}, f.off(time.Second)
			f.apply(b)
			f.distinct(w, 2)
		}},
		{"a repetition is recognised when the clocks disagree", open, func(f *fixture) {
			b := f.batch()
			b.IDEvents = []counting.IDEvent{f.idEvent(2, "")}
			f.apply(b)
			b.Clock = f.off(time.Hour)
			f.duplicate(b)
		}},
		{"a window isn't sealed when the clocks disagree", open, func(f *fixture) {
			w := f.window()
			f.addIDs(1)
			f.pass(w)
			for _, d := range []time.Duration{time.Hour, -time.Hour} {
				f.skewed(check.Err(f.node.Seal(f.Context(), w, 0, f.off(d))), -d)
			}
			equal(f, "sealed number", check.Value(f.node.Seal(f.Context(), w, 0, f.off(time.Second)))(f), 1)
			equal(f, "sealed number, asked for by another clock", check.Value(f.node.Seal(f.Context(), w, 0, f.off(time.Hour)))(f), 1)
		}},
		{"a heartbeat makes no window a waiting one when the clocks disagree", timed, func(f *fixture) {
			w := f.window()
			for n := range counting.Window(3) {
				a := check.Value(f.node.Heartbeat(f.Context(), f.off(time.Hour)))(f)
				equal(f, "current window", a.Current, w+n)
				f.elapse(time.Duration(f.length()))
			}
			f.waiting(w)
		}},
		{"a window that is ahead of the clock is closed like one that has passed", timed, func(f *fixture) {
			f.elapse(time.Hour)
			ahead := f.window()
			f.addIDs(1, 2)
			f.elapse(-time.Hour)
			w := f.current()
			near := f.off(0)
			equalSlices(f, "waiting windows", check.Value(f.node.Heartbeat(f.Context(), near))(f).Waiting, []counting.Window{ahead})
			equal(f, "sealed number", check.Value(f.node.Seal(f.Context(), ahead, 0, near))(f), 2)
			equal(f, "current window", f.current(), w)
			f.addIDs(3)
			f.distinct(w, 1)
			f.distinct(ahead, 2)
			mustBe(f, check.Err(f.node.Seal(f.Context(), w, 0, near)), counting.ErrTooEarly)
			f.elapse(time.Hour)
			f.addIDs(4)
			f.distinct(ahead, 2)
			f.distinct(ahead+1, 1)
		}},
		{"a window that the clock has sealed ahead closes none in between", timed, func(f *fixture) {
			w := f.window()
			f.elapse(time.Hour)
			ahead := f.current()
			f.pass(ahead)
			equal(f, "sealed number", f.seal(ahead), 0)
			f.elapse(-time.Hour)
			for now := f.current(); now < w+3; now = f.pass(now) {
				f.addIDs(1)
				f.distinct(now, 1)
			}
			equal(f, "sealed number", f.seal(w+1), 1)
		}},
		{"a lease of a clock that has stepped back excludes no owner", timed, func(f *fixture) {
			w := f.window()
			f.elapse(time.Hour)
			check.Value(token(f.node.Claim(f.Context(), w, "a", time.Minute)))(f)
			mustBe(f, check.Err(f.node.Claim(f.Context(), w, "b", time.Minute)), counting.ErrBusy)
			f.elapse(-time.Hour)
			check.Value(token(f.node.Claim(f.Context(), w, "b", time.Minute)))(f)
			mustBe(f, check.Err(f.node.Claim(f.Context(), w, "a", time.Minute)), counting.ErrBusy)
		}},
	}
}

func token(token string, _ counting.Entry, err error) (string, error) { return token, err }
