package uniques_test

import (
	"fmt"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	"footfall/test/check"
	"footfall/test/integration/service"
)

// P8, U10: nothing that a caller names leads the
// service to this machine, or to any other that it shouldn't call.
func TestNoForbiddenEndpointIsTaken(t *testing.T) {
	t.Parallel()
	var touched atomic.Int64
	c := service.NewCrowd(t, func(string) func(*service.Crowd, net.Conn) { return func(*service.Crowd, net.Conn) { touched.Add(1) } })
	d := service.NewDeployment(t, "FOOTFALL_WINDOW=1s", "FOOTFALL_GRACE=100ms") // the default policy
	in := d.Start()
	var all []string
	for a := range strings.FieldsSeq(`
		127.0.0.1 127.0.0.2 127.255.255.254 0.0.0.0 0.1.2.3 10.0.0.1 172.16.0.1 172.31.255.255 192.168.1.1 100.64.0.1
		100.100.100.200 169.254.169.254 169.254.0.23 168.63.129.16 192.0.0.192 192.0.2.1 198.51.100.1 203.0.113.1
		198.18.0.1 192.88.99.1 224.0.0.1 239.255.255.250 240.0.0.1 255.255.255.255
		[::] [::1] [::127.0.0.1] [::ffff:127.0.0.1] [::ffff:10.0.0.1] [::ffff:169.254.169.254] [::ffff:0:127.0.0.1]
		[64:ff9b::127.0.0.1] [64:ff9b::169.254.169.254] [64:ff9b:1::10.0.0.1] [100::1] [2001:db8::1] [2002:7f00:1::1]
		[2002:a9fe:a9fe::1] [fc00::1] [fd00:ec2::254] [fd20:ce::254] [fe80::1] [fec0::1] [ff02::1]
		[2606:4700::5efe:127.0.0.1]
		localhost LOCALHOST a.localhost localhost. 127.1 127.0.1 2130706433 0x7f000001 0X7F000001 0x7f.1 0177.0.0.1
		017700000001 127.0.0.0x1 127.0.0.01 127.0.0.1. 0 0x [0:0:0:0:0:0:0:1] [::FFFF:7f00:1] [::1%25lo] [127.0.0.1]
		example.com@127.0.0.1 ①②⑦.⓪.⓪.① 127。0。0。1 %31%32%37.0.0.1 127.0.0.1%00.example.com`) {
		all = append(all, "http://"+a+":"+c.Port+"/")
	}
	all = append(all, "http://127.0.0.1:"+c.Port+"#@example.com/", "http:127.0.0.1:"+c.Port+"/", "http:///127.0.0.1:"+c.Port+"/",
		"//127.0.0.1:"+c.Port+"/", "gopher://127.0.0.1:"+c.Port+"/", "http://127.0.0.1:"+c.Port+`\@example.com/`)
	for i, e := range all {
		got := in.Get(service.AcceptPath(fmt.Sprint(i), e))
		if got.Status != http.StatusBadRequest || got.Body != "failed" {
			t.Errorf("%s: %d %q", e, got.Status, got.Body)
		}
	}
	service.WaitFor(t, "two windows", func() bool { return len(d.Reports()) >= 2 })
	check.Equal(t, touched.Load(), 0, "connections that were made")
	check.Equal(t, service.Total(d.Reports()), 0, "ids with a forbidden endpoint that were counted")
}
