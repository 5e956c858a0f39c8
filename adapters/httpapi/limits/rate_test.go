package limits_test

import (
	"net/netip"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"footfall/adapters/httpapi/limits"
	"footfall/test/check"
)

// The table of clients is bounded: a client with many addresses takes no memory.
func TestClientsThatAreRememberedAreBounded(t *testing.T) {
	rate := check.Value(limits.ParseRate("1/h"))(t)
	c := limits.NewClients(rate, nil, nil)
	for n := range 100_000 {
		addr := netip.AddrFrom4([4]byte{10, byte(n >> 16), byte(n >> 8), byte(n)})
		_ = c.Check(addr.String()+":1", nil)
		if n == 1000 && c.Check("10.0.0.0:1", nil) == nil {
			t.Error("a client that was just there is forgotten")
		}
	}
	if n := limits.Remembered(c); n > 65536 {
		t.Errorf("%d clients are remembered", n)
	}
}

// S13: of bulks that come together one puts the client into debt, and the others see that.
func TestS13OnlyOneOfManyBulksMakesDebt(t *testing.T) {
	c := limits.NewClients(check.Value(limits.ParseRate("100/h"))(t), nil, nil)
	const addr = "192.0.2.1:1"
	for range 10 {
		check.OK(t, c.Check(addr, nil))
	}
	admitted := 0
	for range 10 {
		if c.CheckItems(addr, nil, 2000) == nil {
			admitted++
		}
	}
	check.Equal(t, admitted, 1, "bulks that were admitted")
	check.OK(t, c.CheckItems("192.0.2.2:1", nil, 2000))
	check.OK(t, (*limits.Clients)(nil).CheckItems(addr, nil, 2000))
}

func TestRatesAndProxiesAreRead(t *testing.T) {
	for text, want := range map[string]limits.Rate{"": {}, "100/s": {100, time.Second}, "1/m": {1, time.Minute}, "1000000/h": {1_000_000, time.Hour}} {
		check.Equal(t, check.Value(limits.ParseRate(text))(t), want, "%q", text)
	}
	for _, text := range []string{"100", "0/s", "-1/s", "1.5/s", "1000001/s", "100/d", "100/", "/s", "100/s/s", "x/s"} {
		if got, err := limits.ParseRate(text); err == nil {
			t.Errorf("%q: %v", text, got)
		}
	}
	proxies, err := limits.ParseProxies("10.1.2.3/8, 192.0.2.1,2001:db8::/32")
	want := []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("192.0.2.1/32"), netip.MustParsePrefix("2001:db8::/32")}
	if err != nil || !cmp.Equal(proxies, want, cmp.Comparer(func(a, b netip.Prefix) bool { return a == b })) {
		t.Error(proxies, err)
	}
	for _, text := range []string{",", "proxy.example", "10.0.0.0/33"} {
		if proxies, err := limits.ParseProxies(text); err == nil {
			t.Errorf("%q: %v", text, proxies)
		}
	}
}
