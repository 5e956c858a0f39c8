package public_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/golang/mock/gomock"

	"footfall/domain/counting"
	"footfall/test/check"
	"footfall/test/httpcheck"
)

func TestBulkAnswersEveryItemInOrder(t *testing.T) {
	for _, c := range []struct {
		name, body string
		want       map[counting.Page]int64
	}{
		{"bulk", `[{"page_id":"home","count":3},{"page_id":"about"}, {"count":2,"page_id":"home"}]`, map[counting.Page]int64{"home": 5, "about": 1}},
		{"bulk", "\n {\"page_id\":\"home\",\"count\":3}\r\n\n{\"page_id\":\"about\"}\n{\"page_id\":\"home\",\"count\":2}", map[counting.Page]int64{"home": 5, "about": 1}},
		{"bulk_empty", `[]`, nil},
		{
			"bulk_bad_items", `[{"page_id":"home"},{"page_id":""},{},{"page_id":7},{"page_id":"a\u0000b"},{"page_id":"\ud800"},{"page_id":"` +
				strings.Repeat("x", 257) + `"},{"page_id":"a","count":0},{"page_id":"a","count":-1},{"page_id":"a","count":1.0},{"page_id":"a","count":1e3},` +
				`{"page_id":"a","count":9223372036854775808},{"page_id":"a","count":"1"},{"page_id":"a","count":null},{"page_id":"a","cuont":5},` +
				`{"page_id":"a","page_id":"b"},{"PAGE_ID":"a"},{"page_id":["a"]},["a"],"a",null,{"page_id":"last","count":9223372036854775807}]`,
			map[counting.Page]int64{"home": 1, "last": 9223372036854775807},
		},
		{"bulk_bad_line", "{\"page_id\":\"home\"}\n{\"page_id\":\nnonsense\n{\"page_id\":\"\xff\"}\n{\"page_id\":\"\\ufffd\"}\n", map[counting.Page]int64{"home": 1, "\ufffd": 1}},
		{"bulk_failures", `[{"page_id":"home"},{"page_id":"gone"},{"page_id":"doubt"},{"page_id":"odd"},{"page_id":"full"},{"page_id":"strange"}]`, map[counting.Page]int64{"home": 1}},
		{"bulk_refused", `[{"page_id":"gone"},{"page_id":""},{"page_id":"gone"}]`, nil},
		{"bulk_in_doubt", `[{"page_id":"gone"},{"page_id":"doubt"}]`, nil},
		{"bulk_malformed", `[{"page_id":"home"},{"page_id":"home"}`, nil},
		{"bulk_malformed", `[{"page_id":"home"}] []`, nil},
		{"bulk_malformed", `[{"page_id":"home"},]`, nil},
		{"bulk_nonsense", `page_id=home`, nil},
		{"bulk_nonsense", ``, nil},
		{"bulk_no_line", "{\n\"page_id\":\"home\"\n}", nil},
		{"bulk_too_many", "[" + strings.Repeat(`{"page_id":"a"},`, 2000) + `{"page_id":"a"}]`, nil},
		{"bulk_too_many", strings.Repeat("{\"page_id\":\"a\"}\n", 2001), nil},
		{"bulk_too_large", "[" + strings.Repeat(" ", 2<<20) + "]", nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := newTallies()
			f.errs["gone"] = httpcheck.Inner(counting.ErrUnavailable)
			f.errs["doubt"] = httpcheck.Inner(counting.ErrInDoubt)
			f.errs["odd"] = httpcheck.Inner(counting.Corrupt)
			f.errs["full"] = httpcheck.Inner(counting.Overflow)
			f.errs["strange"] = httpcheck.Inner(errors.New("anything else"))
			w := httpcheck.Send(t, newRig(t, withTallies(f)).handler, "POST", "/visits", c.body)
			httpcheck.Golden(t, c.name, w)
			httpcheck.NothingInner(t, w)
			if !maps.Equal(f.counts, c.want) {
				t.Errorf("counted %v, want %v", f.counts, c.want)
			}
		})
	}
}

func TestBulkTakesTwoThousandItems(t *testing.T) {
	f := newTallies()
	body := "[" + strings.Repeat(`{"page_id":"a"},`, 1999) + `{"page_id":"a"}]`
	w := httpcheck.Send(t, newRig(t, withTallies(f)).handler, "POST", "/api/v1/counter/visits", body)
	var reply struct{ Results []struct{ Status string } }
	check.Must(t, json.Unmarshal(w.Body.Bytes(), &reply))
	if w.Code != 200 || len(reply.Results) != 2000 || f.counts["a"] != 2000 {
		t.Errorf("status %d, %d results, counted %d", w.Code, len(reply.Results), f.counts["a"])
	}
}

func TestBulkOfUnknownLengthIsCutAtItsLimit(t *testing.T) {
	r := newRig(t)
	req := httptest.NewRequestWithContext(t.Context(), "POST", "/visits", strings.NewReader(strings.Repeat(" ", 2<<20+1)))
	req.ContentLength = -1
	httpcheck.Golden(t, "bulk_too_large", httpcheck.Answer(r.handler, req))
}

func TestBulkThatSaysItIsTooLargeIsNotRead(t *testing.T) {
	r := newRig(t)
	req := httptest.NewRequestWithContext(t.Context(), "POST", "/visits", iotest.ErrReader(errors.New("was read")))
	req.ContentLength = 2<<20 + 1
	httpcheck.Golden(t, "bulk_too_large", httpcheck.Answer(r.handler, req))
}

func TestBulkThatIsIncompleteCountsNothing(t *testing.T) {
	r := newRig(t)
	body := iotest.TimeoutReader(iotest.OneByteReader(strings.NewReader(`[{"page_id":"home"}]`)))
	httpcheck.Golden(t, "bulk_interrupted", httpcheck.Answer(r.handler, httptest.NewRequestWithContext(t.Context(), "POST", "/visits", body)))
}

func TestBulkThatArrivesTooSlowlyCountsNothing(t *testing.T) {
	r := newRig(t)
	body := io.MultiReader(strings.NewReader(`[{"page_id":"home"}`), iotest.ErrReader(fmt.Errorf("read tcp: %w", os.ErrDeadlineExceeded)))
	w := httpcheck.Answer(r.handler, httptest.NewRequestWithContext(t.Context(), "POST", "/visits", body))
	httpcheck.Golden(t, "bulk_too_slow", w)
	check.Equal(t, w.Header().Get("Connection"), "close", "the rest of the body may still come: Connection")
}

// A write that panicked may have been applied.
func TestPanicsAreAnsweredAndLoggedOnce(t *testing.T) {
	r := newRig(t)
	r.visits.EXPECT().RecordAll(gomock.Any(), gomock.Any()).Do(func(any, any) { panic("10.0.0.7") })
	r.visits.EXPECT().Read(gomock.Any(), gomock.Any()).Return(nil)
	write := httpcheck.Send(t, r.handler, "POST", "/visits", `{"page_id":"home"}`)
	httpcheck.Golden(t, "record_in_doubt", write)
	httpcheck.Golden(t, "read_internal", httpcheck.Send(t, r.handler, "GET", "/visits/home", ""))
	check.Equal(t, strings.Count(r.log.String(), "http request failed"), 2, "lines of 2 panics in %s", r.log)
	httpcheck.NothingInner(t, write)
}

func FuzzBulkCountsWhatItSaysItCounted(f *testing.F) {
	for _, seed := range []string{
		`[{"page_id":"home","count":3},{"page_id":"about"}]`, "{\"page_id\":\"a\"}\n{\"page_id\":\"b\",\"count\":2}\n",
		`[]`, `[1,null,{"page_id":"\ud83d\ude00"},{"page_id":"\ud800"}]`, "{\n}", `[[[[`, "{}\n\xff\n", `[{"page_id":"a","page_id":"a"}]`,
		`[{"page_id":"a","count":9223372036854775807},{"page_id":"a","count":1}]`, `{"page_id":"a","count":1e1}`, "\xef\xbb\xbf[]",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, body string) {
		counted := newTallies()
		w := httpcheck.Send(t, newRig(t, withTallies(counted)).handler, "POST", "/visits", body)
		var reply struct {
			Results []struct {
				PageID counting.Page `json:"page_id"`
				Status string
			}
		}
		switch w.Code {
		case 200:
			if err := json.Unmarshal(w.Body.Bytes(), &reply); err != nil {
				t.Fatalf("%v in %s", err, w.Body)
			}
		case 400, 413:
		default:
			t.Fatalf("status %d", w.Code)
		}
		succeeded := map[counting.Page]bool{}
		for _, result := range reply.Results {
			if result.Status == "success" {
				succeeded[result.PageID] = true
			}
		}
		for page, n := range counted.counts {
			if _, err := counting.ParsePage(string(page)); err != nil || n < 1 || !succeeded[page] {
				t.Errorf("counted %q %d times, reported: %v", page, n, succeeded[page])
			}
		}
		if len(succeeded) != len(counted.counts) {
			t.Errorf("%d pages succeeded, counted %d", len(succeeded), len(counted.counts))
		}
	})
}
