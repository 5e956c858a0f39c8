package ring_test

import (
	"net/http"
	"net/http/httptest"
	"slices"
	"testing"

	"footfall/domain/counting"
	"footfall/test/integration/service"
)

// X6: the home of a published window is abandoned while its endpoint is still called: the
// window stays known with its count, and is never lost.
func TestX6APublishedWindowOutlivesItsHome(t *testing.T) {
	t.Parallel()
	called, end := make(chan struct{}, 100), make(chan struct{})
	hangs := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		called <- struct{}{}
		<-end
	}))
	t.Cleanup(hangs.Close)
	t.Cleanup(func() { close(end) })
	r := service.NewRing(t, 3)
	r.Env = []string{"FOOTFALL_WINDOW=4s", "FOOTFALL_GRACE=100ms", "FOOTFALL_CALLBACK_ALLOW=127.0.0.0/8", "FOOTFALL_CALLBACK_RATE=1000000/s"}
	in := r.Start()
	for id := range 20 {
		r.Accept(in, id, hangs.URL).Want(t, http.StatusOK)
	}
	<-called
	var published service.Listed
	service.WaitFor(t, "a window is published, and its endpoint is called", func() bool {
		all := r.Windows(in)
		i := slices.IndexFunc(all, func(w service.Listed) bool { return w.State == "published" && w.Count > 0 })
		if i >= 0 {
			published = all[i]
		}
		return i >= 0
	})
	length := counting.WindowLength(published.WindowEnd.Sub(published.WindowStart))
	ring := r.StoredRing(0)
	home := ring.Members()[ring.HomeIndex(length.At(published.WindowStart))]
	r.ServerAt(home.Addr).Kill()
	in.MustTool("ring", "remove", string(home.ID), "--accept-loss")
	after := 0
	service.WaitFor(t, "later windows are closed", func() bool {
		after = 0
		all := r.Windows(in)
		for _, w := range all {
			if w.WindowStart.After(published.WindowEnd) && w.State != "open" {
				after++
			}
			if w.ID == published.ID && (w.State == "lost" || w.Count != published.Count) {
				t.Fatalf("%s was published with %d and is listed as %s with %d", w.ID, published.Count, w.State, w.Count)
			}
		}
		return after > 0 && slices.ContainsFunc(all, func(w service.Listed) bool { return w.ID == published.ID })
	})
}
