package browser_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"

	"footfall/test/check"
	"footfall/test/integration/service"
)

// F24: eight tabs of the page load, though a browser opens six connections to an
// origin. A tab has a stream while it can be seen, and then shows what it missed.
func TestF24EightTabsOfThePageLoad(t *testing.T) {
	in := service.NewDeployment(t, "FOOTFALL_STORE=memory://").Start()
	parent := browser(t)
	var tabs []context.Context
	for n := range 8 {
		ctx, cancel := chromedp.NewContext(parent, chromedp.WithNewWindow(false))
		t.Cleanup(cancel)
		loading, cancel := context.WithTimeout(ctx, 20*time.Second)
		defer cancel()
		do(t, ctx) // the tab belongs to ctx, not to loading
		check.Must(t, chromedp.Do(loading, chromedp.Navigate(in.Public)), "tab %d", n+1)
		eventually(t, ctx, status, "live")
		tabs = append(tabs, ctx)
	}
	for n, ctx := range tabs {
		hidden := n != len(tabs)-1
		eventually(t, ctx, `document.hidden`, fmt.Sprint(hidden))
		check.Equal(t, get(t, ctx, chromedp.Evaluate[string](status)), map[bool]string{true: "still", false: "live"}[hidden], "the state of tab %d", n+1)
	}
	service.WaitFor(t, "one stream for the tab that can be seen", func() bool {
		return strings.Contains(in.Metrics(), "\nfootfall_event_streams 1\n")
	})
	in.Record("home").Want(t, http.StatusOK)
	eventually(t, tabs[7], count, "1")
	check.Equal(t, get(t, tabs[0], chromedp.Evaluate[string](count)), "0", "the number in a tab that is hidden")
	do(t, tabs[0], command(page.BringToFront, struct{}{}))
	eventually(t, tabs[0], status, "live")
	eventually(t, tabs[0], count, "1")
	eventually(t, tabs[7], status, "still")
}

// F25: a proxy serves all of it under a path that it strips.
func TestF25ThePageWorksUnderAPath(t *testing.T) {
	instance := startInstance(t, "memory://")
	base := belowPrefix(t, instance)
	ctx, complaints := tab(t, browser(t), chromedp.Navigate(base+"/"))
	eventually(t, ctx, status, "live")
	eventually(t, ctx, `document.styleSheets.length === 1 && getComputedStyle(document.querySelector(".skip")).position`, "absolute")
	ask(t, "POST", base+"/visit/home")
	eventually(t, ctx, count, "1")
	width := get(t, ctx, chromedp.Evaluate[int](`(async () => {
		const badge = new Image();
		badge.src = "visits/home/badge.svg";
		await badge.decode();
		return badge.naturalWidth;
	})()`, chromedp.EvalAwaitPromise))
	check.Equal(t, width > 50, true, "the badge is %d wide", width)
	for _, step := range []struct{ press, path string }{
		{`form button`, "/?page_id=home&page_id=about"},
		{`button[aria-labelledby="stop page-0"]`, "/?page_id=about"},
		{`nav a[href="docs"]`, "/docs"},
	} {
		get(t, ctx, chromedp.Evaluate[bool](`(() => {
			const field = document.getElementById("page");
			if (field) field.value = "about";
			document.querySelector(`+"`"+step.press+"`"+`).click();
			return true;
		})()`))
		eventually(t, ctx, `location.href`, base+step.path)
		eventually(t, ctx, `document.readyState`, "complete")
	}
	eventually(t, ctx, shownOperations, strings.Join(operations(t, base), "\n"))
	for link, path := range map[string]string{"The numbers": "/", "OpenAPI document": "/openapi.json"} {
		href := get(t, ctx, chromedp.Evaluate[string](`[...document.querySelectorAll("nav a")].find((a) => a.textContent === "`+link+`").href`))
		check.Equal(t, href, base+path, "the link %q", link)
		ask(t, "GET", href)
	}
	complaints.none(t, base)
}

// F18: pages of another origin count visits by a beacon or by fetch, also with the
// headers of traces. A beacon of the type application/json is the one that browsers
// do not send to an origin that allows all others.
func TestF18BeaconsOfOtherOriginsAreCounted(t *testing.T) {
	instance := startInstance(t, "memory://", "FOOTFALL_CORS_ORIGINS=*")
	site := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		_, _ = io.WriteString(w, "<!doctype html><link rel=icon href=data:,><title>a site</title>")
	}))
	t.Cleanup(site.Close)
	ctx, complaints := tab(t, browser(t), chromedp.Navigate(site.URL))
	const send = `(async (base) => {
		const items = (page) => JSON.stringify([{ page_id: page, count: 2 }]);
		navigator.sendBeacon(base + "/visits", new Blob([items("json blob")], { type: "application/json" }));
		navigator.sendBeacon(base + "/visit/" + encodeURIComponent("one page"));
		navigator.sendBeacon(base + "/visits", items("text"));
		navigator.sendBeacon(base + "/visits", new Blob([items("text blob")], { type: "text/plain" }));
		await fetch(base + "/api/verve/accept?id=7", { mode: "no-cors", keepalive: true });
		const answer = await fetch(base + "/visits", { method: "POST", keepalive: true, body: items("fetch"), headers: {
			"content-type": "application/json", baggage: "a=1", tracestate: "a=1",
			traceparent: "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01" } });
		return answer.status;
	})("%s")`
	status := get(t, ctx, chromedp.Evaluate[int](fmt.Sprintf(send, instance), chromedp.EvalAwaitPromise))
	check.Equal(t, status, http.StatusOK, "the answer to fetch")
	if got := ask(t, "GET", instance+"/api/verve/windows?limit=2"); !strings.Contains(got, `"count":1`) {
		t.Errorf("the id of the page is not counted: %s", got)
	}
	for name, want := range map[string]string{"one page": `"visits":1`, "text": `"visits":2`, "text blob": `"visits":2`, "fetch": `"visits":2`} {
		service.WaitFor(t, "visits of "+name, func() bool {
			return strings.Contains(ask(t, "GET", instance+"/visits?page_id="+strings.ReplaceAll(name, " ", "+")), want)
		})
	}
	service.WaitFor(t, "the browser says what it does not send", func() bool {
		complaints.mu.Lock()
		defer complaints.mu.Unlock()
		return strings.Contains(strings.Join(complaints.errors, "\n"), "credentials mode is 'include'")
	})
	if got := ask(t, "GET", instance+"/visits?page_id=json+blob"); !strings.Contains(got, `"visits":0`) {
		t.Errorf("a beacon of the type application/json, which the docs say is not counted: %s", got)
	}
}
