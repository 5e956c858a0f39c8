package counting_test

import (
	"math/rand/v2"
	"testing"
	"time"

	"footfall/domain/counting"
	"footfall/test/check"
)

func TestSealedWindowsAreThoseThatWereSealed(t *testing.T) {
	for seed := range uint64(50) {
		r := rand.New(rand.NewPCG(seed, 1))
		var s counting.SealedWindows
		sealed := make(map[counting.Window]bool)
		for range 60 {
			w := counting.Window(r.IntN(40))
			s, sealed[w] = s.Seal(w), true
			upTo, marks := s.Encode(counting.Window(r.IntN(40)))
			s = check.Value(counting.DecodeSealed(upTo, true, marks))(t)
			for w := counting.Window(-2); w < 45; w++ {
				open := w
				for sealed[open] {
					open++
				}
				check.Equal(t, s.Has(w), sealed[w], "seed %d: %d is sealed", seed, w)
				check.Equal(t, s.Open(w), open, "seed %d: the open window from %d on", seed, w)
			}
		}
	}
}

func TestSealedWindowsAreBounded(t *testing.T) {
	var s counting.SealedWindows
	for w := counting.Window(0); w < 1000; w += 10 {
		s = s.Seal(w)
	}
	_, marks := s.Encode(1000)
	if len(marks) > 500 {
		t.Errorf("the marks have %d bytes: %s", len(marks), marks)
	}
	for w := counting.Window(0); w < 1000; w += 10 {
		check.Equal(t, s.Has(w), true, "%d is sealed", w)
	}
	check.Equal(t, s.Has(985), false, "985 is sealed, between the newest two")
}

// Versions without marks know one number.
func TestSealedWindowsOfAnOlderVersion(t *testing.T) {
	old := check.Value(counting.DecodeSealed(100, true, ""))(t)
	check.Equal(t, old.Open(7), 101, "the open window of a store without marks")
	upTo, marks := old.Seal(500).Encode(101)
	check.Equal(t, upTo, 100, "what an older version reads while the span lies ahead")
	check.Equal(t, check.Value(counting.DecodeSealed(upTo, true, marks))(t).Open(101), 101, "the open window")
	check.Equal(t, check.Value(counting.DecodeSealed(103, true, marks))(t).Open(101), 104, "the open window after an older version has sealed 103")
	upTo, _ = old.Seal(500).Encode(499)
	check.Equal(t, upTo, 500, "what an older version reads when the clock has come to the span")
	check.Equal(t, check.Value(counting.DecodeSealed(0, false, ""))(t).Open(7), 7, "the open window of an empty store")
	for _, broken := range []string{"x", "1 5", "1 5..", "1 6..5", "1 a..b"} {
		check.Is(t, check.Err(counting.DecodeSealed(1, true, broken)), counting.Corrupt, broken)
	}
}

func TestClocksAgreeUpToTheGreatestSkew(t *testing.T) {
	now := time.Unix(1_000_000, 0)
	c := counting.Clock{Now: now, MaxSkew: 10 * time.Second}
	for ahead, agree := range map[time.Duration]bool{
		0: true, 10 * time.Second: true, -10 * time.Second: true,
		10*time.Second + 1: false, -10*time.Second - 1: false, time.Hour: false, -time.Hour: false,
	} {
		err := c.Check(now.Add(ahead))
		check.Equal(t, err == nil, agree, "clocks that differ by %v agree", ahead)
		if !agree {
			check.Is(t, err, counting.ErrNotApplied, "the error")
		}
	}
}
