package filelog_test

import (
	"bytes"
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"footfall/adapters/filelog"
	"footfall/domain/counting"
	"footfall/domain/publishing"
	"footfall/test/check"
)

// window returns a report like those of the service.
func window(i int, count int64) publishing.Report {
	l := counting.WindowLength(time.Minute)
	w := l.At(time.Date(2026, 11, 22, 10, i, 0, 0, time.UTC))
	return publishing.Report{ID: l.Name(w), Start: l.Start(w), End: l.End(w), Count: count}
}

// Reports that are read back have the bodies of those that were written.
// Damaged lines are reported by their numbers, and no other line is lost.
func TestReportsAreReadBackAsTheyWereWritten(t *testing.T) {
	path := t.TempDir() + "/log"
	l := started(t, path)
	staging := window(2, 3) // F28: the log of a deployment with another name
	staging.ID = strings.Replace(staging.ID, "footfall", "staging", 1)
	want := []publishing.Report{window(0, 0), window(1, 7), window(1, 7), window(2, 1<<62), staging}
	for _, r := range want {
		publish(t, l, r)
		for _, a := range attempts() {
			check.Must(t, l.LogAttempt(a))
		}
	}
	log := read(t, path)
	damaged := bytes.Join([][]byte{
		log[:40], // torn
		log,
		[]byte(`{"event":"unique_ids","id":"footfall_20261122T100500Z","window_start":"2026-11-22T10:06:00Z","window_end":"2026-11-22T10:07:00Z","count":1}`),
		[]byte(`{"event":"unique_ids","id":"footfall_20261122T100500Z","window_start":"2026-11-22T10:05:00Z","window_end":"2026-11-22T10:06:00Z"}`),
		[]byte(`{"event":"unique_ids","id":"foot.fall_20261122T100500Z","window_start":"2026-11-22T10:05:00Z","window_end":"2026-11-22T10:06:00Z","count":1}`),
		[]byte(strings.Repeat("x", 200_000)),
		[]byte("{}"),
		nil,
		log,
	}, []byte("\n"))
	n := bytes.Count(log, []byte("\n"))
	for name, c := range map[string]struct {
		log  []byte
		want []publishing.Report
		bad  []int
	}{
		"whole":   {log, want, nil},
		"damaged": {damaged, append(append([]publishing.Report(nil), want...), want...), []int{1, n + 3, n + 4, n + 5, n + 6, n + 7}},
		"nothing": {nil, nil, nil},
		"no end":  {bytes.TrimSuffix(log, []byte("\n")), want, nil},
	} {
		t.Run(name, func(t *testing.T) {
			var got []publishing.Report
			var bad []int
			damaged := func(line int, why error) {
				if bad = append(bad, line); why == nil {
					t.Errorf("line %d is damaged without a reason", line)
				}
			}
			for r, err := range filelog.Reports(bytes.NewReader(c.log), damaged) {
				check.OK(t, err)
				got = append(got, r)
			}
			if len(got) != len(c.want) || !slices.Equal(bad, c.bad) {
				t.Fatalf("%d reports, want %d; damaged are %v, want %v", len(got), len(c.want), bad, c.bad)
			}
			for i, r := range got {
				if r.ID != c.want[i].ID || !bytes.Equal(r.Body(), c.want[i].Body()) {
					t.Errorf("read %s, want %s", r.Body(), c.want[i].Body())
				}
			}
		})
	}
}

func TestAnUnreadableLogIsAnError(t *testing.T) {
	broken := errors.New("broken")
	n := 0
	damaged := func(line int, why error) { t.Errorf("line %d is damaged: %v", line, why) }
	for _, err := range filelog.Reports(iotest.ErrReader(broken), damaged) {
		if n++; !errors.Is(err, broken) {
			t.Errorf("error %v", err)
		}
	}
	check.Equal(t, n, 1, "the number of errors")
}
