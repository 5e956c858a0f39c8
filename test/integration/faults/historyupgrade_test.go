package faults_test

import (
	"net/http"
	"testing"
	"time"

	"footfall/test/check"
	"footfall/test/integration/service"
)

// P1, P11: an instance of an older version and one of this version count on one store, exactly. History begins
// when the older one has been gone for 10 minutes by the clocks of the servers, and not before.
func TestP11HistoryBeginsWhenTheLastOlderInstanceHasLeft(t *testing.T) {
	t.Parallel()
	older := service.OlderProgram(t)
	r := service.NewRingWithClocks(t, 2)
	before := r.Deployment()
	before.Program = older
	r.Env = []string{"FOOTFALL_MAX_CLOCK_SKEW=1h"}
	old := before.Start()
	count := func(n int64, among ...*service.Instance) {
		for range n {
			for _, in := range among {
				for _, page := range []string{"home", "about", "a", "b", "c"} { // of both nodes
					r.MustVisit(in, page)
				}
			}
		}
	}
	count(1, old)
	in := r.Deployment().Start()
	begin := func() {
		in.Administer(http.MethodPut, "/history", `{"history":"1h:32d,1d:400d"}`).Want(t, http.StatusOK)
	}
	count(2, old, in)
	begin()
	in.Get("/visits/home/history").Want(t, http.StatusNotFound, "no_history")
	check.Equal(t, old.Visits("home"), 5, "visits by the older instance")
	old.Kill()
	left := time.Now()
	begin()
	in.Get("/visits/home/history").Want(t, http.StatusNotFound, "no_history")
	for _, s := range r.Servers {
		s.Clock.Shift(t, 11*time.Minute)
	}
	begin()
	count(4, in)
	for _, page := range []string{"home", "about", "a", "b", "c"} {
		var got struct {
			Sum, Total    int64
			BeforeHistory int64     `json:"before_history"`
			HistorySince  time.Time `json:"history_since"`
		}
		in.Get("/visits/"+page+"/history?from="+left.UTC().Format(time.RFC3339)+"&to="+left.UTC().Add(3*time.Hour).Format(time.RFC3339)).Into(t, &got)
		if got.Sum != 4 || got.BeforeHistory != 5 || got.Total != 9 || got.HistorySince.Before(left.Add(10*time.Minute)) {
			t.Errorf("%s: %+v, want 4 visits since the older instance left at %v, and 5 before", page, got, left)
		}
	}
}
