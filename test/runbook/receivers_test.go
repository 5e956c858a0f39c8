package runbook_test

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"footfall/test/check"
	"footfall/test/integration/service"
)

// secret is one for signatures, of 32 bytes.
func secret(fill byte) string {
	return "whsec_" + base64.StdEncoding.EncodeToString(bytes.Repeat([]byte{fill}, 32))
}

// callback sends a callback that was signed by a secret some time ago, and returns the status of the answer. change may change it
// after that.
func callback(t *testing.T, to, secret string, n int, age time.Duration, change func(*http.Request, *string)) int {
	t.Helper()
	id, text := body(n)
	at := time.Now().Add(-age)
	signature := check.Value(check.Value(standardwebhooks.NewWebhook(secret))(t).Sign(id, at, []byte(text)))(t)
	req := check.Value(http.NewRequestWithContext(t.Context(), http.MethodPost, to, nil))(t)
	req.Header.Set("webhook-id", id)
	req.Header.Set("webhook-timestamp", fmt.Sprint(at.Unix()))
	req.Header.Set("webhook-signature", "v1,AAAA v2,AAAA "+signature)
	change(req, &text)
	got := service.MustSend(t, req.Method, req.URL.String(), text, "webhook-id", req.Header.Get("webhook-id"),
		"webhook-timestamp", req.Header.Get("webhook-timestamp"), "webhook-signature", req.Header.Get("webhook-signature"))
	return got.Status
}

func TestTheReceiversOfExamplesTakeOnlyWhatIsSignedAndNew(t *testing.T) {
	t.Parallel()
	eachLanguage(t, "webhook-receiver", func(t *testing.T, command ...string) {
		p := &program{t: t, file: filepath.Join(t.TempDir(), "counts.ndjson"), env: "WEBHOOK_SECRETS=" + secret(1) + ", " + secret(2)}
		p.args = slices.Concat(command, []string{"127.0.0.1:0", p.file})
		if len(command) > 1 {
			p.args = slices.Concat(command, []string{"127.0.0.1", "0", p.file})
		}
		to := p.listens()
		d := service.NewDeployment(t, append(service.LocalCallbacks("1s", "0s"), "FOOTFALL_CALLBACK_SECRET="+secret(2)+","+secret(3))...)
		in := d.Start()
		service.Accept(t, in, 1, to+"?a=1")
		service.WaitFor(t, "the service has called the endpoint", func() bool { return len(d.AttemptsAt(to)) > 0 })
		check.Equal(t, d.AttemptsAt(to)[0].Status, 204, "what the receiver answers; its log is %s", p.log)
		in.Stop()
		check.Equal(t, p.counts()[d.AttemptsAt(to)[0].ID], 1, "the count of the service")

		as := func(*http.Request, *string) {}
		set := func(name, value string) func(*http.Request, *string) {
			return func(r *http.Request, _ *string) { r.Header.Set(name, value) }
		}
		_, other := body(7)
		before := len(p.counts())
		for what, c := range map[string]struct {
			want   int
			secret string
			age    time.Duration
			change func(*http.Request, *string)
		}{
			"signed by another secret": {401, secret(3), 0, as},
			"with another body":        {401, secret(1), 0, func(_ *http.Request, text *string) { *text = other }},
			"with another id":          {401, secret(1), 0, set("webhook-id", "test_1")},
			"with another time":        {401, secret(1), 0, set("webhook-timestamp", fmt.Sprint(time.Now().Unix()+60))},
			"without a signature":      {401, secret(1), 0, set("webhook-signature", "")},
			"without a time":           {401, secret(1), 0, set("webhook-timestamp", "")},
			"with a time that is none": {401, secret(1), 0, set("webhook-timestamp", "now")},
			"that is old":              {401, secret(1), 6 * time.Minute, as},
			"that is from the future":  {401, secret(1), -6 * time.Minute, as},
			"that is too large":        {413, secret(1), 0, func(_ *http.Request, text *string) { *text += strings.Repeat(" ", 5000) }},
			"at another path":          {404, secret(1), 0, func(r *http.Request, _ *string) { r.URL.Path = "/other" }},
		} {
			check.Equal(t, callback(t, to, c.secret, 5, c.age, c.change), c.want, "the status of a callback %s", what)
		}
		check.Equal(t, len(p.counts()), before, "counts after callbacks that were refused")

		for n, by := range []string{secret(1), secret(2)} { // before and after a rotation
			for range 2 {
				check.Equal(t, callback(t, to, by, n, time.Minute, as), 204, "the status of callback %d", n)
			}
		}
		p.says("repeated callback dropped", 2)
		check.Equal(t, len(p.counts()), before+2, "counts")
		p.kill()
		to = p.listens()
		check.Equal(t, callback(t, to, secret(1), 0, 0, as), 204, "the status of a callback that is replayed after a crash")
		p.says("repeated callback dropped", 1)
		check.Equal(t, len(p.counts()), before+2, "counts after a crash")
		p.stop()

		fillCounts(t, p.file)
		to = p.listens()
		check.Equal(t, callback(t, to, secret(1), 10_000, 0, as), 204, "the status of a callback of a file")
		p.says("repeated callback dropped", 1)
		check.Equal(t, callback(t, to, secret(1), 10_001, 0, as), 204, "the status of a callback of which a part was written")
		p.says("counted", 1)
		p.stop()
		check.Equal(t, len(p.counts()), 10_002, "counts")

		for _, weak := range []string{"", "whsec_", "whsec_c2hvcnQ=", secret(1) + ","} {
			p.env = "WEBHOOK_SECRETS=" + weak
			p.start()
			service.Await(t, "the receiver refuses to start", p.done)
			check.Equal(t, p.cmd.ProcessState.ExitCode(), 1, "the exit code with the secrets %q", weak)
		}
	})
}
