package public_test

import (
	"fmt"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"footfall/adapters/httpapi/limits"
	"footfall/test/check"
	"footfall/test/httpcheck"
)

// sendFrom sends a request from an address, with X-Forwarded-For or without.
func sendFrom(t *testing.T, r *rig, method, target, addr string, forwarded ...string) *httptest.ResponseRecorder {
	t.Helper()
	request := httptest.NewRequestWithContext(t.Context(), method, target, nil)
	request.RemoteAddr = addr
	for _, f := range forwarded {
		request.Header.Add("X-Forwarded-For", f)
	}
	return httpcheck.Answer(r.handler, request)
}

func limited(rate string, proxies string) func(*options) {
	return func(o *options) {
		r, _ := limits.ParseRate(rate)
		trusted, _ := limits.ParseProxies(proxies)
		o.Clients = limits.NewClients(r, trusted, nil)
	}
}

func TestOnlyTheClientThatSendsTooManyIsRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, withTallies(newTallies()), limited("6/m", ""))
		for n := range 6 {
			if w := sendFrom(t, r, "POST", "/visit/home", fmt.Sprint("192.0.2.1:", 1000+n)); w.Code != 200 {
				t.Errorf("request %d: %d", n+1, w.Code)
			}
		}
		httpcheck.Golden(t, "record_limited", sendFrom(t, r, "POST", "/visit/home", "192.0.2.1:2000"))
		httpcheck.Golden(t, "accept_limited", sendFrom(t, r, "GET", "/api/verve/accept?id=1", "192.0.2.1:2000"))
		httpcheck.Golden(t, "record_limited", sendFrom(t, r, "GET", "/no/such/route", "192.0.2.1:2000"))
		httpcheck.Golden(t, "healthz", sendFrom(t, r, "GET", "/healthz", "192.0.2.1:2000"))
		httpcheck.Golden(t, "record", sendFrom(t, r, "POST", "/visit/home", "192.0.2.2:2000"))
		time.Sleep(10 * time.Second)
		httpcheck.Golden(t, "record", sendFrom(t, r, "POST", "/visit/home", "192.0.2.1:2000"))
		httpcheck.Golden(t, "record_limited", sendFrom(t, r, "POST", "/visit/home", "192.0.2.1:2000"))
	})
}

// S13: what a bulk or a read counts for the rate limit is its items, not one request. A
// bulk above the burst is possible, and is paid for afterwards.
func TestS13ABulkCostsAsManyAsItsItems(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, withTallies(newTallies()), limited("5/s", ""))
		bulk := func(items int) *httptest.ResponseRecorder {
			body := "[" + strings.Repeat(`{"page_id":"home"},`, items-1) + `{"page_id":"home"}]`
			request := httptest.NewRequestWithContext(t.Context(), "POST", "/visits", strings.NewReader(body))
			request.RemoteAddr = "192.0.2.1:1"
			return httpcheck.Answer(r.handler, request)
		}
		check.Equal(t, bulk(2000).Code, 200, "a bulk above the burst")
		refused := bulk(1)
		check.Equal(t, refused.Code, 429, "a request of a client with debt")
		check.Equal(t, refused.Header().Get("Retry-After"), "400", "when the debt is paid")
		check.Equal(t, sendFrom(t, r, "POST", "/visit/home", "192.0.2.2:1").Code, 200, "another client")
		time.Sleep(399 * time.Second)
		check.Equal(t, bulk(1).Code, 429, "a second before")
		time.Sleep(time.Second)
		check.Equal(t, sendFrom(t, r, "GET", "/visits?page_id=a&page_id=b&page_id=c&page_id=d&page_id=e", "192.0.2.1:1").Code, 200, "afterwards")
		refused = sendFrom(t, r, "GET", "/visits?page_id=a", "192.0.2.1:1")
		check.Equal(t, refused.Code, 429, "pages of a read")
		check.Equal(t, refused.Header().Get("Retry-After"), "1", "when they are paid")
	})
}

func TestClientsAreDistinguishedByAddressesThatCannotBeForged(t *testing.T) {
	for _, c := range []struct {
		name, proxies string
		one, other    []string // address, and X-Forwarded-For
		same          bool
	}{
		{"ports of one address", "", []string{"192.0.2.1:1"}, []string{"192.0.2.1:2"}, true},
		{"two addresses", "", []string{"192.0.2.1:1"}, []string{"192.0.2.2:1"}, false},
		{"one network of IPv6", "", []string{"[2001:db8::1]:1"}, []string{"[2001:db8::ffff:2]:1"}, true},
		{"two networks of IPv6", "", []string{"[2001:db8::1]:1"}, []string{"[2001:db8:0:1::1]:1"}, false},
		{"IPv4 in IPv6", "", []string{"192.0.2.1:1"}, []string{"[::ffff:192.0.2.1]:1"}, true},
		{"a header without a proxy", "", []string{"192.0.2.1:1", "198.51.100.1"}, []string{"192.0.2.1:1", "198.51.100.2"}, true},
		{"a header from a stranger", "10.0.0.0/8", []string{"192.0.2.1:1", "198.51.100.1"}, []string{"192.0.2.1:1", "198.51.100.2"}, true},
		{"a proxy's clients", "10.0.0.0/8", []string{"10.0.0.1:1", "198.51.100.1"}, []string{"10.0.0.1:1", "198.51.100.2"}, false},
		{"one client by two proxies", "10.0.0.0/8", []string{"10.0.0.1:1", "198.51.100.1"}, []string{"10.0.0.2:1", "198.51.100.1:99"}, true},
		{"proxies in a row", "10.0.0.0/8", []string{"10.0.0.1:1", "198.51.100.1, 10.0.0.9"}, []string{"10.0.0.1:1", "198.51.100.2", "10.0.0.9"}, false},
		{"what a client made up", "10.0.0.0/8", []string{"10.0.0.1:1", "1.1.1.1, 198.51.100.1"}, []string{"10.0.0.1:1", "2.2.2.2, 198.51.100.1"}, true},
		{"nonsense", "10.0.0.0/8", []string{"10.0.0.1:1", "nonsense"}, []string{"10.0.0.1:1", "unknown"}, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := newRig(t, withTallies(newTallies()), limited("1/h", c.proxies))
			if w := sendFrom(t, r, "POST", "/visit/home", c.one[0], c.one[1:]...); w.Code != 200 {
				t.Fatalf("the first one: %d", w.Code)
			}
			if w := sendFrom(t, r, "POST", "/visit/home", c.other[0], c.other[1:]...); (w.Code == 429) != c.same {
				t.Errorf("the second one: %d", w.Code)
			}
		})
	}
}
