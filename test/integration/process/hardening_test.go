package process_test

import (
	"io"
	"net/http"
	"testing"

	"footfall/test/check"
	"footfall/test/integration/service"
)

// S17: answers are not sniffed, a browser that shows another site can't use the admin
// listener, and a request with two lengths ends its connection.
func TestS17TheListenersAnswerAsTrustedServersDo(t *testing.T) {
	t.Parallel()
	in := service.NewDeployment(t).Start()
	for _, address := range []string{in.Public + "/visits/home", in.Public + "/nothing", in.Public + "/docs", in.Admin + "/ring", in.Admin + "/metrics"} {
		got := service.MustSend(t, http.MethodGet, address, "")
		check.Equal(t, got.Header.Get("X-Content-Type-Options"), "nosniff", "the header of %s", address)
	}
	for site, status := range map[string]int{"cross-site": http.StatusForbidden, "same-site": http.StatusForbidden, "same-origin": http.StatusOK, "none": http.StatusOK} {
		got := service.MustSend(t, http.MethodGet, in.Admin+"/metrics", "", "Sec-Fetch-Site", site)
		check.Equal(t, got.Status, status, "the admin listener for a request that is %s", site)
	}
	for _, listener := range []string{in.Public, in.Admin} {
		conn := dial(t, listener, "POST /visit/home HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n")
		answer(t, conn).Want(t, http.StatusBadRequest, "two_lengths")
		_, err := conn.Read(make([]byte, 1))
		check.Is(t, err, io.EOF, "the connection after the answer")
	}
	in.Get("/visits/home").Want(t, http.StatusOK, `"visits":0`)
}
