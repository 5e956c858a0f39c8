package public_test

import (
	"net/http"
	"slices"
	"testing"

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
