package publishing_test

import (
	"encoding/json"
	"math"
	"os"
	"strings"
	"testing"
	"time"

	"footfall/domain/publishing"
	"footfall/test/check"
)

func TestTheBodyOfAReport(t *testing.T) {
	start := time.Date(2026, 11, 22, 10, 5, 0, 0, time.UTC)
	var got strings.Builder
	for _, r := range []publishing.Report{
		{ID: "footfall_20261122T100500Z", Start: start, End: start.Add(time.Minute), Count: 123},
		{ID: "footfall_20261122T100500Z", Start: start.In(time.FixedZone("CET", 3600)), End: start.Add(time.Minute).Local(), Count: 0},
		{ID: "footfall_20261122T100504Z_2s", Start: start.Add(4 * time.Second), End: start.Add(6 * time.Second), Count: math.MaxInt64},
		{},
	} {
		got.Write(r.Body())
		got.WriteByte('\n')
	}
	want := check.Value(os.ReadFile("testdata/bodies.golden"))(t)
	if got.String() != string(want) {
		t.Errorf("got\n%swant\n%s", got.String(), want)
	}
}

func TestNoTimeIsTooEarlyOrTooLateForABody(t *testing.T) {
	for _, at := range []time.Time{time.Unix(math.MaxInt64/2, 0), time.Unix(math.MinInt64/2, 0), time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC)} {
		if b := (publishing.Report{ID: "x", Start: at, End: at, Count: 1}).Body(); !json.Valid(b) {
			t.Errorf("%v: %s", at, b)
		}
	}
}
