package httpcallback

import (
	"net"
	"os"
	"syscall"
	"testing"
)

// F22, P7: a lack of files or ports is this machine's fault. An address of IPv6 to which
// this machine has no way is that of its endpoint.
func TestF22OnlyALackOfMeansIsALocalFault(t *testing.T) {
	for _, c := range []struct {
		to    string
		err   syscall.Errno
		local bool
	}{
		{"192.0.2.1", syscall.EADDRNOTAVAIL, true},
		{"2001:db8::1", syscall.EADDRNOTAVAIL, false},
		{"2001:db8::1", syscall.EMFILE, true},
		{"192.0.2.1", syscall.ECONNREFUSED, false},
	} {
		err := &net.OpError{Op: "dial", Addr: &net.TCPAddr{IP: net.ParseIP(c.to), Port: 80}, Err: os.NewSyscallError("connect", c.err)}
		if got := localFault(err); (got != nil) != c.local {
			t.Errorf("%v: a local fault: %v, want %t", err, got, c.local)
		}
	}
}
