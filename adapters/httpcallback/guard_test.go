package httpcallback_test

import (
	"errors"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"testing"

	"footfall/adapters/httpcallback"
	"footfall/domain/publishing"
	"footfall/test/check"
)

// hostile are addresses that a client must not make the service call.
var hostile = strings.Fields(`
	127.0.0.1 127.255.255.254 0.0.0.0 0.1.2.3 10.0.0.1 172.16.0.1 172.31.255.255 192.168.1.1
	100.64.0.1 100.100.100.200 100.127.255.255 169.254.169.254 169.254.0.23 168.63.129.16
	192.0.0.1 192.0.0.192 192.0.2.1 198.51.100.1 203.0.113.1 198.18.0.1 198.19.255.255
	192.88.99.1 192.31.196.1 192.52.193.1 192.175.48.1 224.0.0.1 239.255.255.250 240.0.0.1
	255.255.255.255
	:: ::1 ::127.0.0.1 ::169.254.169.254 ::ffff:127.0.0.1 ::ffff:0.0.0.0 ::ffff:10.0.0.1
	::ffff:169.254.169.254 ::ffff:168.63.129.16 ::ffff:0:127.0.0.1 64:ff9b::127.0.0.1
	64:ff9b::169.254.169.254 64:ff9b::8.8.8.8 64:ff9b:1::10.0.0.1 100::1 2001::1
	2001:0:5ef5:79fb::80ff:fffe 2001:10::1 2001:20::1 2001:db8::1 2002:7f00:1::1
	2002:a9fe:a9fe::1 2620:4f:8000::1 3fff::1 4000::1 5f00::1 fc00::1 fd00:ec2::254
	fd20:ce::254 fe80::1 fe80::a9fe:a9fe fec0::1 ff02::1 ff0e::1
	2606:4700::5efe:127.0.0.1 2606:4700::200:5efe:10.0.0.1`)

// harmless are addresses of the public internet beside the hostile ones.
var harmless = strings.Fields(`
	1.1.1.1 8.8.8.8 9.255.255.255 11.0.0.1 100.63.255.255 100.128.0.1 126.255.255.255 128.0.0.1
	168.63.129.15 168.63.129.17 169.253.255.255 172.15.255.255 172.32.0.1 192.0.1.1 192.167.1.1
	198.17.255.255 198.20.0.1 223.255.255.255
	2001:200::1 2003::1 2400::1 2606:4700::1111 2a00:1450::1 2606:4700::5eff:127.0.0.1`)

// listeners accept every connection that reaches this machine, on one port of
// both its addresses.
func listeners(t *testing.T) []*server {
	t.Helper()
	v4 := serve(t, "127.0.0.1:0", hangUp)
	all := []*server{v4}
	if l, err := net.Listen("tcp", "[::1]:"+v4.port()); err == nil {
		_ = l.Close()
		all = append(all, serve(t, "[::1]:"+v4.port(), hangUp))
	}
	return all
}

func checkUntouched(t *testing.T, all []*server) {
	t.Helper()
	for _, s := range all {
		check.Equal(t, s.connections(t), 0, "the connections to %s", s.Addr())
	}
}

// U10 of the list of failures: addresses in the URL itself.
func TestNoForbiddenAddressIsCalledByItsNumber(t *testing.T) {
	all := listeners(t)
	for _, policy := range []string{"public", "public,10.9.0.0/16", "*.example.com", "none"} {
		n := notifier(t, policy, httpcallback.Options{})
		for _, a := range hostile {
			e := publishing.Endpoint("http://" + net.JoinHostPort(a, all[0].port()) + "/")
			check.Is(t, n.Permits(e), publishing.ErrForbidden, "%s: permits %s", policy, e)
			got := n.Notify(t.Context(), report(), e, 1)
			if !errors.Is(got.Err, publishing.ErrForbidden) || got.Status != 0 {
				t.Errorf("%s: call of %s: %d, %v", policy, e, got.Status, got.Err)
			}
		}
	}
	checkUntouched(t, all)
}

// U10 of the list of failures: addresses that a name resolves to.
func TestNoForbiddenAddressIsCalledByAName(t *testing.T) {
	all := listeners(t)
	answers := map[string]func(int) []netip.Addr{}
	for i, a := range hostile {
		if netip.MustParseAddr(a).Is4() || len(all) == 2 { // 2: there is IPv6 here
			answers["a"+strconv.Itoa(i)+".example.com"] = always(a)
		}
	}
	r, _ := resolver(t, answers)
	for _, policy := range []string{"public", "*.example.com", "10.9.0.0/16"} {
		n := notifier(t, policy, httpcallback.Options{Resolver: r})
		for name, answer := range answers {
			e := publishing.Endpoint("http://" + name + ":" + all[0].port() + "/")
			if err := n.Permits(e); err != nil {
				t.Errorf("%s: permits %s: %v, and the name alone tells nothing", policy, e, err)
			}
			if got := n.Notify(t.Context(), report(), e, 1); !errors.Is(got.Err, publishing.ErrForbidden) ||
				!strings.HasPrefix(got.Err.Error(), "forbidden endpoint: the address ") {
				t.Errorf("%s: call of a name of %v: %d, %v", policy, answer(0), got.Status, got.Err)
			}
		}
	}
	checkUntouched(t, all)
}

// U10 of the list of failures: URLs that some parser takes for this machine.
func TestNoSpellingOfThisMachineIsCalled(t *testing.T) {
	all := listeners(t)
	r, _ := resolver(t, map[string]func(int) []netip.Addr{
		"localhost": always("127.0.0.1", "::1"), "a.localhost": always("127.0.0.1"), "0": always("127.0.0.1"),
		"127.1": always("127.0.0.1"), "127.0.0.1": always("127.0.0.1"), "2130706433": always("127.0.0.1"),
		"0x7f000001": always("127.0.0.1"), "0x7f.1": always("127.0.0.1"), "0177.0.0.1": always("127.0.0.1"),
		"017700000001": always("127.0.0.1"), "127.0.0.0x1": always("127.0.0.1"), "127.0.0.01": always("127.0.0.1"),
		"0x": always("127.0.0.1"), "127.0.1": always("127.0.0.1"),
	})
	n := notifier(t, "public", httpcallback.Options{Resolver: r})
	for _, s := range []string{
		"http://127.0.0.1:P/", "http://localhost:P/", "http://LOCALHOST:P/", "http://localhost.:P/", "http://a.localhost:P/",
		"http://127.1:P/", "http://127.0.1:P/", "http://2130706433:P/", "http://0x7f000001:P/", "http://0X7F000001:P/",
		"http://0x7f.1:P/", "http://0177.0.0.1:P/", "http://017700000001:P/", "http://127.0.0.0x1:P/", "http://127.0.0.01:P/",
		"http://127.0.0.1.:P/", "http://0:P/", "http://0x:P/", "http://0.0.0.0:P/", "http://127.0.0.1..:P/",
		"http://[::1]:P/", "http://[::]:P/", "http://[0:0:0:0:0:0:0:1]:P/", "http://[::ffff:127.0.0.1]:P/",
		"http://[::FFFF:7f00:1]:P/", "http://[::127.0.0.1]:P/", "http://[::1%25lo]:P/", "http://[127.0.0.1]:P/",
		"http://example.com@127.0.0.1:P/", "http://127.0.0.1:P#@example.com/", `http://127.0.0.1:P\@example.com/`,
		"http://①②⑦.⓪.⓪.①:P/", "http://127。0。0。1:P/", "http://%31%32%37.0.0.1:P/", "http://127.0.0.1%00.example.com:P/",
		"http:127.0.0.1:P/", "http:///127.0.0.1:P/", "//127.0.0.1:P/", "gopher://127.0.0.1:P/", "http://127.0.0.1:P:80/",
		"http://8.8.8.8:22/", "http://8.8.8.8:0/", "http://8.8.8.8:65616/",
	} {
		s = strings.ReplaceAll(s, ":P", ":"+all[0].port())
		parsed, err := publishing.ParseEndpoint(s)
		if err != nil {
			parsed = publishing.Endpoint(s) // as it would be if it had not been parsed
		}
		check.Is(t, n.Permits(parsed), publishing.ErrForbidden, "permits %s", s)
		if got := n.Notify(t.Context(), report(), parsed, 1); !errors.Is(got.Err, publishing.ErrForbidden) {
			t.Errorf("call of %s: %d, %v", s, got.Status, got.Err)
		}
	}
	checkUntouched(t, all)
}

func TestAddressesOfTheInternetArePermitted(t *testing.T) {
	n := notifier(t, "public", httpcallback.Options{})
	for _, a := range harmless {
		check.OK(t, n.Permits(publishing.Endpoint("http://"+net.JoinHostPort(a, "80")+"/")), "permits %s", a)
	}
	for _, host := range []string{"example.com", "a-b.xn--nxasmq6b", "3com.com", "0x7f.com", "redis", "deadbeef", "x0x7"} {
		check.OK(t, n.Permits(publishing.Endpoint("http://"+host+"/")), "permits %s", host)
	}
}

// The first look-up leads to an address that may be called, all later ones to
// one that may not.
//
// U10 of the list of failures: DNS rebinding.
func TestANameThatChangesItsAddressIsCheckedEachTime(t *testing.T) {
	forbidden := serve(t, "127.0.0.1:0", say("HTTP/1.1 200 OK\r\n\r\nsecret"))
	allowed := serve(t, "127.0.0.2:"+forbidden.port(), say("HTTP/1.1 200 OK\r\n\r\nok"))
	r, names := resolver(t, map[string]func(int) []netip.Addr{"rebind.example.com": func(nth int) []netip.Addr {
		if nth == 0 {
			return []netip.Addr{netip.MustParseAddr("127.0.0.2")}
		}
		return []netip.Addr{netip.MustParseAddr("127.0.0.1")}
	}})
	n := notifier(t, "public,127.0.0.2/32", httpcallback.Options{Resolver: r})
	e := publishing.Endpoint("http://rebind.example.com:" + forbidden.port() + "/")

	if err := n.Permits(e); err != nil || names.queries.Load() != 0 {
		t.Errorf("permits: %v after %d queries, want none of both", err, names.queries.Load())
	}
	if got := n.Notify(t.Context(), report(), e, 1); got.Status != 200 || got.Response != "ok" {
		t.Errorf("first call: %+v", got)
	}
	for range 3 {
		if got := n.Notify(t.Context(), report(), e, 2); !errors.Is(got.Err, publishing.ErrForbidden) {
			t.Errorf("later call: %+v", got)
		}
	}
	check.Equal(t, allowed.connections(t), 1, "the connections to the allowed address")
	checkUntouched(t, []*server{forbidden})
}

func TestOfManyAddressesOnlyTheAllowedAreCalled(t *testing.T) {
	forbidden := serve(t, "127.0.0.1:0", say("HTTP/1.1 200 OK\r\n\r\nsecret"))
	allowed := serve(t, "127.0.0.2:"+forbidden.port(), say("HTTP/1.1 200 OK\r\n\r\nok"))
	r, _ := resolver(t, map[string]func(int) []netip.Addr{
		"many.example.com": always("127.0.0.1", "::1", "127.0.0.2", "::ffff:127.0.0.1"),
	})
	n := notifier(t, "127.0.0.2/32", httpcallback.Options{Resolver: r})
	e := publishing.Endpoint("http://many.example.com:" + allowed.port() + "/")
	if got := n.Notify(t.Context(), report(), e, 1); got.Status != 200 || got.Response != "ok" {
		t.Errorf("call: %+v", got)
	}
	checkUntouched(t, []*server{forbidden})
}

// U10 of the list of failures: redirects.
func TestNoRedirectIsFollowed(t *testing.T) {
	target := serve(t, "127.0.0.1:0", say("HTTP/1.1 200 OK\r\n\r\nsecret"))
	n := notifier(t, "127.0.0.0/8", httpcallback.Options{}) // the target could be called, and isn't
	for _, status := range []int{301, 302, 303, 307, 308} {
		s := serve(t, "127.0.0.2:0", say("HTTP/1.1 "+strconv.Itoa(status)+
			" Go\r\nLocation: "+string(target.endpoint("/"))+"\r\nRefresh: 0;url="+string(target.endpoint("/"))+"\r\n\r\n"))
		if got := n.Notify(t.Context(), report(), s.endpoint("/"), 1); got.Status != status || got.Err != nil {
			t.Errorf("call: %+v, want status %d", got, status)
		}
	}
	checkUntouched(t, []*server{target})
}

func TestNoProxyIsUsed(t *testing.T) {
	proxy := serve(t, "127.0.0.1:0", hangUp)
	for _, name := range []string{"HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy"} {
		t.Setenv(name, "http://"+proxy.Addr().String())
	}
	s := serve(t, "127.0.0.2:0", say("HTTP/1.1 200 OK\r\n\r\nok"))
	r, _ := resolver(t, map[string]func(int) []netip.Addr{"hooks.example.com": always("127.0.0.2")})
	n := notifier(t, "127.0.0.0/8", httpcallback.Options{Resolver: r})
	e := publishing.Endpoint("http://hooks.example.com:" + s.port() + "/")
	if got := n.Notify(t.Context(), report(), e, 1); got.Status != 200 {
		t.Errorf("call: %+v", got)
	}
	checkUntouched(t, []*server{proxy})
}

func TestAnOperatorsRangeAllowsExactlyThatRange(t *testing.T) {
	s := serve(t, "127.0.0.1:0", say("HTTP/1.1 200 OK\r\n\r\nok"))
	for policy, want := range map[string]bool{
		"127.0.0.1/32": true, "public,127.0.0.0/8": true, "0.0.0.0/0": true,
		"127.0.0.2/32": false, "::/0": false, "public": false, "localhost": false, "*.localhost,localhost": false,
	} {
		n := notifier(t, policy, httpcallback.Options{})
		for _, host := range []string{"127.0.0.1", "[::ffff:127.0.0.1]", "localhost"} {
			e := publishing.Endpoint("http://" + host + ":" + s.port() + "/")
			got := n.Notify(t.Context(), report(), e, 1)
			if (got.Status == 200) != want || want && n.Permits(e) != nil {
				t.Errorf("%s: call of %s: %+v", policy, e, got)
			}
		}
	}
}
