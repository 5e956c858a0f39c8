package page_test

import (
	"strings"
	"testing"
	"time"

	"footfall/adapters/httpapi/page"
	"footfall/adapters/httpapi/problem"
	"footfall/domain/counting"
	"footfall/domain/publishing"
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
		`<tr data-page="` + escaped + `"><th scope="row">` + escaped + `</th>`,
		`<td class="via">` + escaped + `</td>`,
		`aria-label="Stop watching ` + escaped + `"`,
		`name="page_id" value="` + escaped + `"`,
		`<tr data-window="` + escaped + `">`,
		`<td>` + escaped + `</td>`,
		`<tr><th scope="row">` + escaped + `</th><td class="number">0.0 %`,
		`href="?page_id=%3C%2Ftd%3E%3Cscript%3Ealert%281%29%3C%2Fscript%3E%22%27%26%2B%60%00&#43;onload%3Dx&#43;javascript%3Aalert%281%29&#43;%7B%7B.%7D%7D&#43;%C3%A9%E2%80%AF%FF"`,
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

func TestThePageWithoutAnythingToShow(t *testing.T) {
	t.Parallel()
	body := render(t, page.Home{WindowsError: true})
	for _, want := range []string{"No page is watched.", `<div id="open" hidden>`, `max="1" value=""`, `<p id="windows-lost">`} {
		if !strings.Contains(body, want) {
			t.Errorf("it has no %s: %s", want, body)
		}
	}
	if body := render(t, page.Home{Pages: []watching.Page{{Page: "a"}}}); strings.Contains(body, "Stop watching") || !strings.Contains(body, `<p id="windows-lost" hidden>`) {
		t.Error("the only page can be removed, or the windows are lost:", body)
	}
}
