package process_test

import (
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
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

// clientFrom returns a client whose connections come from an address of loopback.
func clientFrom(t *testing.T, addr string) *http.Client {
	dialer := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(addr)}}
	transport := &http.Transport{DialContext: dialer.DialContext}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport}
}

// S14: one address guesses the admin token. It is slowed down, and the log and a metric say
// so; the token goes on from another address.
func TestS14WhoGuessesTheTokenWaits(t *testing.T) {
	t.Parallel()
	const token = "the token of this test"
	in := service.NewDeployment(t, "FOOTFALL_ADMIN_TOKEN="+token).Start()
	guesser := clientFrom(t, "127.0.0.2")
	ask := func(c *http.Client, token string) service.Reply {
		return check.Value(service.Request(c, http.MethodGet, in.Admin+"/metrics", "", "Authorization", "Bearer "+token))(t)
	}
	statuses := make(map[int]int)
	for range 300 {
		got := ask(guesser, "a guess")
		statuses[got.Status]++
		if got.Status == http.StatusTooManyRequests {
			check.Equal(t, got.Header.Get("Retry-After") != "", true, "it says how long to wait")
		}
	}
	if statuses[http.StatusTooManyRequests] < 250 {
		t.Errorf("of 300 guesses these were answered: %v", statuses)
	}
	metrics := ask(http.DefaultClient, token)
	metrics.Want(t, http.StatusOK, "\nfootfall_admin_unauthorized_total 300\n", `footfall_refused_total{bound="client",resource="admin_token"}`)
	if !strings.Contains(in.Logged(), "admin listener refuses requests without its token") {
		t.Errorf("the log has no line about it:\n%s", in.Logged())
	}
}

// S14: a token that is easily guessed stops the start.
func TestS14AShortTokenDoesNotStart(t *testing.T) {
	t.Parallel()
	d := service.NewDeployment(t, "FOOTFALL_ADMIN_TOKEN=a")
	in := d.Launch()
	select {
	case <-in.Done:
	case <-in.Ready:
		t.Fatal("it has started")
	}
	check.Equal(t, in.Cmd.ProcessState.ExitCode(), 2, "the exit code")
	if !strings.Contains(in.Logged(), "want at least 16") {
		t.Errorf("it says:\n%s", in.Logged())
	}
}

// S11: a request of 13 KB for 50 long names gets a page that is some times as long.
func TestS11ThePageOfManyNamesIsBounded(t *testing.T) {
	t.Parallel()
	in := service.NewDeployment(t).Start()
	query := url.Values{}
	for i := range 50 {
		query.Add("page_id", strconv.Itoa(100+i)+strings.Repeat("x", 253))
	}
	got := in.Get("/?" + query.Encode())
	got.Want(t, http.StatusOK)
	if len(got.Body) > 150_000 {
		t.Errorf("a request of %d bytes got %d", len(query.Encode()), len(got.Body))
	}
}

// S16: a setting says who may list names of pages, and see how callbacks went.
func TestS16PagesSaysWhoMaySeeNamesAndCallbacks(t *testing.T) {
	t.Parallel()
	for pages, want := range map[string]struct {
		public bool
		admin  int
	}{"public": {true, http.StatusOK}, "admin": {false, http.StatusOK}, "off": {false, http.StatusForbidden}} {
		in := service.NewDeployment(t, "FOOTFALL_PAGES="+pages, "FOOTFALL_WINDOW=24h").Start()
		in.Get("/api/verve/accept?id=1").Want(t, http.StatusOK)
		check.Equal(t, strings.Contains(in.Get("/").Body, `data-page="home"`), want.public, "with %s, a page is shown that was not named", pages)
		check.Equal(t, strings.Contains(in.Get("/?page_id=home").Body, `data-page="home"`), true, "with %s, a page is shown that was named", pages)
		check.Equal(t, strings.Contains(in.Get("/api/verve/windows").Body, `"callbacks"`), want.public, "with %s, callbacks are shown", pages)
		check.Equal(t, in.Administer(http.MethodGet, "/pages", "").Status, want.admin, "with %s, the answer to a list of pages", pages)
		if out, err := in.Tool("export", "-"); (err == nil) != (want.admin == http.StatusOK) || err != nil && !strings.Contains(out, "FOOTFALL_PAGES=off") {
			t.Errorf("with %s, an export ends with %v and %s", pages, err, out)
		}
		id := openWindow(t, in).ID
		in.Administer(http.MethodGet, "/windows/"+id, "").Want(t, http.StatusOK, `"callbacks"`, `"endpoints"`)
		in.Kill()
	}
}
