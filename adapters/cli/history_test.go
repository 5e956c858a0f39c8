package cli_test

import (
	"io"
	"net/http"
	"testing"

	"footfall/test/check"
)

func TestHistoryIsShownAndSet(t *testing.T) {
	t.Parallel()
	const state = `{"configured":"1h:32d,1d:400d","nodes":[]}`
	sent := ""
	flag := adminAt(t, func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		sent = r.Method + " " + r.URL.Path + " " + string(body)
		_, _ = w.Write([]byte(state))
	})
	for _, c := range []struct {
		words []string
		want  string
	}{
		{[]string{"history", "status", flag}, "GET /history "},
		{[]string{"history", "set", "15m:32d", flag}, `PUT /history {"history":"15m:32d"}`},
		{[]string{"history", "set", "off", flag}, `PUT /history {"history":"off"}`},
	} {
		code, stdout, stderr := run(t, c.words...)
		check.Equal(t, code, 0, "exit code of %v: %s", c.words, stderr)
		check.Equal(t, stdout, state+"\n", "output of %v", c.words)
		check.Equal(t, sent, c.want, "the request of %v", c.words)
	}
	sent = ""
	code, _, _ := run(t, "history", "set", "1h:1d", flag)
	check.Equal(t, code, 2, "exit code of a bad setting")
	check.Equal(t, sent, "", "the request of a bad setting")
}
