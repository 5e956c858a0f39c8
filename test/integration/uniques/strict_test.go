package uniques_test

import (
	"io"
	"net"
	"regexp"
	"testing"

	"footfall/test/check"
	"footfall/test/integration/service"
)

// F13: a receiver that takes no request line with a byte that RFC 3986 permits nowhere
// receives every count, once for all spellings of one endpoint.
func TestF13AStrictReceiverTakesEveryEndpoint(t *testing.T) {
	t.Parallel()
	const host = "127.0.0.1"
	valid := regexp.MustCompile(`^/([-._~!$&'()*+,;=:@/A-Za-z0-9]|%[0-9A-Fa-f]{2})*\?([-._~!$&'()*+,;=:@/?A-Za-z0-9]|%[0-9A-Fa-f]{2})*$`)
	receiver := service.NewCrowd(t, func(string) func(*service.Crowd, net.Conn) {
		return func(c *service.Crowd, conn net.Conn) {
			c.Hear(conn)
			heard := c.Heard(host)
			status := "400 Bad Request"
			if valid.MatchString(heard[len(heard)-1].RequestURI) {
				status = "200 OK"
			}
			_, _ = io.WriteString(conn, "HTTP/1.1 "+status+"\r\nContent-Length: 0\r\n\r\n")
		}
	})
	d := service.NewDeployment(t, service.LocalCallbacks("5s", "100ms")...)
	in := d.Start()
	base := receiver.URL(host)
	want := make(map[string]bool) // whether it was received
	for _, c := range []struct{ endpoint, received string }{
		{"?f={id}", "/?f=%7Bid%7D"},
		{"?f=%7Bid%7D", "/?f=%7Bid%7D"},
		{`p{a}/b%2Fc?q="<>[]|^` + "`", "/p%7Ba%7D/b%2Fc?q=%22%3C%3E%5B%5D%7C%5E%60"},
		{"?q=é&off=50%&on=%41", "/?q=%C3%A9&off=50%25&on=%41"},
		{"valid-._~!$&'()*+,;=:@?a=1&a=2/?", "/valid-._~!$&'()*+,;=:@?a=1&a=2/?"},
	} {
		in.Get(service.AcceptPath("1", base+c.endpoint)).Want(t, 200, "ok")
		want[c.received+"&count=1"] = false
	}
	type delivery struct{ window, line string }
	deliveries := make(map[delivery]int)
	service.WaitFor(t, "every endpoint received a count", func() bool {
		clear(deliveries)
		for _, r := range receiver.Heard(host) {
			if _, known := want[r.RequestURI]; !known {
				t.Fatalf("received %s", r.RequestURI)
			}
			want[r.RequestURI] = true
			deliveries[delivery{r.Header.Get("Webhook-Id"), r.RequestURI}]++
		}
		for _, received := range want {
			if !received {
				return false
			}
		}
		return true
	})
	for to, n := range deliveries {
		check.Equal(t, n, 1, "deliveries to %v", to)
	}
	for _, l := range d.Lines() {
		if l.Event == "callback" {
			check.Equal(t, l.Status, 200, "the status of %s", l.Endpoint)
		}
	}
}
