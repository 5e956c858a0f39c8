package counting_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"footfall/domain/counting"
	"footfall/test/check"
)

// The account here sorts all pages, and the summary keeps only some of them.
func TestASummaryIsThatOfAllPagesWithThePrefix(t *testing.T) {
	asOf := time.Unix(1763800000, 0)
	for _, n := range []int{0, 1, 999, 1000, 1001, 2000, 2001, 9000} {
		for _, prefix := range []string{"", "a/", "none/"} {
			s := counting.NewPageSummary(prefix)
			var with []counting.Visit
			sum := int64(0)
			for _, i := range rand.Perm(n) {
				v := counting.Visit{Page: counting.Page(fmt.Sprintf("%c/%d", 'a'+rune(i%3), i)), Count: rand.Int64N(50)}
				s.Add(v)
				if strings.HasPrefix(string(v.Page), prefix) {
					with = append(with, v)
					sum += v.Count
				}
			}
			slices.SortFunc(with, func(a, b counting.Visit) int {
				if a.Count != b.Count {
					return int(b.Count - a.Count)
				}
				return strings.Compare(string(a.Page), string(b.Page))
			})
			got := check.Value(s.Stats(asOf))(t)
			if got.Pages != int64(len(with)) || got.Visits != sum || got.Overflows || !got.AsOf.Equal(asOf) {
				t.Errorf("%d pages, prefix %q: %+v, want %d pages and %d visits", n, prefix, got, len(with), sum)
			}
			if want := with[:min(len(with), counting.MaxTop)]; !slices.Equal(got.Top, want) {
				t.Errorf("%d pages, prefix %q: the top is wrong", n, prefix)
			}
		}
	}
}

func TestASummaryWithACorruptPageHasNoNumbers(t *testing.T) {
	for prefix, want := range map[string]error{"": counting.Corrupt, "a": counting.Corrupt, "b": nil} {
		s := counting.NewPageSummary(prefix)
		for _, v := range []counting.Visit{{Page: "a/1", Count: -1}, {Page: "a/2", Count: -1}, {Page: "b", Count: 7}} {
			s.Add(v)
		}
		got, err := s.Stats(time.Now())
		check.Is(t, err, want, "prefix %q", prefix)
		n, first := s.Corrupted()
		switch {
		case want == nil:
			check.Equal(t, got.Visits, 7, "visits of %q", prefix)
		case n != 2 || first != "a/1":
			t.Errorf("prefix %q: %d corrupt pages, the first is %q", prefix, n, first)
		}
	}
}

func TestASumThatOverflowsLeavesTheTop(t *testing.T) {
	s := counting.NewPageSummary("")
	for _, v := range []counting.Visit{{Page: "b", Count: math.MaxInt64}, {Page: "a", Count: math.MaxInt64}, {Page: "c", Count: 1}} {
		s.Add(v)
	}
	got := check.Value(s.Stats(time.Now()))(t)
	if !got.Overflows || got.Pages != 3 || len(got.Top) != 3 || got.Top[0].Page != "a" || got.Top[2].Page != "c" {
		t.Errorf("%+v", got)
	}
}
