package httpapi_test

import (
	"strings"
	"testing"

	"github.com/golang/mock/gomock"

	"footfall/adapters/httpapi"
	"footfall/domain/counting"
	"footfall/domain/publishing"
)

// pageRig is a rig whose windows are asked for once, with an error or without.
func pageRig(t *testing.T, f *tallies, err error) *rig {
	t.Helper()
	r := newRig(t, withTallies(f))
	r.uniques.EXPECT().Windows(gomock.Any(), 60).Return([]publishing.Summary{{Report: summary().Report, State: counting.Open}, summary()}, err)
	return r
}

func TestThePageShowsWhatThereIs(t *testing.T) {
	f := newTallies()
	f.counts["a<script>&\"'"], f.counts["home"] = 1234567, 3
	f.errs["gone"] = inner(counting.ErrUnavailable)
	r := pageRig(t, f, nil)
	r.nodes[1].Answers = false
	w := send(t, r.handler, "GET", "/?page_id=a%3Cscript%3E%26%22%27&page_id=gone", "")
	checkNothingInner(t, w)
	for _, want := range []string{
		`<tr data-page="a&lt;script&gt;&amp;&#34;&#39;"><th scope="row">a&lt;script&gt;&amp;&#34;&#39;</th><td class="number count">1` + "\u202f234\u202f567</td>",
		`<td class="number count">–</td><td class="via">The store can&#39;t be reached now; nothing was changed.</td><td><a href="/?page_id=a%3Cscript%3E%26%22%27"`,
		`<span id="open-count" class="large">123</span>`, `class="done"><title>09:05:00 UTC: 123</title>`, `<td class="number">1 of 3, 1 failed</td>`,
		`redis_7071</th><td class="number">50.0 %</td><td><span class="state down">no answer</span>`,
	} {
		if !strings.Contains(w.Body.String(), want) {
			t.Errorf("it has no %s", want)
		}
	}
	if strings.Contains(w.Body.String(), "<script>&") || w.Code != 200 || !strings.HasPrefix(w.Header().Get("Content-Security-Policy"), "default-src 'none'; script-src 'self';") {
		t.Errorf("%d %v %s", w.Code, w.Header(), w.Body)
	}
	if t.Failed() {
		t.Log(w.Body)
	}
	w = send(t, pageRig(t, f, inner(counting.ErrUnavailable)).handler, "GET", "/", "")
	if body := w.Body.String(); !strings.Contains(body, `<p id="windows-lost">The windows`) || !strings.Contains(body, `<tr data-page="home">`) {
		t.Errorf("without windows: %s", body)
	}
	golden(t, "home_bad_page", send(t, newRig(t).handler, "GET", "/?page_id=", ""))
}

func TestNothingOfThePagesIsFromElsewhereOrInline(t *testing.T) {
	for _, target := range []string{"/", "/docs", "/assets/page.css", "/assets/page.js", "/assets/icon.svg", "/visits/home/badge.svg"} {
		r := newRig(t, withTallies(newTallies()))
		r.uniques.EXPECT().Windows(gomock.Any(), gomock.Any()).AnyTimes().Return(nil, nil)
		w := send(t, r.handler, "GET", target, "")
		body := strings.NewReplacer("http://www.w3.org/2000/svg", "", "http://www.w3.org/1999/xhtml", "").Replace(w.Body.String())
		if w.Code != 200 || w.Body.Len() == 0 || w.Header().Get("X-Content-Type-Options") != "nosniff" {
			t.Errorf("%s: %d %v", target, w.Code, w.Header())
		}
		for _, bad := range []string{"src=\"http", "href=\"http", "url(", "@import", "style=\"", "onclick", "<style", "<script>"} {
			if strings.Contains(body, bad) {
				t.Errorf("%s has %s", target, bad)
			}
		}
	}
}

func TestBadgesAndAssetsHaveTheirBodies(t *testing.T) {
	f := newTallies()
	f.counts["home"] = 9876
	f.errs["gone"] = inner(counting.ErrUnavailable)
	for _, c := range []struct{ name, target string }{
		{"badge", "/visits/home/badge.svg"},
		{"badge", "/api/v1/counter/visits/home/badge.svg"},
		{"badge_unavailable", "/visits/gone/badge.svg"},
		{"badge_bad_page", "/visits//badge.svg"},
		{"asset_unknown", "/assets/page.html"},
		{"no_such_route", "/visits/a/b/badge.svg"},
		{"no_such_route", "/visits/badge.svg/"},
	} {
		w := send(t, newRig(t, withTallies(f)).handler, "GET", c.target, "")
		golden(t, c.name, w)
		checkNothingInner(t, w)
	}
}

func TestTheDocumentationShowsEveryRoute(t *testing.T) {
	r := newRig(t)
	body := send(t, r.handler, "GET", "/docs", "").Body.String()
	for _, route := range httpapi.Routes(r.handler) {
		method, path, _ := strings.Cut(route, " ")
		if !strings.Contains(body, `<h3><span class="method">`+method+`</span> <code>`+path+`</code></h3>`) {
			t.Errorf("it has no %s", route)
		}
	}
}
