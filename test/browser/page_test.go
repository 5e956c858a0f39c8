package browser_test

import (
	"context"
	"fmt"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"footfall/test/check"
)

// complaints has the errors of a page, and the hosts that it asked.
type complaints struct {
	mu     sync.Mutex
	errors []string
	hosts  map[string]bool
}

func listen(t *testing.T, ctx context.Context) *complaints {
	t.Helper()
	c := &complaints{hosts: map[string]bool{}}
	check.Must(t, chromedp.Listen(ctx, func(event any) {
		c.mu.Lock()
		defer c.mu.Unlock()
		switch e := event.(type) {
		case *runtime.EventExceptionThrown:
			c.errors = append(c.errors, fmt.Sprint(e.ExceptionDetails.Text, e.ExceptionDetails.Exception))
		case *log.EventEntryAdded: // violations of the policy are among them
			if e.Entry.Level == "error" {
				c.errors = append(c.errors, e.Entry.Text)
			}
		case *network.EventRequestWillBeSent:
			if u, err := url.Parse(e.Request.URL); err == nil && u.Scheme != "data" {
				c.hosts[u.Host] = true
			}
		}
	}))
	return c
}

// none fails when the page had errors, or asked another host than that of the
// URL own.
func (c *complaints) none(t *testing.T, own string) {
	t.Helper()
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, e := range c.errors {
		t.Errorf("the browser reports: %s", e)
	}
	if u, err := url.Parse(own); err != nil || len(c.hosts) != 1 || !c.hosts[u.Host] {
		t.Errorf("it asked %v, its own URL is %s", c.hosts, own)
	}
}

// command is a bare command of the browser's protocol.
func command[P any](c cdp.Command[P, cdp.Empty], params P) chromedp.Action[chromedp.Void] {
	return chromedp.Func(func(ctx context.Context, t *chromedp.Target) error {
		_, err := cdp.Call(ctx, t, c, params)
		return err
	})
}

const (
	status = `document.getElementById("status").dataset.state`
	count  = `document.querySelector("tr[data-page=home] .count").textContent`
)

// latency is, in the page, the time in ms from the answer to a visit until it
// is shown.
const latency = `(async () => {
	const cell = document.querySelector("tr[data-page=home] .count");
	const before = cell.textContent;
	const shown = new Promise((resolve) => new MutationObserver((_, o) => {
		if (cell.textContent !== before) { o.disconnect(); resolve(performance.now()); }
	}).observe(cell, { childList: true, characterData: true, subtree: true }));
	const answer = await fetch("/visit/home", { method: "POST" });
	if (!answer.ok) throw new Error(answer.status);
	const answered = performance.now();
	return (await shown) - answered;
})()`

// The promise is 250 ms. The bound here is for a busy machine; the log has the
// figures.
func TestAVisitIsShownOnBothInstances(t *testing.T) {
	store, _ := startNodes(t, 3)
	one, two := startInstance(t, store), startInstance(t, store)
	ctx := browser(t)
	a, complaintsA := tab(t, ctx, chromedp.Navigate(one))
	b, complaintsB := tab(t, ctx, chromedp.Navigate(two))
	for _, tab := range []context.Context{a, b} {
		eventually(t, tab, status, "live")
		eventually(t, tab, count, "0")
	}
	const visits = 10
	for round := range visits {
		from, other := a, b
		if round%2 == 1 {
			from, other = b, a
		}
		took := get(t, from, chromedp.Evaluate[float64](latency, chromedp.EvalAwaitPromise))
		answered := time.Now()
		t.Logf("visit %d was shown %.0f ms after its answer", round+1, took)
		if took > 2500 {
			t.Errorf("visit %d was shown %.0f ms after its answer", round+1, took)
		}
		eventually(t, other, count, fmt.Sprint(round+1))
		t.Logf("and on the other instance at most %d ms after that", time.Since(answered).Milliseconds())
	}
	complaintsA.none(t, one)
	complaintsB.none(t, two)
}

func TestWindowsAndNodesAreLive(t *testing.T) {
	store, nodes := startNodes(t, 2)
	instance := startInstance(t, store, "FOOTFALL_WINDOW=5s", "FOOTFALL_GRACE=0s")
	ctx, complaints := tab(t, browser(t), chromedp.Navigate(instance))
	eventually(t, ctx, status, "live")
	eventually(t, ctx, `document.querySelectorAll("#nodes .up").length`, "2")
	ask(t, "GET", instance+"/api/verve/accept?id=1")
	ask(t, "GET", instance+"/api/verve/accept?id=2")
	eventually(t, ctx, `[...document.querySelectorAll("#windows tr")].some((tr) => tr.children[1].textContent === "2" && tr.textContent.includes("done"))`, "true")
	eventually(t, ctx, `document.querySelectorAll("#chart rect").length > 1`, "true")
	passed := chromedp.Evaluate[float64](`document.getElementById("open-passed").value`)
	before := get(t, ctx, passed)
	time.Sleep(600 * time.Millisecond)
	if get(t, ctx, passed) == before {
		t.Errorf("the open window does not tick: %v", before)
	}
	complaints.none(t, instance)
	nodes[0].Kill()
	eventually(t, ctx, `document.querySelectorAll("#nodes .down").length`, "1")
	eventually(t, ctx, `document.getElementById("windows-lost").hidden`, "false")
	check.Must(t, nodes[0].Start())
	eventually(t, ctx, `document.querySelectorAll("#nodes .up").length`, "2")
	eventually(t, ctx, `document.getElementById("windows-lost").hidden`, "true")
}

func TestThePageIsUsableByKeyboard(t *testing.T) {
	instance := startInstance(t, "memory://")
	ctx, complaints := tab(t, browser(t), chromedp.Navigate(instance))
	eventually(t, ctx, status, "live")
	focused := chromedp.Evaluate[string](`(({ localName, id, textContent }) => localName === "summary" ? "chart" : textContent.trim() || id)(document.activeElement)`)
	var order []string
	for range 6 {
		do(t, ctx, chromedp.KeyEvent(kb.Tab))
		order = append(order, get(t, ctx, focused))
	}
	check.Equal(t, strings.Join(order, ", "), "To the numbers, API, 30 days, chart, page, Watch", "where Tab goes")
	if outline := get(t, ctx, chromedp.Evaluate[string](`getComputedStyle(document.activeElement).outlineStyle`)); outline == "none" {
		t.Error("the focused element has no outline")
	}
	// Back to the field, name a page, and Enter.
	do(t, ctx, chromedp.KeyEvent(kb.Tab, chromedp.KeyModifiers(chromedp.ModifierShift)), chromedp.KeyEvent("a <b>&"), chromedp.KeyEvent(kb.Enter))
	eventually(t, ctx, `[...document.querySelectorAll("tr[data-page]")].map((tr) => tr.dataset.page).join("|")`, "home|a <b>&")
	eventually(t, ctx, status, "live")
	ask(t, "POST", instance+"/visit/"+url.PathEscape("a <b>&"))
	eventually(t, ctx, `document.querySelectorAll(".count")[1].textContent`, "1")
	// The chart opens its table, and the link the other span.
	const opened = `document.querySelector("#pages details").open`
	eventually(t, ctx, opened, "false")
	get(t, ctx, chromedp.Evaluate[bool](`document.querySelector("#pages summary").focus() || true`))
	do(t, ctx, chromedp.KeyEvent(kb.Enter))
	eventually(t, ctx, opened, "true")
	eventually(t, ctx, `document.querySelectorAll("#pages details[open] tbody tr").length`, "24")
	get(t, ctx, chromedp.Evaluate[bool](`document.querySelector("#spans a").focus() || true`))
	do(t, ctx, chromedp.KeyEvent(kb.Enter))
	eventually(t, ctx, `document.querySelector("#spans strong").textContent`, "30 days")
	eventually(t, ctx, `[...document.querySelectorAll("tr[data-page]")].map((tr) => tr.dataset.page).join("|")`, "home|a <b>&")
	eventually(t, ctx, `document.querySelectorAll(".spark rect").length`, "60")
	complaints.none(t, instance)
}

func TestThePageIsLightAndDark(t *testing.T) {
	instance := startInstance(t, "memory://")
	ctx, complaints := tab(t, browser(t), chromedp.Navigate(instance))
	ask(t, "POST", instance+"/visit/home")
	eventually(t, ctx, `document.querySelectorAll(".spark rect.open").length`, "1")
	ground, bar := map[string]string{}, map[string]string{}
	for _, scheme := range []string{"light", "dark"} {
		do(t, ctx, command(emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
			Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}},
		}))
		bar[scheme] = get(t, ctx, chromedp.Evaluate[string](`getComputedStyle(document.querySelector(".spark rect.open")).fill`))
		ground[scheme] = get(t, ctx, chromedp.Evaluate[string](`getComputedStyle(document.body).backgroundColor`))
	}
	if ground["light"] != "rgb(251, 251, 249)" || ground["dark"] != "rgb(18, 22, 21)" {
		t.Errorf("the ground is %v", ground)
	}
	if bar["light"] != "rgb(179, 107, 0)" || bar["dark"] != "rgb(240, 179, 84)" {
		t.Errorf("the bar of this hour is %v", bar)
	}
	complaints.none(t, instance)
}

func TestThePageIsATableWithoutJavaScript(t *testing.T) {
	instance := startInstance(t, "memory://")
	ask(t, "POST", instance+"/visit/home")
	ask(t, "GET", instance+"/api/verve/accept?id=1")
	ctx, _ := tab(t, browser(t),
		command(emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: true}),
		chromedp.Navigate(instance+"/?page_id=home&page_id=about"))
	for _, c := range []struct{ selector, want string }{
		{"tr[data-page=home]", "home memory\t1\t1"},
		{"tr[data-page=about]", "about memory\t0\t0"},
		{"#windows", "\t1\topen"},
		{"#one-node", "memory, which answers"},
		{".note", "Without JavaScript"},
	} {
		if got := get(t, ctx, chromedp.Text(chromedp.CSS(c.selector))); !strings.Contains(got, c.want) {
			t.Errorf("%s is %q, without %q", c.selector, got, c.want)
		}
	}
	do(t, ctx, chromedp.Click(chromedp.CSS("tr[data-page=home] + tr summary")))
	numbers := get(t, ctx, chromedp.Text(chromedp.CSS("tr[data-page=home] + tr details tbody")))
	if rows := strings.Split(strings.TrimSpace(numbers), "\n"); len(rows) != 24 || !strings.HasSuffix(rows[23], "\t1") {
		t.Errorf("the numbers of the chart are %q", numbers)
	}
	if box := get(t, ctx, chromedp.Dimensions(chromedp.CSS("tr[data-page=home] + tr rect.open"))); box.Height < 20 {
		t.Errorf("the bar of this hour is %v high", box.Height)
	}
}

func TestTheBadgeIsAPicture(t *testing.T) {
	instance := startInstance(t, "memory://")
	ask(t, "POST", instance+"/visit/home")
	ctx, complaints := tab(t, browser(t), chromedp.Navigate(instance))
	width := get(t, ctx, chromedp.Evaluate[int](`(async () => {
		const badge = new Image();
		badge.src = "/visits/home/badge.svg";
		await badge.decode();
		return badge.naturalWidth;
	})()`, chromedp.EvalAwaitPromise))
	if width < 50 || width > 100 {
		t.Errorf("it is %d wide", width)
	}
	complaints.none(t, instance)
}
