package counting_test

import (
	"strings"
	"testing"
	"time"

	"footfall/domain/counting"
	"footfall/test/check"
)

func TestParseKeyTakesPrintableASCII(t *testing.T) {
	seen := make(map[counting.Key]string)
	for _, s := range []string{"a", "A", " ", "~", `"quoted"`, strings.Repeat("x", 255), strings.Repeat("x", 254)} {
		k, err := counting.ParseKey(s)
		check.OK(t, err, "%q", s)
		for i := range 3 {
			if was, ok := seen[k.Item(i)]; ok {
				t.Errorf("an item of %q has the key of one of %q", s, was)
			}
			seen[k.Item(i)] = s
		}
		if again, _ := counting.ParseKey(s); again != k {
			t.Errorf("%q has two hashes", s)
		}
	}
	for _, s := range []string{"", "\t", "a\n", "\x7f", "é", strings.Repeat("x", 256)} {
		check.Is(t, check.Err(counting.ParseKey(s)), counting.ErrBadKey, "%q", s)
	}
}

func TestPrintsDifferByKindAndPayload(t *testing.T) {
	a := counting.FingerprintOf("a", []byte("b"))
	for _, other := range []counting.Fingerprint{
		counting.FingerprintOf("a", []byte("c")), counting.FingerprintOf("b", []byte("b")), counting.FingerprintOf("", []byte("ab")), counting.FingerprintOf("ab", nil),
	} {
		if other == a {
			t.Errorf("%x is the print of two payloads", a)
		}
	}
}

// V29: whatever the time of a day at which a key came, it counts for 24 hours, and
// never for 48.
func TestAKeyCountsForADay(t *testing.T) {
	for _, at := range []time.Time{
		time.Date(2026, 11, 22, 0, 0, 0, 0, time.UTC), time.Date(2026, 11, 22, 23, 59, 59, 999e6, time.UTC),
		time.Unix(0, 0), time.Unix(-1, 0), time.Date(1969, 12, 31, 0, 0, 0, 0, time.UTC),
	} {
		day := counting.DayOf(at)
		if start := day.Start(); at.Before(start) || !at.Before(start.Add(24*time.Hour)) {
			t.Errorf("%v is not in the day that begins at %v", at, start)
		}
		if now := counting.DayOf(at.Add(24 * time.Hour)); !now.Keeps(day) {
			t.Errorf("a key of %v is forgotten within 24 hours", at)
		}
		if now := counting.DayOf(at.Add(48 * time.Hour)); now.Keeps(day) {
			t.Errorf("a key of %v is kept for 48 hours", at)
		}
		if now := counting.DayOf(at.Add(-time.Hour)); !now.Keeps(day) {
			t.Errorf("a key of %v is forgotten by a clock that steps back", at)
		}
	}
}
