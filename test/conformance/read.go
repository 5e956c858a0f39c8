package conformance

import (
	"errors"
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
			got := check.Value(f.node.Read(f.Context(), counting.Expected{Epoch: 1}, pages))(f)
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
				equalSlices(f, "tallies", check.Value(f.node.Read(f.Context(), counting.Expected{Epoch: 1}, pages))(f), want)
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
			equalSlices(f, "tallies", check.Value(f.node.Read(f.Context(), counting.Expected{Epoch: 1}, pages))(f), want)
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
				mustBe(f, check.Err(f.node.Read(f.Context(), counting.Expected{Epoch: epoch}, []counting.Located{f.at("home")})), want)
				mustBe(f, check.Err(f.node.List(f.Context(), counting.Expected{Epoch: epoch}, "")), want)
				if n, ok := f.node.(counting.Movable); ok {
					mustBe(f, check.Err(n.FindKeys(f.Context(), epoch, []counting.LocatedKey{{Arc: 5}})), want)
					mustBe(f, check.Err(n.ReadParts(f.Context(), counting.Expected{Epoch: epoch}, []counting.Located{f.at("home")})), want)
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
		{"a read is refused if the node lacks an expected batch", open, func(f *fixture) {
			f.expect(f.seq, nil)
			f.expect(1, &counting.GapError{Last: 0})
			f.apply(f.batch(f.visit("home", 1)))
			f.apply(f.batch(f.visit("home", 2)))
			f.expect(1, nil)
			f.expect(2, nil)
			f.expect(3, &counting.GapError{Last: 2})
			f.apply(f.batch(f.visit("full", most)))
			f.apply(f.batch(f.visit("full", 1)), refusal(0, counting.Overflow))
			f.expect(4, nil)
			f.expect(5, &counting.GapError{Last: 4})
			f.session = "session-b"
			f.expect(1, &counting.GapError{Last: 0})
			f.session = ""
			f.expect(5, nil)
			f.visits("home", 3)
		}},
		{"what is expected survives a restart", open, func(f *fixture) {
			f.apply(f.batch(f.visit("home", 1)))
			f.reopen()
			f.expect(1, nil)
			f.expect(2, &counting.GapError{Last: 1})
		}},
		{"a wrong epoch comes before an expected batch that is missing", open, func(f *fixture) {
			f.openRing(f.next("second"))
			for epoch, want := range map[counting.Epoch]error{1: counting.ErrStale, 3: counting.ErrAhead} {
				e := counting.Expected{Epoch: epoch, Session: f.session, Seq: 1}
				mustBe(f, check.Err(f.node.Read(f.Context(), e, nil)), want)
			}
			f.expect(1, &counting.GapError{Last: 0})
		}},
	}
}

// expect makes every read that expects batch seq of the session. want is its error.
func (f *fixture) expect(seq int64, want *counting.GapError) {
	f.Helper()
	e := counting.Expected{Epoch: f.ring.Epoch(), Session: f.session, Seq: seq}
	home := []counting.Located{f.at("home")}
	errs := []error{
		check.Err(f.node.Read(f.Context(), e, home)), check.Err(f.node.Read(f.Context(), e, nil)), check.Err(f.node.List(f.Context(), e, "")),
	}
	if n, ok := f.node.(counting.Movable); ok {
		errs = append(errs, check.Err(n.ReadParts(f.Context(), e, home)))
	}
	if n, ok := f.node.(counting.Histories); ok {
		errs = append(errs, check.Err(n.ReadHistory(f.Context(), e, home[0])), check.Err(n.ListHistories(f.Context(), e, "")))
	}
	for i, err := range errs {
		var gap *counting.GapError
		if errors.As(err, &gap); (want == nil) != (err == nil) || want != nil && (gap == nil || *gap != *want) {
			f.Fatalf("read %d that expects batch %d: got the error %v, want %v", i, seq, err, want)
		}
	}
}
