package conformance

import (
	"fmt"
	"strings"

	"footfall/domain/counting"
	"footfall/test/check"
)

func readCases() []testCase {
	return []testCase{
		{"many pages are read in their order", open, func(f *fixture) {
			var visits []counting.Visit
			var pages []counting.Located
			for i := range 300 {
				page := counting.Page(fmt.Sprintf("page/%d", i))
				visits = append(visits, f.visit(page, int64(i+1)))
				pages = append(pages, f.at(counting.Page(fmt.Sprintf("page/%d", 299-i))))
			}
			f.apply(f.batch(visits...))
			got := check.Value(f.node.Read(f.Context(), 1, pages))(f)
			equal(f, "tallies", len(got), len(pages))
			for i, tally := range got {
				equal(f, fmt.Sprintf("tally %d", i), tally, counting.Tally{Visits: int64(300 - i)})
			}
		}},
		{"a page may be read twice in one call, or none", open, func(f *fixture) {
			f.apply(f.batch(f.visit("home", 3)))
			home := f.at("home")
			for _, pages := range [][]counting.Located{{home, home, f.at("never visited")}, nil} {
				want := []counting.Tally{{Visits: 3}, {Visits: 3}, {}}[:len(pages)]
				equalSlices(f, "tallies", check.Value(f.node.Read(f.Context(), 1, pages))(f), want)
			}
		}},
		{"pages are equal when their bytes are", open, func(f *fixture) {
			odd := []counting.Page{
				"a", "A", "a ", " a", "aa", "a/b", "a%2Fb", "a:b", "a{b}", "a\u00a0", "\u00e9", "e\u0301",
				"ff:T", "c:0", "*", "\"", "'", "\\", "\U0001f600", "0", "00", "-1",
				counting.Page(strings.Repeat("x", counting.MaxPageBytes)), counting.Page(strings.Repeat("x", counting.MaxPageBytes-1)),
			}
			var visits []counting.Visit
			var pages []counting.Located
			var want []counting.Tally
			for i, page := range odd {
				visits = append(visits, f.visit(page, int64(i+1)))
				pages = append(pages, f.at(page))
				want = append(want, counting.Tally{Visits: int64(i + 1)})
			}
			f.apply(f.batch(visits...))
			equalSlices(f, "tallies", check.Value(f.node.Read(f.Context(), 1, pages))(f), want)
		}},
		{"a read has every batch that was answered before", open, func(f *fixture) {
			for i := range int64(30) {
				f.apply(f.batch(f.visit("home", 1)))
				f.visits("home", i+1)
			}
		}},
		{"reads are answered only in the node's epoch", open, func(f *fixture) {
			refused := func(epoch counting.Epoch, want error) {
				f.Helper()
				mustBe(f, check.Err(f.node.Read(f.Context(), epoch, []counting.Located{f.at("home")})), want)
				mustBe(f, check.Err(f.node.List(f.Context(), epoch, "")), want)
				if n, ok := f.node.(counting.Movable); ok {
					mustBe(f, check.Err(n.FindKeys(f.Context(), epoch, []counting.LocatedKey{{Arc: 5}})), want)
					mustBe(f, check.Err(n.ReadParts(f.Context(), epoch, []counting.Located{f.at("home")})), want)
				}
			}
			next := f.next("second")
			refused(0, counting.ErrStale)
			refused(2, counting.ErrAhead)
			f.fence(next)
			refused(1, counting.ErrStale)
			refused(2, counting.ErrAhead)
			f.openRing(next)
			refused(1, counting.ErrStale)
			f.visits("home", 0)
		}},
	}
}
