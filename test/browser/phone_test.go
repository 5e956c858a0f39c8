package browser_test

import (
	"fmt"
	"net/url"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"

	"footfall/test/check"
)

// phoneWidth is that of most phones, in CSS pixels.
const phoneWidth = 390

// N13: on a phone nothing scrolls sideways, and "remove" stays on one line beside long
// names. The chart has a unit, and a single node shows no ring.
func TestN13ThePagesFitAPhone(t *testing.T) {
	instance := startInstance(t, "memory://")
	query := url.Values{"page_id": {"home", strings.Repeat("a-long-name/", 21), strings.Repeat("w", 256)}}
	ctx, complaints := tab(t, browser(t), chromedp.EmulateViewport(phoneWidth, 844, chromedp.EmulateMobile), chromedp.Navigate(instance+"/?"+query.Encode()))
	const (
		width = `document.documentElement.scrollWidth`
		lines = `[...document.querySelectorAll("a, button")].filter((e) => e.textContent.trim() === "remove").map((e) => {
			const text = document.createRange();
			text.selectNodeContents(e);
			return new Set([...text.getClientRects()].map((r) => r.top)).size;
		}).join(" ")`
	)
	eventually(t, ctx, status, "live")
	eventually(t, ctx, width, fmt.Sprint(phoneWidth))
	eventually(t, ctx, lines, "1 1 1")
	get(t, ctx, chromedp.Evaluate[bool](`document.querySelectorAll("#pages details").forEach((e) => { e.open = true; }) || true`))
	eventually(t, ctx, `[...document.querySelectorAll("#pages details tbody")].map((e) => e.getBoundingClientRect().height > 100).join(" ")`, "true true true")
	eventually(t, ctx, width, fmt.Sprint(phoneWidth))
	eventually(t, ctx, `document.getElementById("scale").textContent`, "Ids per window of 1 minute; the highest bar is 0")
	eventually(t, ctx, `getComputedStyle(document.getElementById("ring")).display`, "none")
	eventually(t, ctx, `document.getElementById("one-node").textContent`, "All counts are in one place: memory, which answers.")
	do(t, ctx, chromedp.Navigate(instance+"/docs"))
	eventually(t, ctx, shownOperations, strings.Join(operations(t, instance), "\n"))
	eventually(t, ctx, width, fmt.Sprint(phoneWidth))
	get(t, ctx, chromedp.Evaluate[bool](`document.querySelectorAll("#api .opblock-summary-control").forEach((e) => e.click()) || true`))
	eventually(t, ctx, `document.querySelectorAll("#api .opblock.is-open .opblock-body").length === document.querySelectorAll("#api .opblock").length`, "true")
	eventually(t, ctx, width, fmt.Sprint(phoneWidth))
	check.Equal(t, get(t, ctx, chromedp.Evaluate[string](`[...document.querySelectorAll("#api *")].filter((e) => e.getBoundingClientRect().right > innerWidth + 1 && !e.closest("pre, table, .highlight-code")).map((e) => e.className).slice(0, 5).join(" ")`)), "", "what is wider than the screen")
	complaints.none(t, instance)
}
