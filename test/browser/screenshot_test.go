package browser_test

import (
	"fmt"
	"math"
	"net/url"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"footfall/domain/counting"
	"footfall/test/check"
	"footfall/test/integration/service"
	"footfall/test/servers"
)

// plantHistory gives a page that was visited the visits of past hours, in the node that has it.
func plantHistory(t *testing.T, nodes []*servers.Redis, page string, visits func(hour int) int64) {
	t.Helper()
	hours := counting.HistorySetting{Unit: time.Hour, SmallDays: 32, Days: 400}
	var packed counting.Packed
	sum := int64(0)
	for i := range 720 {
		if n := visits(i); n > 0 && i > 0 {
			packed, sum = packed.Append(counting.Bucket{Unit: hours.UnitAt(time.Now().Add(-time.Duration(i) * time.Hour)), Visits: n}), sum+n
		}
	}
	for _, node := range nodes {
		c := node.Client()
		check.Must(t, c.HSet(t.Context(), "ff:T", "history", fmt.Sprint(hours, " ", time.Now().AddDate(0, 0, -31).Unix())).Err())
		for _, key := range check.Value(c.Keys(t.Context(), "ff:c:*").Result())(t) {
			if check.Value(c.HExists(t.Context(), key, page).Result())(t) {
				check.Must(t, c.HIncrBy(t.Context(), key, page, sum).Err())
				check.Must(t, c.HSet(t.Context(), strings.Replace(key, ":c:", ":hp:", 1), page, string(packed)).Err())
			}
		}
		check.Must(t, c.Close())
	}
}

// The picture in the README shows a service under load.
func TestTheScreenshotIsSmall(t *testing.T) {
	store, nodes := startNodes(t, 3)
	instance := startInstance(t, store, "FOOTFALL_WINDOW=1s", "FOOTFALL_GRACE=0s")
	pages := []struct {
		name     string
		now, max int64
		peak     int // the hour of the day
	}{{"home", 48, 160, 18}, {"blog/2026/exact-counters", 33, 120, 9}, {"docs/install", 21, 60, 14}, {"about", 7, 12, 20}}
	for i, p := range pages {
		for range p.now {
			ask(t, "POST", instance+"/visit/"+url.PathEscape(p.name))
		}
		plantHistory(t, nodes, p.name, func(hour int) int64 {
			from := float64((time.Now().Hour()-hour-p.peak)%24) / 24
			daily := (1 + math.Cos(2*math.Pi*from)) / 2
			return int64(float64(p.max) * (0.15 + daily) * (0.7 + 0.3*math.Sin(float64(hour*(7+3*i)))))
		})
	}
	service.WaitFor(t, "the most visited pages are known", func() bool {
		return service.MustSend(t, "GET", instance+"/pages/top", "").Status == 200
	})
	ctx, complaints := tab(t, browser(t), chromedp.EmulateViewport(1100, 640))
	id, began := 0, time.Now()
	for window := range 32 {
		for range 3 + (window*7)%13 {
			id++
			ask(t, "GET", fmt.Sprint(instance, "/api/verve/accept?id=", id))
		}
		if window == 25 {
			do(t, ctx, chromedp.Navigate(instance))
			eventually(t, ctx, status, "live")
			eventually(t, ctx, `document.querySelectorAll(".spark").length`, "4")
		}
		time.Sleep(time.Until(began.Add(time.Duration(window+1) * time.Second)))
	}
	picture := get(t, ctx, chromedp.CaptureScreenshot())
	if len(picture) < 5<<10 || len(picture) > 150_000 {
		t.Errorf("the picture has %d bytes", len(picture))
	}
	complaints.none(t, instance)
	if *screenshot != "" {
		check.Must(t, os.WriteFile(*screenshot, picture, 0o644))
	}
}
