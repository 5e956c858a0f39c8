package httpcallback_test

import (
	"errors"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"footfall/adapters/httpcallback"
	"footfall/domain/publishing"
	"footfall/test/check"
)

func TestAPolicyPermitsWhatItLists(t *testing.T) {
	const (
		publicAddress = "http://8.8.8.8/"
		private       = "http://10.1.2.3/"
		name          = "http://hooks.example.com/"
		other         = "http://example.org/"
	)
	all := []string{publicAddress, private, name, other}
	for policy, want := range map[string][]string{
		"public":                              {publicAddress, name, other},
		" PUBLIC ":                            {publicAddress, name, other},
		"none":                                {},
		"10.0.0.0/8":                          {private, name, other}, // names may lead there
		"public,10.0.0.0/8":                   all,
		"8.8.8.0/24":                          {publicAddress, name, other},
		"*.example.com":                       {name},
		"public, *.example.com":               {name},
		"hooks.example.com":                   {name},
		"*.com":                               {name},
		"*.hooks.example.com":                 {},
		"xhooks.example.com,ooks.example.com": {},
		"*.example.com,10.0.0.0/8":            {private, name, other},
		"fd00::/8":                            {name, other},
		"0.0.0.0/0":                           all,
	} {
		n := notifier(t, policy, httpcallback.Options{})
		permitted := map[string]bool{}
		for _, e := range want {
			permitted[e] = true
		}
		for _, e := range all {
			err := n.Permits(publishing.Endpoint(e))
			if (err == nil) != permitted[e] || err != nil && !errors.Is(err, publishing.ErrForbidden) {
				t.Errorf("%q: permits %s: %v", policy, e, err)
			}
		}
	}
	check.Fails(t, httpcallback.New(httpcallback.Policy{}, httpcallback.Options{}).Permits(name), "the zero policy permits a call")
}

func TestAPatternMatchesWholeLabels(t *testing.T) {
	n := notifier(t, "*.example.com", httpcallback.Options{})
	for host, want := range map[string]bool{
		"a.example.com": true, "a.b.example.com": true, "A.Example.COM": true,
		"example.com": false, "aexample.com": false, "a.example.com.evil.org": false, "a.example.com.": false,
		".example.com": false,
	} {
		if err := n.Permits(publishing.Endpoint("http://" + host + "/")); (err == nil) != want {
			t.Errorf("host %s: %v, want permitted: %v", host, err, want)
		}
	}
}

func TestABadPolicyIsAnErrorOfOneLine(t *testing.T) {
	for policy, want := range map[string]string{
		"":                              "it is empty, want public, none, CIDRs or host patterns",
		"  ":                            "it is empty, want public, none, CIDRs or host patterns",
		"public,":                       "an item of the list is empty",
		"none,public":                   "none stands alone",
		"10.0.0.0/33":                   `"10.0.0.0/33" is not a CIDR`,
		"10.0.0.1/8":                    `"10.0.0.1/8" has bits outside its mask, want 10.0.0.0/8`,
		"10.0.0.1":                      `"10.0.0.1" is an address, not a CIDR, want 10.0.0.1/32`,
		"::1":                           `"::1" is an address, not a CIDR, want ::1/128`,
		"::ffff:10.0.0.0/104":           `"::ffff:10.0.0.0/104" is an IPv4 range, write it as one`,
		"http://example.com":            `"http://example.com" is not a CIDR`,
		"example.com:80":                `"example.com:80" is not a CIDR`,
		"*":                             `"*" is not public, none, a CIDR or a host pattern`,
		"*.":                            `"*." is not public, none, a CIDR or a host pattern`,
		"hooks.*.com":                   `"hooks.*.com" is not public, none, a CIDR or a host pattern`,
		"example.com.":                  `"example.com." is not public, none, a CIDR or a host pattern`,
		"127.1":                         `"127.1" is not public, none, a CIDR or a host pattern`,
		"a.0x7f":                        `"a.0x7f" is not public, none, a CIDR or a host pattern`,
		"exämple.com":                   `"exämple.com" is not public, none, a CIDR or a host pattern`,
		"line\nbreak":                   `"line\nbreak" is not public, none, a CIDR or a host pattern`,
		strings.Repeat("a.", 200) + "b": "is not public, none, a CIDR or a host pattern",
	} {
		_, err := httpcallback.ParsePolicy(policy)
		if err == nil || !strings.HasSuffix(err.Error(), want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%q: %v, want %s", policy, err, want)
		}
	}
}

// S15: one host can be named that may lead into a range. No other one may, and no address
// of it in the URL itself.
func TestS15OneHostInARangeCanBeNamed(t *testing.T) {
	s := serve(t, "127.0.0.2:0", say("HTTP/1.1 200 OK\r\n\r\nok"))
	r, _ := resolver(t, map[string]func(int) []netip.Addr{
		"hooks.internal": always("127.0.0.2"), "other.internal": always("127.0.0.2"), "a.hooks.internal": always("127.0.0.2"),
	})
	for policy, want := range map[string]string{
		"hooks.internal@127.0.0.2/32":            "hooks.internal",
		"hooks.internal@127.0.0.0/8,public":      "hooks.internal",
		"*.hooks.internal@127.0.0.0/8":           "a.hooks.internal",
		"hooks.internal@127.0.0.3/32":            "",
		"hooks.internal@127.0.0.3/32,10.0.0.0/8": "",
	} {
		n := notifier(t, policy, httpcallback.Options{Resolver: r})
		for _, host := range []string{"hooks.internal", "other.internal", "a.hooks.internal", "127.0.0.2"} {
			e := publishing.Endpoint("http://" + host + ":" + s.port() + "/")
			got := n.Notify(t.Context(), report(), e, 1)
			if (got.Status == 200) != (host == want) || got.Status == 200 && n.Permits(e) != nil {
				t.Errorf("%s: call of %s: %+v", policy, e, got)
			}
		}
	}
	check.Equal(t, s.connections(t), 3, "connections")
	for policy, want := range map[string]string{
		"@10.0.0.0/8": "has no host pattern before the @", "10.0.0.1@10.0.0.0/8": "has no host pattern before the @",
		"hooks.internal@10.0.0.1": "is an address, not a CIDR, want 10.0.0.1/32", "hooks.internal@": "is not public, none, a CIDR or a host pattern",
	} {
		check.Says(t, check.Err(httpcallback.ParsePolicy(policy)), want)
	}
}

// S15: what a range opens is named, and a hint opens nothing more than was meant.
func TestS15WhatARangeOpensIsNamed(t *testing.T) {
	for policy, want := range map[string][]httpcallback.Warning{
		"public":                      nil,
		"8.8.8.0/24":                  nil,
		"hooks.internal@10.0.0.0/8":   nil,
		"10.0.0.0/8":                  {{"10.0.0.0/8", "private networks", "all"}},
		"127.0.0.0/8,public,fc00::/7": {{"127.0.0.0/8", "this machine", "all"}, {"fc00::/7", "private networks", "all"}},
		"hooks.internal,10.0.0.0/8":   {{"10.0.0.0/8", "private networks", "all, since patterns do not narrow a CIDR; hooks.internal@CIDR does"}},
		"0.0.0.0/0":                   {{"0.0.0.0/0", "this machine, private networks, the provider's network, multicast", "all"}},
	} {
		p := check.Value(httpcallback.ParsePolicy(policy))(t)
		if got := p.Warnings(); !slices.Equal(got, want) {
			t.Errorf("%s: %v, want %v", policy, got, want)
		}
	}
	for _, policy := range []string{"10.0.0.0/0", "10.0.0.0/1", "fd00::/0", "fd00::1/2"} {
		err := check.Err(httpcallback.ParsePolicy(policy))
		check.Says(t, err, "has bits outside its mask")
		if strings.Contains(err.Error(), "want 0.0.0.0") || strings.Contains(err.Error(), "want ::") || strings.Contains(err.Error(), "want c000") {
			t.Errorf("%s: the hint is %v", policy, err)
		}
	}
}
