package visits_test

import (
	"fmt"
	"maps"
	"net/http"
	"path/filepath"
	"slices"
	"testing"

	"footfall/test/check"
	"footfall/test/integration/service"
	"footfall/test/servers"
)

// V30: pages move from three servers to a Redis Cluster, to one of another number of
// partitions, and back, each with its count, and all of them count on. Idempotency keys stay.
func TestPagesMoveFromServersToAClusterAndBack(t *testing.T) {
	t.Parallel()
	want := make(map[string]int64)
	r := service.NewRing(t, 3)
	from := r.Start()
	var items []string
	for k := range 1500 {
		page := fmt.Sprintf("page/%d ä<&>\"", k)
		want[page] = int64(k%8 + 1)
		items = append(items, fmt.Sprintf(`{"page_id":%q,"count":%d}`, page, want[page]))
	}
	record(t, from, items)
	once := func() { service.AskOnce(from, "/visit/once", "key", "").Want(t, http.StatusOK) }
	once()
	once()
	want["once"] = 1
	for i, ring := range []*service.Ring{
		service.NewClusterRing(t, servers.StartCluster(t, 3, 0), ""),
		service.NewClusterRing(t, servers.StartCluster(t, 1, 0), "?partitions=4"),
		service.NewRing(t, 3),
	} {
		file := filepath.Join(t.TempDir(), "all.ndjson")
		from.MustTool("export", file)
		check.Equal(t, from.Stop(), 0, "exit code")
		from = ring.Start()
		from.MustTool("import", file)
		for _, page := range slices.Sorted(maps.Keys(want)) {
			check.Equal(t, from.Visits(page), want[page], "visits of %s after move %d", page, i+1)
		}
		once() // no key came along, as the page says
		want["once"]++
		record(t, from, items[:100])
		for k := range 100 {
			want[fmt.Sprintf("page/%d ä<&>\"", k)] += int64(k%8 + 1)
		}
	}
}
