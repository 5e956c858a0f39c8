package limits

import (
	"errors"
	"net/netip"
	"slices"
	"strings"
)

// ParseProxies reads addresses and CIDRs, comma separated.
func ParseProxies(text string) ([]netip.Prefix, error) {
	if text == "" {
		return nil, nil
	}
	var proxies []netip.Prefix
	for part := range strings.SplitSeq(text, ",") {
		part = strings.TrimSpace(part)
		p, err := netip.ParsePrefix(part)
		if addr, notAddr := netip.ParseAddr(part); notAddr == nil {
			p, err = addr.Prefix(addr.BitLen())
		}
		if err != nil {
			return nil, errors.New("want CIDRs or addresses, comma separated")
		}
		proxies = append(proxies, p.Masked())
	}
	return proxies, nil
}

// Identify tells clients apart. The zero value trusts no proxy.
type Identify struct{ Proxies []netip.Prefix }

// Of is the client of a request that came from an address, with or without a port, and
// with values of X-Forwarded-For. It is this address, or the one for which trusted
// proxies have forwarded it. Of IPv6 it is the network of 64 bits, which is the
// least that one customer has. All addresses that can't be read are one client.
func (i Identify) Of(addr string, forwarded []string) netip.Prefix {
	client := hostOf(addr)
	trusted := func(p netip.Prefix) bool { return p.Contains(client) }
	if len(forwarded) == 0 || !slices.ContainsFunc(i.Proxies, trusted) {
		return network(client)
	}
	hops := strings.Split(strings.Join(forwarded, ","), ",")
	// Each proxy adds the address that it sees at the end. Addresses before
	// the last one that is no trusted proxy may be invented.
	for at := len(hops) - 1; at >= 0 && slices.ContainsFunc(i.Proxies, trusted); at-- {
		before := hostOf(strings.TrimSpace(hops[at]))
		if !before.IsValid() {
			break
		}
		client = before
	}
	return network(client)
}

// Trusts reports whether an address, with or without a port, is one of the proxies.
func (i Identify) Trusts(addr string) bool {
	from := hostOf(addr)
	return slices.ContainsFunc(i.Proxies, func(p netip.Prefix) bool { return p.Contains(from) })
}

// network is an address, or the network of 64 bits that it is in; the zero value for none.
func network(addr netip.Addr) netip.Prefix {
	prefix, _ := addr.Prefix(min(addr.BitLen(), 64))
	return prefix
}

// hostOf is the address in host, host:port or [host]:port; not valid for none.
func hostOf(text string) netip.Addr {
	if ap, err := netip.ParseAddrPort(text); err == nil {
		return ap.Addr().Unmap().WithZone("")
	}
	addr, _ := netip.ParseAddr(strings.Trim(text, "[]"))
	return addr.Unmap().WithZone("")
}
