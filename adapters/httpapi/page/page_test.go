package page_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"footfall/adapters/httpapi/page"
	"footfall/adapters/httpapi/problem"
	"footfall/domain/counting"
	"footfall/domain/publishing"
	"footfall/domain/timeline"
	"footfall/domain/watching"
	"footfall/test/check"
)

// hostile is a name that tries to become a part of the markup, and escaped is
// the text that stands for it in elements and quoted attributes.
const (
	hostile = `</td><script>alert(1)</script>"'&+` + "`\x00 onload=x javascript:alert(1) {{.}} é\u202f\xff"
	escaped = `&lt;/td&gt;&lt;script&gt;alert(1)&lt;/script&gt;&#34;&#39;&amp;&#43;` + "`\uFFFD onload=x javascript:alert(1) {{.}} é\u202f\xff"
)

func window(state counting.State, count int64) publishing.Summary {
	start := time.Date(2026, 11, 22, 10, 5, 0, 0, time.FixedZone("elsewhere", 3600))
	return publishing.Summary{
		Report: publishing.Report{ID: hostile, Start: start, End: start.Add(time.Minute), Count: count},
		State:  state, Sink: hostile,
		Deliveries: counting.DeliveryTotals{Endpoints: 3, Delivered: 1, Failed: 1},
	}
}

func render(t *testing.T, h page.Home) string {
	t.Helper()
	var body strings.Builder
	check.Must(t, check.Value(page.New())(t).Execute(&body, h))
	if strings.Contains(body.String(), "ZgotmplZ") {
		t.Error("a value stands where html/template permits none")
	}
	return body.String()
}

func TestHostileNamesAreEscaped(t *testing.T) {
	t.Parallel()
	body := render(t, page.Home{
		Pages: []watching.Page{
			{Page: hostile, Reading: counting.Reading{Via: hostile}},
			{Page: "b", Reading: counting.Reading{Tally: counting.Tally{Err: problem.Fault{Detail: hostile}}}},
		},
		Windows: []publishing.Summary{window(counting.Open, 1)},
		Nodes:   []watching.Node{{ID: hostile}},
	})
	for _, want := range []string{
		`<tr role="row" data-page="` + escaped + `"><th role="rowheader" scope="row"><span id="page-0" class="name">` + escaped + `</span>`,
		`<span class="via">` + escaped + `</span></th>`,
		`name="page_id" value="` + escaped + `"`,
		`<tr data-window="` + escaped + `">`,
		`<td>` + escaped + `</td>`,
		`<tr><th scope="row">` + escaped + `</th><td class="number">0.0 %`,
		`in one place: ` + escaped + `, which does not answer`,
	} {
		if !strings.Contains(body, want) {
			t.Errorf("it has no %s", want)
		}
	}
	if strings.Contains(body, "<script>") || t.Failed() {
		t.Error(body)
	}
}

func TestTheOpenWindowShowsItsCountAndTime(t *testing.T) {
	t.Parallel()
	w := window(counting.Open, 1234567)
	for now, elapsed := range map[time.Time]string{
		w.Start.Add(-time.Second): "0", w.Start.Add(15 * time.Second): "0.25", w.End.Add(time.Second): "1",
	} {
		body := render(t, page.Home{Now: now, Windows: []publishing.Summary{w, window(counting.Done, 3)}})
		for _, want := range []string{
			`<div id="open">`, `class="large">1` + "\u202f234\u202f567</span>", `max="1" value="` + elapsed + `"`,
			`<rect x="591" y="0" width="8" height="120" class="open"><title>09:05:00 UTC: 1234567</title></rect>`,
			`<rect x="581" y="119" width="8" height="1" class="done">`, `<td class="number">1 of 3, 1 failed</td>`,
		} {
			if !strings.Contains(body, want) {
				t.Errorf("it has no %s: %s", want, body)
			}
		}
	}
}

// N13: the chart says what it counts, in windows of any length.
func TestN13TheChartHasAUnit(t *testing.T) {
	t.Parallel()
	for length, want := range map[time.Duration]string{
		time.Second: "1 second", 90 * time.Second: "90 seconds", time.Minute: "1 minute", 15 * time.Minute: "15 minutes", time.Hour: "1 hour", 24 * time.Hour: "24 hours",
	} {
		w := window(counting.Done, 1234)
		w.End = w.Start.Add(length)
		if body := render(t, page.Home{Windows: []publishing.Summary{w}}); !strings.Contains(body, "Ids per window of "+want+"; the highest bar is 1\u202f234") {
			t.Errorf("%v: %s", length, body)
		}
	}
}

// N13: a single node is no ring.
func TestN13OneNodeShowsNoRing(t *testing.T) {
	t.Parallel()
	for n, want := range map[int][]string{
		1: {`<p id="one-node">All counts are in one place: embedded, which answers.`, `<table id="ring" hidden>`},
		2: {`<p id="one-node" hidden>`, `<table id="ring">`},
	} {
		body := render(t, page.Home{Nodes: slices.Repeat([]watching.Node{{ID: "embedded", Share: 1, Answers: true}}, n)})
		for _, part := range want {
			if !strings.Contains(body, part) {
				t.Errorf("with %d nodes it has no %s: %s", n, part, body)
			}
		}
	}
}

func TestThePageShowsTheServerOfAPartition(t *testing.T) {
	t.Parallel()
	body := render(t, page.Home{Nodes: []watching.Node{{ID: "p00", Host: "redis_10.0.0.1_6379"}, {ID: "p01", Host: hostile}, {ID: "redis_7070"}}})
	for _, want := range []string{`<th scope="row">p00 on redis_10.0.0.1_6379</th>`, `<th scope="row">p01 on ` + escaped + `</th>`, `<th scope="row">redis_7070</th>`} {
		if !strings.Contains(body, want) {
			t.Errorf("it has no %s: %s", want, body)
		}
	}
}

func TestThePageWithoutAnythingToShow(t *testing.T) {
	t.Parallel()
	body := render(t, page.Home{WindowsError: true})
	for _, want := range []string{"No page is watched.", `<div id="open" hidden>`, `max="1" value=""`, `<p id="windows-lost">`} {
		if !strings.Contains(body, want) {
			t.Errorf("it has no %s: %s", want, body)
		}
	}
	if body := render(t, page.Home{Pages: []watching.Page{{Page: "a"}}}); strings.Contains(body, "<button form") || !strings.Contains(body, `<p id="windows-lost" hidden>`) {
		t.Error("the only page can be removed, or the windows are lost:", body)
	}
}

func TestAChartShowsItsSpan(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 28, 0, 20, 30, 0, time.UTC)
	for span, want := range map[page.Span]struct {
		bars         int
		today        int64
		first, words string
	}{
		page.DaySpan:   {24, 1, "01:00", "8 in the last 24 hours, at most 7, from 23:00 UTC"},
		page.MonthSpan: {30, 1, "2026-10-30", "13 in the last 30 days, at most 12, from 2026-11-27 UTC"},
	} {
		setting := check.Value(counting.ParseHistory("1h:32d"))(t)
		h := counting.PageHistory{Part: counting.Part{Visits: 13}, State: counting.HistoryState{Setting: setting, Since: now.AddDate(0, 0, -40)}}
		for visits, ago := range map[int64]time.Duration{1: 0, 7: time.Hour, 5: 24 * time.Hour} {
			h.History = h.History.Append(counting.Bucket{Unit: setting.UnitAt(now.Add(-ago)), Visits: visits})
		}
		shown := check.Value(span.Range(now))(t)
		found := check.Value(shown.Count(h, now))(t)
		chart := page.Home{Span: span, Timelines: []timeline.Timeline{found}}.Chart(0)
		bars := chart.Bars()
		check.Equal(t, len(bars), want.bars, "bars of %s", span)
		check.Equal(t, bars[0].Label, want.first, "the first bar of %s", span)
		check.Equal(t, chart.Today(), want.today, "today, by %s", span)
		check.Equal(t, chart.Summary(), want.words, "the chart in words")
		check.Equal(t, bars[len(bars)-1].Class, "open", "the last bar")
		check.Equal(t, bars[len(bars)-2].Height, 40, "the height of the highest bar")
		check.Equal(t, bars[0].Class, "none", "a bar without visits")
		h.State.Since = now.Add(-90 * time.Minute)
		found = check.Value(shown.Count(h, now))(t)
		words := page.Home{Span: span, Timelines: []timeline.Timeline{found}}.Chart(0).Summary()
		check.Equal(t, words[:len("8 since 2026-11-27 22:50 UTC, at most ")], "8 since 2026-11-27 22:50 UTC, at most ", "the chart of a younger history in words")
	}
	_, ok := page.ParseSpan("7d")
	check.Equal(t, ok, false, "there is a chart of a week")
}
