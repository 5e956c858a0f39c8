package public_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/golang/mock/gomock"

	"footfall/adapters/httpapi"
	"footfall/adapters/httpapi/counter"
	"footfall/adapters/httpapi/limits"
	"footfall/adapters/httpapi/public"
	"footfall/domain/counting"
	"footfall/domain/publishing"
	"footfall/test/check"
	"footfall/test/httpcheck"
)

// F12: the answer and the log say why an endpoint is refused, the log at most once a
// second, and without the query and the user.
func TestF12TheLogSaysWhyAnEndpointIsRefused(t *testing.T) {
	forbidden := fmt.Errorf("%w: its host is this machine", publishing.ErrForbidden)
	for _, c := range []struct {
		query string
		err   error // of the policy or the store; nil when neither is asked
		line  string
	}{
		{
			"endpoint=http%3A%2F%2Flocalhost%3A8080%2Fhook%3Ftoken%3Dsecret", forbidden,
			`code=forbidden_endpoint host=localhost:8080 reason="forbidden endpoint: its host is this machine"`,
		},
		{"endpoint=https%3A%2F%2Fh.example%2F", counting.EndpointLimit, `code=endpoint_limit host=h.example reason=`},
		{"endpoint=http%3A%2F%2Fuser%3Asecret%40h.example%2F", nil, `code=bad_endpoint host=h.example reason="bad endpoint: it has a user"`},
		{"endpoint=http%3A%2F%2Fh.example%3A22%2F", nil, `code=bad_endpoint host=h.example:22 reason="bad endpoint: its port`},
		{"endpoint=file%3A%2F%2F%2Fsecret", nil, `code=bad_endpoint host="" reason="bad endpoint: its scheme`},
		{"endpoint=http://h.example/?a=1&token=secret", nil, `code=unknown_parameter host=h.example reason="the query has a parameter`},
		{"endpoint=http://h.example/?a=1&secret=x", nil, `code=unknown_parameter host=h.example reason="the query has a parameter`},
		{"endpoint=http%3A%2F%2Fh.example%0Alevel%3DERROR%2F", nil, `code=bad_endpoint host="" reason=`},
	} {
		synctest.Test(t, func(t *testing.T) {
			r := newRig(t)
			if c.err != nil {
				r.ids.EXPECT().Accept(gomock.Any(), gomock.Any(), counting.ID(1), gomock.Any()).AnyTimes().Return(false, c.err)
			}
			send := func() { httpcheck.Send(t, r.handler, "GET", "/api/verve/accept?id=1&"+c.query, "") }
			for range 100 {
				send()
			}
			text := r.log.String()
			if strings.Count(text, "\n") != 1 || !strings.Contains(text, `level=INFO msg="endpoint refused" `+c.line) || strings.Contains(text, "secret") {
				t.Errorf("%s logged %q, want one line with %s", c.query, text, c.line)
			}
			time.Sleep(time.Second)
			send()
			check.Equal(t, strings.Count(r.log.String(), "\n"), 2, "lines a second later")
		})
	}
}

// S3: an id whose endpoint is beyond a share counts. A header says that the endpoint is
// refused, and the log at most once a minute. The client is that of the limits.
func TestS3AnIDCountsWithoutTheEndpointThatIsRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, func(o *options) {
			o.Identify = limits.Identify{Proxies: []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")}} // httptest's client
		})
		kept := true
		r.ids.EXPECT().Accept(gomock.Any(), netip.MustParsePrefix("198.51.100.7/32"), counting.ID(1), gomock.Any()).AnyTimes().
			DoAndReturn(func(context.Context, netip.Prefix, counting.ID, publishing.Endpoint) (bool, error) { return kept, nil })
		send := func() *httptest.ResponseRecorder {
			w := httptest.NewRecorder()
			req := httptest.NewRequest(http.MethodGet, "/api/verve/accept?id=1&endpoint=http%3A%2F%2Fh.example%2F%3Fsecret", nil)
			req.Header.Set("X-Forwarded-For", "198.51.100.7")
			r.handler.ServeHTTP(w, req)
			return w
		}
		check.Equal(t, send().Header().Get(counter.EndpointHeader), "", "the header when it is kept")
		kept = false
		for range 100 {
			w := send()
			if w.Code != http.StatusOK || w.Body.String() != "ok" || w.Header().Get("X-Footfall-Endpoint") != "refused" {
				t.Errorf("%d %s %v", w.Code, w.Body, w.Header())
			}
		}
		text := r.log.String()
		if strings.Count(text, "\n") != 1 || !strings.Contains(text, "host=h.example") || strings.Contains(text, "secret") {
			t.Errorf("the log is %s", text)
		}
	})
}

func TestWhatIsRefusedForItsIDOrForNowIsNotLogged(t *testing.T) {
	r := newRig(t)
	r.ids.EXPECT().Accept(gomock.Any(), gomock.Any(), gomock.Any(), gomock.Any()).Return(false, httpcheck.Inner(counting.ErrUnavailable))
	for _, query := range []string{"id=abc", "id=1"} {
		httpcheck.Send(t, r.handler, "GET", "/api/verve/accept?"+query, "")
	}
	check.Equal(t, r.log.String(), "", "the log")
}

// P9: a caller does not choose how long a line of the log is.
func TestF12AHostInTheLogIsBounded(t *testing.T) {
	r := newRig(t)
	httpcheck.Send(t, r.handler, "GET", "/api/verve/accept?id=1&endpoint=ftp%3A%2F%2F"+strings.Repeat("h", 100_000), "")
	if text := r.log.String(); len(text) > 1000 || !strings.Contains(text, strings.Repeat("h", 255)) {
		t.Errorf("the line has %d bytes: %.400s", len(text), text)
	}
}

// F12: a script of another origin can read the code, too.
func TestF12OtherOriginsCanReadTheCode(t *testing.T) {
	h := public.AllowOrigins(newRig(t).handler, []string{"*"})
	got := askFrom(t, h, "GET", "/api/verve/accept?id=abc", "https://a.example")
	if !strings.Contains(got.Get("Access-Control-Expose-Headers"), httpapi.ErrorHeader) || got.Get(httpapi.ErrorHeader) != "bad_id" {
		t.Errorf("%v", got)
	}
}
