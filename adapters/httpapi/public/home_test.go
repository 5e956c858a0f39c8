package public_test

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"regexp"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/golang/mock/gomock"

	"footfall/domain/counting"
	"footfall/test/check"
	"footfall/test/httpcheck"
)

// homePages sends a request for the page, and returns it with the pages that it shows.
func homePages(t *testing.T, r *rig, query string) (body string, pages []string) {
	t.Helper()
	r.windows.EXPECT().List(gomock.Any(), gomock.Any(), 60).AnyTimes().Return(nil, false, nil)
	w := httpcheck.Send(t, r.handler, "GET", "/"+query, "")
	check.Equal(t, w.Code, 200, "status of /%s", query)
	httpcheck.NothingInner(t, w)
	for _, found := range regexp.MustCompile(`<tr role="row" data-page="([^"]*)">`).FindAllStringSubmatch(w.Body.String(), -1) {
		pages = append(pages, found[1])
	}
	return w.Body.String(), pages
}

func TestThePageShowsTheTenMostVisitedPages(t *testing.T) {
	top := pageStats(12)
	for i := range top.Top {
		top.Top[i].Page = counting.Page(fmt.Sprint("p", i))
	}
	for _, c := range []struct {
		name, query string
		stats       counting.PageStats
		err         error
		pages, says string
	}{
		{"known", "", top, nil, "p0 p1 p2 p3 p4 p5 p6 p7 p8 p9", `<caption>As of 10:05:00 UTC</caption>`},
		{"no pages", "", counting.PageStats{AsOf: top.AsOf}, nil, "home", `data-top="2026-11-22T10:05:00.12Z"`},
		{"scanning", "", counting.PageStats{}, counting.ErrScanning, "home", `<caption>The pages are being read`},
		{"away", "", counting.PageStats{}, httpcheck.Inner(counting.ErrUnavailable), "home", `<caption>A part of the store`},
		{"named", "?page_id=a&page_id=b", top, nil, "a b", `>Visits</h2>`},
	} {
		r := newRig(t, withTallies(newTallies()))
		histories(r, kept(t, "off"), nil)
		if c.name != "named" {
			r.stats.EXPECT().Stats(gomock.Any(), gomock.Any(), counting.PageQuery{}).Return(c.stats, c.err)
		}
		body, pages := homePages(t, r, c.query)
		check.Equal(t, strings.Join(pages, " "), c.pages, "pages: %s", c.name)
		if !strings.Contains(body, c.says) || strings.Contains(body, "class=\"remove\"") != (c.name == "named") {
			t.Errorf("%s: %s", c.name, body)
		}
		check.Equal(t, strings.Contains(body, `class="spark"`), false, "charts without a history: %s", c.name)
	}
}

// The page does not wait for a long scan.
func TestThePageWaitsASecondForTheTop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, withTallies(newTallies()))
		histories(r, kept(t, "off"), nil)
		r.stats.EXPECT().Stats(gomock.Any(), gomock.Any(), gomock.Any()).DoAndReturn(func(ctx context.Context, _ netip.Prefix, _ counting.PageQuery) (counting.PageStats, error) {
			<-ctx.Done()
			return counting.PageStats{}, counting.ErrScanning
		})
		began := time.Now()
		homePages(t, r, "")
		check.Equal(t, time.Since(began), time.Second, "time to wait")
	})
}

func TestThePageHasChartsOfItsPages(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		time.Sleep(time.Until(now.Add(20 * time.Minute))) // 10:20
		for query, want := range map[string][]string{
			"?page_id=a": {
				`<td role="cell" class="number today">12</td>`, `>12 in the last 24 hours, at most 12, from 10:00 UTC</desc>`, `href="./?chart=30d&amp;page_id=a"`,
				`<rect x="576" y="0" width="23" height="40" class="open"><title>10:00 UTC: 12</title>`, `<rect x="1" y="38.5" width="23" height="1.5" class="none"><title>11:00 UTC: 0</title>`,
				`10:00</time></th><td class="number">12</td>`,
			},
			"?chart=30d&page_id=a&page_id=b": {
				`<td role="cell" class="number today">12</td>`, `>12 since 2026-11-25 10:20 UTC, at most 12, from 2026-11-28 UTC</desc>`, `href="./?chart=24h&amp;page_id=a&amp;page_id=b"`,
				`<rect x="581" y="0" width="18" height="40" class="open"><title>2026-11-28 UTC: 12</title>`, `<input type="hidden" name="chart" value="30d">`,
			},
		} {
			r := newRig(t, withTallies(newTallies()))
			histories(r, kept(t, "1h:32d"), nil)
			body, pages := homePages(t, r, query)
			check.Equal(t, strings.Count(body, `class="spark"`), len(pages), "charts")
			for _, part := range want {
				if !strings.Contains(body, part) {
					t.Errorf("%s has no %s: %s", query, part, body)
				}
			}
		}
		many := newRig(t, withTallies(newTallies()))
		histories(many, kept(t, "1h:32d"), nil)
		body, pages := homePages(t, many, "?page_id=a&page_id=b&page_id=c&page_id=d&page_id=e&page_id=f&page_id=g&page_id=h&page_id=i&page_id=j&page_id=k")
		check.Equal(t, len(pages), 11, "pages")
		check.Equal(t, strings.Count(body, `class="spark"`), 10, "charts")
		check.Equal(t, strings.Count(body, `<td role="cell" class="number today">12</td>`), 11, "numbers of today")
		r := newRig(t, withTallies(newTallies()))
		histories(r, counting.PageHistory{}, httpcheck.Inner(errors.New("anything else")))
		if body, _ := homePages(t, r, "?page_id=a"); !strings.Contains(body, `<td role="cell" class="number today">–</td>`) || !strings.Contains(body, "not known now</desc><g></g>") {
			t.Errorf("a history that can't be read: %s", body)
		}
	})
}

func TestTheChartsOfThePageAreChosenByAParameter(t *testing.T) {
	httpcheck.Golden(t, "home_bad_chart", httpcheck.Send(t, newRig(t).handler, "GET", "/?chart=1h", ""))
	w := httpcheck.Send(t, newRig(t).handler, "GET", "/?page_id=a&page_id=b&chart=30d&page_id=&without=0", "")
	check.Equal(t, w.Header().Get("Location"), "./?page_id=b&chart=30d", "where the page without one is")
	check.Equal(t, w.Code, 303, "status")
}
