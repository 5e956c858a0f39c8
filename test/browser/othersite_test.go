package browser_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"regexp"
	"strings"
	"sync"
	"testing"

	"github.com/chromedp/chromedp"

	"footfall/test/check"
	"footfall/test/integration/service"
)

// otherSite is a site that browsers take for another one than that of an instance on
// 127.0.0.1. It serves what show returns.
func otherSite(t *testing.T, show func() string) (origin string) {
	t.Helper()
	site := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		_, _ = io.WriteString(w, "<!doctype html><link rel=icon href=data:,><title>a site</title>"+show())
	}))
	t.Cleanup(site.Close)
	return strings.Replace(site.URL, "127.0.0.1", "localhost", 1)
}

// snippets are the scripts of docs/web-pages.md, for the service at base.
func snippets(t *testing.T, base string) (scripts []string) {
	t.Helper()
	text := string(check.Value(os.ReadFile("../../docs/web-pages.md"))(t))
	for _, m := range regexp.MustCompile("(?s)```html\n(.*?)```").FindAllStringSubmatch(text, -1) {
		scripts = append(scripts, strings.ReplaceAll(m[1], "https://count.example", base))
	}
	check.Equal(t, len(scripts), 3, "the scripts of the page")
	return scripts
}

// N2: the documented script counts a view from another site, without a setting. What that
// site sends beyond single visits is refused. A fetch whose answer the browser hides counts,
// as documented.
func TestN2AnotherSiteCountsViewsAndNothingElse(t *testing.T) {
	instance := startInstance(t, "memory://")
	scripts := snippets(t, instance)
	origin := otherSite(t, func() string { return scripts[0] + scripts[1] })
	ctx, _ := tab(t, browser(t), chromedp.Navigate(origin+"/café/"), chromedp.Navigate(origin+"/blog/hello"))
	visits := func(page, want string) func() bool {
		return func() bool {
			return strings.Contains(ask(t, "GET", instance+"/visits?page_id="+page), `"visits":`+want+`,`)
		}
	}
	service.WaitFor(t, "the view is counted", visits("/blog/hello", "1"))
	service.WaitFor(t, "a view is counted under the name that people read", visits("/caf%C3%A9/", "1"))
	eventually(t, ctx, `document.images[0].complete && document.images[0].naturalWidth > 50`, "true")
	const send = `(async (base) => {
		const items = JSON.stringify([{ page_id: "bulk", count: 2 }]);
		navigator.sendBeacon(base + "/visits", items);
		await fetch(base + "/visits", { method: "POST", mode: "no-cors", body: items });
		await fetch(base + "/api/verve/accept?id=1", { mode: "no-cors" });
		await fetch(base + "/api/verve/accept?id=2&endpoint=http://h.example/", { mode: "no-cors" });
		return fetch(base + "/visit/hidden", { method: "POST" }).then(() => "an answer", (e) => e.name);
	})("%s")`
	check.Equal(t, get(t, ctx, chromedp.Evaluate[string](fmt.Sprintf(send, instance), chromedp.EvalAwaitPromise)), "TypeError", "the answer that is hidden")
	service.WaitFor(t, "the visit whose answer is hidden is counted", visits("hidden", "1"))
	if got := ask(t, "GET", instance+"/visits?page_id=bulk"); !strings.Contains(got, `"visits":0,`) {
		t.Errorf("a bulk of another site is counted: %s", got)
	}
	if got := ask(t, "GET", instance+"/api/verve/windows?limit=1"); !strings.Contains(got, `"count":1,`) {
		t.Errorf("of two ids, one with an endpoint, one is to be counted: %s", got)
	}
}

// N2: where the origin is allowed, the documented script shows the number, and bulks count.
func TestN2AnAllowedSiteShowsTheNumber(t *testing.T) {
	var scripts []string
	origin := otherSite(t, func() string { return scripts[2] })
	instance := startInstance(t, "memory://", "FOOTFALL_CORS_ORIGINS="+origin)
	scripts = snippets(t, instance)
	ctx, _ := tab(t, browser(t), chromedp.Navigate(origin+"/blog/hello"))
	eventually(t, ctx, `document.getElementById("visits").textContent`, "1")
	const send = `fetch("%s/visits", { method: "POST", body: '{"page_id":"bulk","count":2}', headers: { "Idempotency-Key": "k" } }).then((r) => r.status)`
	check.Equal(t, get(t, ctx, chromedp.Evaluate[int](fmt.Sprintf(send, instance), chromedp.EvalAwaitPromise)), http.StatusOK, "the answer to a bulk")
	if got := ask(t, "GET", instance+"/visits?page_id=bulk"); !strings.Contains(got, `"visits":2,`) {
		t.Errorf("the bulk: %s", got)
	}
}

// N2: over plain HTTP to another machine, browsers do not say of which site a request is.
// An image of another site counts an id there, and names no endpoint.
func TestN2AnImageOfAnotherSiteNamesNoEndpoint(t *testing.T) {
	instance := check.Value(url.Parse(startInstance(t, "memory://")))(t)
	var mu sync.Mutex
	got := make(map[string]string) // by id
	way := httptest.NewServer(&httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(instance); r.Out.Host = r.In.Host },
		ModifyResponse: func(r *http.Response) error {
			mu.Lock()
			defer mu.Unlock()
			named := r.Request.Header
			got[r.Request.FormValue("id")] = fmt.Sprintf("%d, %q, %q", r.StatusCode, named.Get("Sec-Fetch-Site"), named.Get("Origin"))
			return nil
		},
	})
	t.Cleanup(way.Close)
	base := strings.Replace(way.URL, "127.0.0.1", "count.test", 1) + "/api/verve/accept?"
	origin := otherSite(t, func() string {
		return `<img src="` + base + `id=1"><img src="` + base + `id=2&amp;endpoint=http://192.0.2.1/">`
	})
	origin = strings.Replace(origin, "localhost", "blog.test", 1)
	tab(t, browser(t, chromedp.Flag("host-resolver-rules", "MAP *.test 127.0.0.1")), chromedp.Navigate(origin+"/"))
	service.WaitFor(t, "both images are answered", func() bool { mu.Lock(); defer mu.Unlock(); return len(got) == 2 })
	check.Equal(t, got["1"], `200, "", ""`, "the answer to an id, the site and the origin")
	check.Equal(t, got["2"], `403, "", ""`, "the answer to an id with an endpoint, the site and the origin")
}
