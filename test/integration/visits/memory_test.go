package visits_test

import (
	"fmt"
	"net/http"
	"net/url"
	"os"
	"testing"

	"footfall/test/check"
	"footfall/test/integration/service"
)

// V21: reading a million pages that were never
// visited fills no memory.
func TestReadingUnknownPagesKeepsNothing(t *testing.T) {
	if _, err := os.Stat("/proc/self/status"); err != nil {
		t.Skip("this system has no /proc")
	}
	in := service.NewDeployment(t).Start()
	c := service.NewClient()
	defer c.CloseIdleConnections()
	read := func(from, to int) {
		for first := from; first < to; first += 1000 {
			query := make(url.Values)
			for i := range 1000 {
				query.Add("page_id", fmt.Sprintf("unknown%d", first+i))
			}
			got := check.Value(service.Request(c, http.MethodGet, in.Public+"/visits?"+query.Encode(), ""))(t)
			if got.Status != http.StatusOK || len(got.Body) < 1000 {
				t.Fatalf("%d, %d bytes", got.Status, len(got.Body))
			}
		}
	}
	read(0, 200_000) // buffers and pools reach their size
	before := in.ResidentKB()
	read(200_000, 1_200_000)
	if after := in.ResidentKB(); after > before+20_000 {
		t.Errorf("a million reads left %d kB, before there were %d kB", after, before)
	}
}

// An instance that has nothing to do holds less than 20 MB of its own.
func TestAnIdleInstanceIsSmall(t *testing.T) {
	if _, err := os.Stat("/proc/self/status"); err != nil {
		t.Skip("this system has no /proc")
	}
	t.Parallel()
	r := service.NewRing(t, 3, "--appendfsync", "everysec")
	in := r.Start()
	for i := range 64 { // it has spoken with every node
		r.MustVisit(in, fmt.Sprint("page", i))
	}
	own := in.OwnKB()
	t.Logf("%d KB, and %d KB with the program", own, in.ResidentKB())
	if own >= 20_000 {
		t.Errorf("it holds %d KB", own)
	}
}
