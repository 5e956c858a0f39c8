package limits_test

import (
	"bytes"
	"log/slog"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"footfall/adapters/httpapi/limits"
	"footfall/test/check"
)

// Each bound has a line a minute, which says how many were refused and who was the last.
func TestRefusalsHaveALineAMinute(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		counted := 0
		r := limits.NewRefusals(func(string, string) { counted++ }, slog.New(slog.NewTextHandler(&log, nil)))
		client := netip.MustParsePrefix("192.0.2.1/32")
		for range 5 {
			r.Note("streams", limits.BoundClient, client)
		}
		r.Note("streams", limits.BoundTotal, client)
		time.Sleep(time.Minute)
		r.Note("streams", limits.BoundClient, client)
		check.Equal(t, counted, 7, "what is counted")
		var ends []string
		for line := range strings.Lines(log.String()) {
			_, end, _ := strings.Cut(strings.TrimSpace(line), "refused\" ")
			ends = append(ends, end)
		}
		check.Equal(t, strings.Join(ends, "; "), "resource=streams bound=client client=192.0.2.1/32 refused=1; "+
			"resource=streams bound=total client=192.0.2.1/32 refused=1; resource=streams bound=client client=192.0.2.1/32 refused=5", "the log")
	})
	var none *limits.Refusals
	none.Note("streams", limits.BoundClient, netip.Prefix{})
}
