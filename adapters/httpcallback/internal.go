package httpcallback

import (
	"net/netip"
	"slices"
	"strings"
)

// metadataRanges are where clouds serve metadata, and with it credentials, to every
// program of a machine. They are not called, whatever the policy permits: no
// receiver of callbacks is there.
func metadataRanges() []netip.Prefix {
	return []netip.Prefix{
		netip.MustParsePrefix("169.254.0.0/16"),     // AWS, Google, Azure, Oracle, OpenStack and most others
		netip.MustParsePrefix("fe80::/10"),          // link-local, as the one above
		netip.MustParsePrefix("fd00:ec2::/32"),      // AWS
		netip.MustParsePrefix("fd20:ce::254/128"),   // Google
		netip.MustParsePrefix("fd00:42::42/128"),    // Scaleway
		netip.MustParsePrefix("100.100.100.200/32"), // Alibaba
		netip.MustParsePrefix("168.63.129.16/32"),   // Azure, for which it is a public address
		netip.MustParsePrefix("192.0.0.192/32"),     // Oracle, formerly
	}
}

// isMetadata reports whether an address is that of a metadata service, or is an IPv6
// address that leads to one by way of IPv4.
func isMetadata(a netip.Addr) bool {
	v4 := embedded(a)
	return slices.ContainsFunc(metadataRanges(), func(r netip.Prefix) bool { return r.Contains(a) || r.Contains(v4) })
}

// embedded is the IPv4 address that a network may make of an IPv6 address: of one that is
// translated (RFC 6052, RFC 8215), tunnelled (RFC 3056, RFC 5214), or of the form ::a.b.c.d.
// The zero value is none.
func embedded(a netip.Addr) netip.Addr {
	if !a.Is6() {
		return netip.Addr{}
	}
	b := a.As16()
	for _, prefix := range []string{"64:ff9b::/96", "64:ff9b:1::/48", "::/96", "::ffff:0:0:0/96"} {
		if netip.MustParsePrefix(prefix).Contains(a) {
			return netip.AddrFrom4([4]byte(b[12:16]))
		}
	}
	switch {
	case isISATAP(a):
		return netip.AddrFrom4([4]byte(b[12:16]))
	case netip.MustParsePrefix("2002::/16").Contains(a):
		return netip.AddrFrom4([4]byte(b[2:6]))
	}
	return netip.Addr{}
}

// Warning says what a range of the policy opens to every host name that a client gives.
type Warning struct{ Range, Opens, Hosts string }

// Warnings are about ranges with internal addresses that are open to every host.
func (p Policy) Warnings() []Warning {
	var all []Warning
	hosts := "all"
	if len(p.patterns) > 0 {
		hosts = "all, since patterns do not narrow a CIDR; " + p.patterns[0] + "@CIDR does"
	}
	for _, r := range p.ranges {
		if opens := opened(r); opens != "" {
			all = append(all, Warning{r.String(), opens, hosts})
		}
	}
	return all
}

// opened names the internal networks that a range has a part of.
func opened(r netip.Prefix) string {
	var names []string
	for _, known := range []struct{ name, networks string }{
		{"this machine", "127.0.0.0/8 0.0.0.0/8 ::1/128"},
		{"private networks", "10.0.0.0/8 172.16.0.0/12 192.168.0.0/16 fc00::/7"},
		{"the provider's network", "100.64.0.0/10"},
		{"IPv4 by way of IPv6", "64:ff9b::/96 64:ff9b:1::/48 2002::/16"},
		{"multicast", "224.0.0.0/4 ff00::/8"},
	} {
		if slices.ContainsFunc(strings.Fields(known.networks), func(n string) bool { return r.Overlaps(netip.MustParsePrefix(n)) }) {
			names = append(names, known.name)
		}
	}
	return strings.Join(names, ", ")
}
