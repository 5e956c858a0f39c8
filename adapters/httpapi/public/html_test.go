package public_test

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/golang/mock/gomock"

	"footfall/domain/counting"
	"footfall/domain/publishing"
	"footfall/domain/timeline"
	"footfall/test/check"
	"footfall/test/httpcheck"
)

// pageRig is a rig whose windows are asked for once, with an error or without.
func pageRig(t *testing.T, f *tallies, err error) *rig {
	t.Helper()
	r := newRig(t, withTallies(f))
	histories(r, counting.PageHistory{}, timeline.ErrNoHistory)
	r.stats.EXPECT().Stats(gomock.Any(), gomock.Any(), counting.PageQuery{}).AnyTimes().Return(counting.PageStats{}, nil)
	r.windows.EXPECT().List(gomock.Any(), publishing.Span{}, 60).Return([]publishing.Summary{{Report: summary().Report, State: counting.Open}, summary()}, true, err)
	return r
}

func TestThePageShowsPagesWindowsAndNodes(t *testing.T) {
	f := newTallies()
	f.counts["a<script>&\"'"], f.counts["home"] = 1234567, 3
	f.errs["gone"] = httpcheck.Inner(counting.ErrUnavailable)
	r := pageRig(t, f, nil)
	r.nodes[1].Answers = false
	w := httpcheck.Send(t, r.handler, "GET", "/?page_id=a%3Cscript%3E%26%22%27&page_id=gone", "")
	httpcheck.NothingInner(t, w)
	for _, want := range []string{
		`<tr role="row" data-page="a&lt;script&gt;&amp;&#34;&#39;"><th role="rowheader" scope="row"><span id="page-0" class="name">a&lt;script&gt;&amp;&#34;&#39;</span> <span class="via">redis_7070</span></th><td role="cell" class="number count">1` + "\u202f234\u202f567</td>",
		`<span class="via">The store can&#39;t take or answer this now; nothing was changed.</span></th><td role="cell" class="number count">–</td><td role="cell"><button form="watch" name="without" value="1"`,
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
	w = httpcheck.Send(t, pageRig(t, f, httpcheck.Inner(counting.ErrUnavailable)).handler, "GET", "/", "")
	if body := w.Body.String(); !strings.Contains(body, `<p id="windows-lost">The windows`) || !strings.Contains(body, `<tr role="row" data-page="home">`) {
		t.Errorf("without windows: %s", body)
	}
	httpcheck.Golden(t, "home_bad_page", httpcheck.Send(t, newRig(t).handler, "GET", "/?page_id=", ""))
}

// S11: 50 long names make the page 50 times as long as one does, and not 2,500 times.
func TestS11ThePageIsLinearInItsNames(t *testing.T) {
	size := func(names int) int {
		query := url.Values{}
		for i := range names {
			query.Add("page_id", fmt.Sprintf("%02d", i)+strings.Repeat("\"", 254))
		}
		w := httpcheck.Send(t, pageRig(t, newTallies(), nil).handler, "GET", "/?"+query.Encode(), "")
		check.Equal(t, w.Code, 200, "the status for %d names", names)
		return w.Body.Len()
	}
	none, some, all := size(0), size(25), size(50)
	if per, limit := (all-none)/50, 3*5*256+600; per > limit || all-some > some-none+1000 {
		t.Errorf("0, 25 and 50 names make %d, %d and %d bytes, %d for each", none, some, all, per)
	}
}

// The buttons that stop watching lead to the page without theirs.
func TestAPageIsRemovedByItsNumber(t *testing.T) {
	for query, want := range map[string]string{
		"page_id=a&page_id=b%26&page_id=c&page_id=typed&without=1": "./?page_id=a&page_id=c",
		"without=0&page_id=a&page_id=b%26&page_id=":                "./?page_id=b%26",
		"page_id=a&page_id=%20d&page_id=e+&page_id=&without=0":     "./?page_id=+d&page_id=e+",
		"without=0&page_id=a&page_id=":                             "./",
	} {
		w := httpcheck.Send(t, newRig(t).handler, "GET", "/?"+query, "")
		check.Equal(t, fmt.Sprint(w.Code, " ", w.Header().Get("Location")), "303 "+want, "the answer to %s", query)
	}
	for _, query := range []string{"without=0", "page_id=a&without=0", "page_id=a&page_id=&without=1", "page_id=a&page_id=&without=-1", "page_id=a&page_id=&without=x", "page_id=a&without=0&without=0", "page_id=%zz&without=0"} {
		check.Equal(t, httpcheck.Send(t, newRig(t).handler, "GET", "/?"+query, "").Code, 400, "the status for %s", query)
	}
}

// S16: where they are private, names are shown to callers that know them, and windows do not
// show how their callbacks went.
func TestS16NamesAndCallbacksCanBePrivate(t *testing.T) {
	private := func(o *options) { o.Private = true }
	f := newTallies()
	f.counts["home"] = 3
	for query, shown := range map[string]bool{"": false, "?page_id=home": true} {
		r := newRig(t, withTallies(f), private)
		histories(r, counting.PageHistory{}, timeline.ErrNoHistory)
		r.windows.EXPECT().List(gomock.Any(), publishing.Span{}, 60).Return([]publishing.Summary{summary()}, false, nil)
		body := httpcheck.Send(t, r.handler, "GET", "/"+query, "").Body.String()
		check.Equal(t, strings.Contains(body, `data-page="home"`), shown, "the page is shown for %q", query)
		check.Equal(t, strings.Contains(body, "1 of 3"), false, "callbacks are shown for %q", query)
	}
	r := newRig(t, private)
	r.windows.EXPECT().List(gomock.Any(), publishing.Span{}, 60).Return([]publishing.Summary{summary()}, false, nil)
	httpcheck.Golden(t, "windows_private", httpcheck.Send(t, r.handler, "GET", "/api/verve/windows", ""))
}

func TestPagesLoadNothingFromOtherHostsAndHaveNothingInline(t *testing.T) {
	for _, target := range []string{"/", "/docs", "/assets/page.css", "/assets/page.js", "/assets/chart.js", "/assets/draw.js", "/assets/docs.css", "/assets/docs.js", "/assets/icon.svg", "/visits/home/badge.svg"} {
		r := newRig(t, withTallies(newTallies()))
		histories(r, kept(t, "1h:32d"), nil)
		r.stats.EXPECT().Stats(gomock.Any(), gomock.Any(), counting.PageQuery{}).AnyTimes().Return(counting.PageStats{}, nil)
		r.windows.EXPECT().List(gomock.Any(), gomock.Any(), gomock.Any()).AnyTimes().Return(nil, false, nil)
		w := httpcheck.Send(t, r.handler, "GET", target, "")
		body := strings.NewReplacer("http://www.w3.org/2000/svg", "", "http://www.w3.org/1999/xhtml", "").Replace(w.Body.String())
		if w.Code != 200 || w.Body.Len() == 0 {
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
	f.errs["gone"] = httpcheck.Inner(counting.ErrUnavailable)
	for _, c := range []struct{ name, target string }{
		{"badge", "/visits/home/badge.svg"},
		{"badge", "/api/v1/counter/visits/home/badge.svg"},
		{"badge_unavailable", "/visits/gone/badge.svg"},
		{"badge_bad_page", "/visits//badge.svg"},
		{"asset_unknown", "/assets/page.html"},
	} {
		w := httpcheck.Send(t, newRig(t, withTallies(f)).handler, "GET", c.target, "")
		httpcheck.Golden(t, c.name, w)
		httpcheck.NothingInner(t, w)
	}
}

func TestTheDocumentationAdmitsScriptsAndStylesOfItsOwnOriginAlone(t *testing.T) {
	w := httpcheck.Send(t, newRig(t).handler, "GET", "/docs", "")
	const want = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; " +
		"form-action 'none'; base-uri 'none'; frame-ancestors 'none'"
	if got := w.Header().Get("Content-Security-Policy"); w.Code != 200 || got != want {
		t.Errorf("%d with the policy %s", w.Code, got)
	}
	// Below a path prefix, only relative URLs lead to this service.
	for _, bad := range []string{`="/`, "http:", "https:"} {
		if strings.Contains(w.Body.String(), bad) {
			t.Errorf("it has %s: %s", bad, w.Body)
		}
	}
}

func TestLargeAssetsAreCompressedForClientsThatAcceptIt(t *testing.T) {
	const bundle = "/assets/swagger-ui-bundle.js"
	plain := httpcheck.Send(t, newRig(t).handler, "GET", bundle, "")
	for accept, compressed := range map[string]bool{
		"": false, "identity": false, "br, gzip;q=0": false, "gzip": true, "br;q=1, gzip;q=0.5": true,
	} {
		r := httptest.NewRequestWithContext(t.Context(), "GET", bundle, nil)
		r.Header.Set("Accept-Encoding", accept)
		w := httptest.NewRecorder()
		newRig(t).handler.ServeHTTP(w, r)
		if got := w.Header().Get("Content-Encoding"); w.Code != 200 || (got == "gzip") != compressed || w.Header().Get("Vary") != "Accept-Encoding" {
			t.Errorf("%q: %d %v", accept, w.Code, w.Header())
		}
		var body io.Reader = w.Body
		if compressed {
			var err error
			if body, err = gzip.NewReader(body); err != nil {
				t.Fatal(err)
			}
		}
		got, err := io.ReadAll(body)
		if err != nil || !bytes.Equal(got, plain.Body.Bytes()) || len(got) < 1<<20 {
			t.Errorf("%q: %d bytes, %v", accept, len(got), err)
		}
	}
}
