package history_test

import (
	"fmt"
	"testing"
	"time"

	"footfall/application/history"
	"footfall/domain/counting"
	"footfall/domain/timeline"
	"footfall/test/check"
)

// One call returns some pages with all that they have, until it has returned all.
func TestPagesAreSavedInParts(t *testing.T) {
	scenario(t, history.Options{Setting: hourly(t)}, func(t *testing.T, r *rig) {
		check.Must(t, r.history.Start(t.Context()))
		v := r.cluster.View()
		since := time.Now().AddDate(0, 0, -30)
		var pages []counting.Page
		for i := range 50 {
			page := counting.Page(fmt.Sprint(i))
			pages = append(pages, page)
			check.Must(t, r.visits.Record(t.Context(), page, 1000))
			owner := r.nodes[v.Owner(v.Arc(page))]
			owner.histories[page] = counting.Restored(since)
			for k := range 700 {
				owner.place(t, page, since.Add(time.Duration(k)*time.Hour))
			}
		}
		for sizes := []int{32, 18, 0}; len(sizes) > 0; sizes = sizes[1:] {
			some := check.Value(r.history.Save(t.Context(), pages))(t)
			check.Equal(t, len(some), sizes[0], "pages of a call")
			for i, p := range some {
				check.Must(t, p.Err)
				check.Equal(t, p.Page, pages[i], "page")
				check.Equal(t, p.Count, 1000, "its count")
				check.Equal(t, p.History.Len(), 700, "its buckets")
				check.Equal(t, p.History.Since, since.Unix(), "when its history begins")
			}
			pages = pages[len(some):]
		}
	})
}

// A page that is corrupt is no error of the others. A node that is away is one of all.
func TestAPageThatIsCorruptIsSavedAsOne(t *testing.T) {
	scenario(t, history.Options{Setting: hourly(t)}, func(t *testing.T, r *rig) {
		check.Is(t, check.Err(r.history.Save(t.Context(), []counting.Page{"home"})), timeline.ErrNoHistory)
		check.Must(t, r.history.Start(t.Context()))
		for _, n := range r.nodes {
			n.histories["broken"] = "x"
		}
		some := check.Value(r.history.Save(t.Context(), []counting.Page{"home", "broken"}))(t)
		check.Equal(t, len(some), 2, "pages")
		check.OK(t, some[0].Err)
		check.Is(t, some[1].Err, counting.Corrupt)
		for _, n := range r.nodes {
			n.away = true
		}
		check.Is(t, check.Err(r.history.Save(t.Context(), []counting.Page{"home"})), counting.ErrUnavailable)
	})
}
