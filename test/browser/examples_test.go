package browser_test

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"footfall/test/check"
	"footfall/test/integration/service"
)

// examplePage is the static page of examples, for the service at base.
func examplePage(t *testing.T, base string) string {
	t.Helper()
	text := string(check.Value(os.ReadFile("../../examples/page/index.html"))(t))
	page := strings.ReplaceAll(text, "https://count.example", base)
	check.Equal(t, page != text, true, "the page has the address of the service")
	return page
}

// The static page of another site counts each view by a beacon, and shows the number and the days.
func TestTheExamplePageCountsAndShows(t *testing.T) {
	var page string
	origin := otherSite(t, func() string { return page })
	in := service.NewDeployment(t, "FOOTFALL_STORE=memory://", "FOOTFALL_CORS_ORIGINS="+origin).Start()
	page = examplePage(t, in.Public+"/") // as people copy addresses
	at := time.Now().UTC().AddDate(0, 0, -5).Truncate(24 * time.Hour)
	service.WaitFor(t, "a page with a history is set", func() bool {
		return in.Administer("POST", "/pages", fmt.Sprintf(`[{"page_id":"/café/","count":9,"history":{"since":%d,"1d":[[%[1]d,4]]}}]`, at.Unix())).Status == 200
	})
	ctx, complaints := tab(t, browser(t, chromedp.Env("TZ=UTC")), chromedp.Navigate(origin+"/café/"))
	eventually(t, ctx, `document.getElementById("visits").textContent`, "10")
	eventually(t, ctx, `document.getElementById("sum").textContent`, "5")
	const days = `[...document.querySelectorAll("#days li")]`
	eventually(t, ctx, days+`.length`, "24")
	day := func(end string) string { return days + `.find((li) => li.textContent.endsWith("` + end + `"))` }
	restored, today := day(at.Format(time.DateOnly)+": 4"), day(": 1") // a day may begin meanwhile
	eventually(t, ctx, restored+` !== undefined && `+today+` !== undefined`, "true")
	eventually(t, ctx, restored+`.offsetHeight > 3 * `+today+`.offsetHeight`, "true")
	eventually(t, ctx, `document.getElementById("error").textContent`, "")
	do(t, ctx, chromedp.Navigate(origin+"/café/"))
	eventually(t, ctx, `document.getElementById("visits").textContent`, "11")
	complaints.mu.Lock()
	check.Equal(t, strings.Join(complaints.errors, "; "), "", "what the browser reports")
	complaints.mu.Unlock()
	const beacon = `navigator.sendBeacon("%s/visit/text", "a body of text/plain")`
	check.Equal(t, get(t, ctx, chromedp.Evaluate[bool](fmt.Sprintf(beacon, in.Public))), true, "the beacon is sent")
	service.WaitFor(t, "a beacon with a body is counted", func() bool { return in.Visits("text") == 1 })
}

// The page says what the service answers, where that keeps no history.
func TestTheExamplePageSaysWhyItShowsNothing(t *testing.T) {
	var page string
	origin := otherSite(t, func() string { return page })
	instance := startInstance(t, "memory://", "FOOTFALL_CORS_ORIGINS="+origin, "FOOTFALL_HISTORY=off")
	page = examplePage(t, instance)
	ctx, _ := tab(t, browser(t), chromedp.Navigate(origin+"/"))
	eventually(t, ctx, `document.getElementById("error").textContent.includes("keeps no history")`, "true")
}
