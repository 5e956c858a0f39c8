package public_test

import (
	"net/http"
	"slices"
	"testing"

	"github.com/golang/mock/gomock"

	"footfall/adapters/httpapi/public"
	"footfall/test/check"
	"footfall/test/httpcheck"
)

// askFrom sends a request as a browser does for a page of an origin.
func askFrom(t *testing.T, h http.Handler, method, target, origin string, headers ...string) http.Header {
	t.Helper()
	return httpcheck.Send(t, h, method, target, "", append(headers, "Origin", origin)...).Header()
}

func TestOtherOriginsAreAllowedWhereTheyAreNamed(t *testing.T) {
	const allow = "Access-Control-Allow-Origin"
	r := newRig(t, withTallies(newTallies()), limited("2/h", ""))
	if h := public.AllowOrigins(r.handler, nil); h != http.Handler(r.handler) {
		t.Error("without origins something is in the way")
	}
	check.Equal(t, askFrom(t, r.handler, "POST", "/visit/home", "https://a.example").Get(allow), "", "by default it allows")
	h := public.AllowOrigins(r.handler, []string{"https://a.example"})
	preflight := askFrom(t, h, "OPTIONS", "/visits", "https://a.example",
		"Access-Control-Request-Method", "POST", "Access-Control-Request-Headers", "baggage,content-type,idempotency-key,traceparent,tracestate") // F18: the last ones come with traces
	if preflight.Get(allow) != "https://a.example" || preflight.Get("Access-Control-Allow-Headers") == "" || preflight.Get("Access-Control-Max-Age") != "600" {
		t.Errorf("preflight: %v", preflight)
	}
	if got := askFrom(t, h, "OPTIONS", "/visits", "https://b.example", "Access-Control-Request-Method", "POST"); got.Get(allow) != "" {
		t.Errorf("a stranger's preflight: %v", got)
	}
	if got := askFrom(t, h, "OPTIONS", "/visits", "https://a.example", "Access-Control-Request-Method", "DELETE"); got.Get(allow) != "" {
		t.Errorf("a preflight of a method that nothing takes: %v", got)
	}
	got := askFrom(t, h, "POST", "/visit/home", "https://a.example")
	if got.Get(allow) != "https://a.example" || got.Get("Access-Control-Allow-Credentials") != "" || !slices.Contains(got.Values("Vary"), "Origin") {
		t.Errorf("a visit: %v", got)
	}
	// A page can read that it is refused, and for how long.
	if got := askFrom(t, h, "POST", "/visit/home", "https://a.example"); got.Get("Retry-After") == "" || got.Get(allow) == "" || got.Get("Access-Control-Expose-Headers") == "" {
		t.Errorf("a visit too many: %v", got)
	}
	check.Equal(t, askFrom(t, public.AllowOrigins(r.handler, []string{"*"}), "GET", "/healthz", "https://b.example").Get(allow), "*", "all origins")
}

func TestOriginsAreRead(t *testing.T) {
	if got, err := public.ParseOrigins("https://a.example, http://localhost:3000"); err != nil || !slices.Equal(got, []string{"https://a.example", "http://localhost:3000"}) {
		t.Error(got, err)
	}
	for _, text := range []string{"a.example", "https://a.example/", "https://", "ftp://a.example", "https://u@a.example/x", ",", "https://*.example", "null"} {
		if got, err := public.ParseOrigins(text); err == nil {
			t.Errorf("%q: %v", text, got)
		}
	}
}

// N2: of what a browser sends for a page of another site, single visits and ids count. All
// else needs an origin that is allowed.
func TestN2OtherSitesCountOneAtATime(t *testing.T) {
	type headers = []string
	const foreign, own = "https://blog.example", "http://example.com" // the host of the requests
	requests := []struct {
		method, target, body string
		headers              headers
		simple               bool   // any site may send it
		golden               string // of the refusal
	}{
		{"POST", "/visit/home", "", nil, true, ""},
		{"POST", "/visit/home", "text", headers{"Content-Type", "text/plain"}, true, ""},
		{"POST", "/visit/home", "", headers{"Idempotency-Key", "k"}, false, "record_cross_site"},
		{"POST", "/visits", `[{"page_id":"home"}]`, headers{"Content-Type", "text/plain"}, false, "bulk_cross_site"},
		{"POST", "/visits", `{"page_id":"home","count":2}`, nil, false, "bulk_cross_site"},
		{"POST", "/api/v1/counter/visits", `[]`, nil, false, "bulk_cross_site"},
		{"GET", "/api/verve/accept?id=1", "", nil, true, ""},
		{"GET", "/api/verve/accept?id=1&endpoint=", "", nil, true, ""},
		{"GET", "/api/verve/accept?id=1&endpoint=http://h.example/", "", nil, false, "accept_cross_site"},
		{"GET", "/visits?page_id=home", "", nil, true, ""},
	}
	for _, c := range []struct {
		sender  headers
		allowed []string
		trusted bool
	}{
		{nil, nil, true},
		{headers{"Sec-Fetch-Site", "none"}, nil, true},
		{headers{"Sec-Fetch-Site", "same-origin", "Origin", foreign}, nil, true}, // a proxy changed the host
		{headers{"Sec-Fetch-Site", "same-site", "Origin", foreign}, nil, true},
		{headers{"Origin", own}, nil, true},
		{headers{"Sec-Fetch-Site", "cross-site"}, nil, false},
		{headers{"Sec-Fetch-Site", "cross-site", "Origin", foreign}, nil, false},
		{headers{"Origin", foreign}, nil, false},
		{headers{"Origin", "null"}, nil, false},
		{headers{"Referer", own + "/docs"}, nil, true},
		{headers{"Referer", foreign + "/page"}, nil, false}, // as of an image over plain HTTP
		{headers{"Referer", "about:blank"}, nil, false},
		{headers{"Origin", own, "Referer", foreign + "/"}, nil, true},
		{headers{"Sec-Fetch-Site", "same-origin", "Referer", foreign + "/"}, nil, true},
		{headers{"Referer", foreign + "/page"}, []string{"https://other.example"}, false},
		{headers{"Referer", foreign + "/page"}, []string{foreign}, true},
		{headers{"Sec-Fetch-Site", "cross-site", "Referer", foreign + "/page"}, []string{foreign}, true},
		{headers{"Origin", "null", "Referer", foreign + "/page"}, []string{foreign}, false},
		{headers{"Origin", foreign}, []string{"https://other.example"}, false},
		{headers{"Sec-Fetch-Site", "cross-site"}, []string{foreign}, false},
		{headers{"Sec-Fetch-Site", "cross-site", "Origin", foreign}, []string{"https://a.example", "https://Blog.example"}, true},
		{headers{"Sec-Fetch-Site", "cross-site", "Origin", "null"}, []string{"*"}, true},
	} {
		for _, request := range requests {
			r := newRig(t, withTallies(newTallies()), func(o *options) { o.Origins = c.allowed })
			r.ids.EXPECT().Accept(gomock.Any(), gomock.Any(), gomock.Any(), gomock.Any()).Return(true, nil).AnyTimes()
			w := httpcheck.Send(t, r.handler, request.method, request.target, request.body, slices.Concat(request.headers, c.sender)...)
			if request.simple || c.trusted {
				check.Equal(t, w.Code, http.StatusOK, "%s %s of %v, with %v", request.method, request.target, c.sender, c.allowed)
			} else {
				httpcheck.Golden(t, request.golden, w)
			}
		}
	}
}
