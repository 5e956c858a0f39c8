package httpcallback

import (
	"errors"
	"net"
	"net/netip"
	"strings"
	"testing"

	"footfall/domain/publishing"
)

// S15: metadata services are not called, whatever the policy permits, by number or by name.
// The check before a connection is asked alone, so that a broken one connects to nothing.
func TestS15MetadataAddressesAreNeverCalled(t *testing.T) {
	p, err := ParsePolicy("public,0.0.0.0/0,::/0,169.254.169.254/32,*.internal@169.254.0.0/16")
	if err != nil {
		t.Fatal(err)
	}
	n := New(p, Options{})
	control := func(host, a string) error {
		network := map[bool]string{false: "tcp6", true: "tcp4"}[netip.MustParseAddr(a).Is4()]
		r := route{Notifier: n, limits: n.addresses, host: host}
		defer r.end()
		return r.control(network, net.JoinHostPort(a, "80"), nil)
	}
	for _, a := range strings.Fields(`169.254.169.254 169.254.170.2 169.254.169.253 100.100.100.200 168.63.129.16 192.0.0.192
		fd00:ec2::254 fd00:ec2::23 fd20:ce::254 fd00:42::42 fe80::a9fe:a9fe ::ffff:169.254.169.254 64:ff9b::169.254.169.254
		64:ff9b:1::169.254.169.254 ::169.254.169.254 ::ffff:0:169.254.169.254 2002:a9fe:a9fe::1 2606:4700::5efe:169.254.169.254`) {
		if err := n.checkHost(a); !errors.Is(err, publishing.ErrForbidden) {
			t.Errorf("%s as a number: %v", a, err)
		}
		if err := control("metadata.internal", a); !errors.Is(err, publishing.ErrForbidden) {
			t.Errorf("%s by a name: %v", a, err)
		}
	}
	for _, a := range []string{"127.0.0.1", "10.0.0.1", "fd00::1"} {
		if err := errors.Join(n.checkHost(a), control("metadata.internal", a)); err != nil {
			t.Errorf("%s: %v", a, err)
		}
	}
}
