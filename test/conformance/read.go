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
		{"a page that was never visited is 0", open, func(f *fixture) {
			f.visits("home", 0)
			f.apply(f.batch(f.visit("home", 1)))
			f.visits("about", 0)
		}},
		{"a read of no pages has no tallies", open, func(f *fixture) {
			equal(f, "tallies", len(check.Value(f.node.Read(f.Context(), 1, nil))(f)), 0)
		}},
		{"a page may be read twice in one call", open, func(f *fixture) {
			f.apply(f.batch(f.visit("home", 3)))
			equalSlices(f, "tallies", check.Value(f.node.Read(f.Context(), 1, []counting.Located{f.at("home"), f.at("home")}))(f), []counting.Tally{{Visits: 3}, {Visits: 3}})
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
		{"a read of an epoch below the fence is stale", open, func(f *fixture) {
			f.fence(f.next("second"))
			mustBe(f, errorOf(f.node.Read(f.Context(), 1, []counting.Located{f.at("home")})), counting.ErrStale)
		}},
		{"a read of an epoch that is not open is ahead", open, func(f *fixture) {
			next := f.next("second")
			mustBe(f, errorOf(f.node.Read(f.Context(), 2, []counting.Located{f.at("home")})), counting.ErrAhead)
			f.fence(next)
			mustBe(f, errorOf(f.node.Read(f.Context(), 2, []counting.Located{f.at("home")})), counting.ErrAhead)
			f.openRing(next)
			f.visits("home", 0)
		}},
		{"a node without a ring reads nothing", empty, func(f *fixture) {
			mustBe(f, errorOf(f.node.Read(f.Context(), 1, []counting.Located{{Page: "home"}})), counting.ErrUninitialized)
		}},
	}
}
