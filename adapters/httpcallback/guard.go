package httpcallback

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"strings"

	"footfall/domain/publishing"
)

// checkHost checks the host of an endpoint without looking it up.
func (n *Notifier) checkHost(host string) error {
	if a, err := netip.ParseAddr(host); err == nil {
		return n.checkAddress(a, host)
	}
	switch {
	case numericEnd(host):
		// 127.1, 0x7f000001: resolvers differ in what they make of these.
		return forbidden("its host is an address in an unusual spelling")
	case host == "localhost" || strings.HasSuffix(host, ".localhost"):
		if n.policy.contains(netip.AddrFrom4([4]byte{127, 0, 0, 1}), host) || n.policy.contains(netip.IPv6Loopback(), host) {
			return nil
		}
		return forbidden("its host is this machine")
	case !n.policy.mayResolve(host):
		return forbidden("its host is not on the list of those that may be called")
	}
	return nil
}

// checkAddress checks an address to which host resolved. An IPv4-mapped IPv6 address
// is treated as the IPv4 address.
func (n *Notifier) checkAddress(a netip.Addr, host string) error {
	a = a.Unmap()
	if isMetadata(a) {
		return forbidden("the address " + a.String() + " is that of a metadata service")
	}
	if n.policy.contains(a, host) {
		return nil
	}
	if !n.policy.matches(host) || !n.isPublic(a) {
		return forbidden("the address " + a.String() + " may not be called")
	}
	return nil
}

// isPublic reports whether an address is one of the public internet.
func (n *Notifier) isPublic(a netip.Addr) bool { return n.public.SafeAddr(a) == nil && !isISATAP(a) }

// numericEnd reports whether the last label of a host is a number, and so no
// top-level domain: all digits, or 0x and hexadecimal digits.
func numericEnd(name string) bool {
	last := name[strings.LastIndex(name, ".")+1:]
	if hex, ok := strings.CutPrefix(last, "0x"); ok {
		return strings.Trim(hex, "0123456789abcdef") == ""
	}
	return strings.Trim(last, "0123456789") == ""
}

// isISATAP reports whether an IPv6 address of any prefix embeds an IPv4 address
// as RFC 5214 says. An ISATAP tunnel would unwrap it.
func isISATAP(a netip.Addr) bool {
	if !a.Is6() {
		return false
	}
	b := a.As16()
	const mark, universalBit = 0x00005efe, 0x02000000
	return binary.BigEndian.Uint32(b[8:12])&^universalBit == mark
}

func forbidden(why string) error { return fmt.Errorf("%w: %s", publishing.ErrForbidden, why) }
