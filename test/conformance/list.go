package conformance

import (
	"fmt"
	"maps"

	"footfall/domain/counting"
	"footfall/test/check"
)

func listCases() []testCase {
	return []testCase{
		{"every page is listed with its arc", open, func(f *fixture) {
			want := make(map[counting.Visit]bool)
			var visits []counting.Visit
			for i := range 2500 {
				visits = append(visits, f.visit(counting.Page(fmt.Sprintf("page %d/ä", i)), int64(i+1)))
				want[visits[i]] = true
			}
			f.apply(f.batch(visits...))
			if got := f.list(); !maps.Equal(got, want) {
				f.Fatalf("%d pages are listed, want %d", len(got), len(want))
			}
		}},
		{"a node without pages lists none", open, func(f *fixture) {
			equal(f, "pages", len(f.list()), 0)
		}},
		{"a page that is no count is listed as -1", open, func(f *fixture) {
			f.apply(f.batch(f.visit("home", 3)))
			f.corruptPage(f.at("bad"))
			want := map[counting.Visit]bool{f.visit("home", 3): true, f.visit("bad", -1): true}
			if got := f.list(); !maps.Equal(got, want) {
				f.Fatalf("got %v, want %v", got, want)
			}
		}},
		{"a node with incoming arcs lists nothing", moving, func(f *fixture) {
			arc := f.destination()
			f.apply(f.batch(counting.Visit{Arc: arc, Page: "page", Count: 1}))
			mustBe(f, check.Err(f.node.List(f.Context(), counting.Expected{Epoch: f.ring.Epoch()}, "")), counting.Moving)
			f.closeArcs()
			equal(f, "the page is listed", f.list()[counting.Visit{Arc: arc, Page: "page", Count: 1}], true)
		}},
	}
}

func (f *fixture) list() map[counting.Visit]bool {
	f.Helper()
	got := make(map[counting.Visit]bool)
	follow(f, func(cursor string) ([]counting.Visit, string, error) {
		return f.node.List(f.Context(), counting.Expected{Epoch: f.ring.Epoch()}, cursor)
	}, func(pages []counting.Visit) {
		for _, p := range pages {
			got[p] = true
		}
	})
	return got
}
