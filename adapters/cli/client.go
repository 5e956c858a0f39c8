package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"
	"sync/atomic"
	"time"

	"github.com/cenkalti/backoff/v5"
	"github.com/go-resty/resty/v2"
	"github.com/spf13/cobra"
	"golang.org/x/term"
)

const (
	// callTimeout bounds one request to the admin listener.
	callTimeout = 15 * time.Second
	// healthTimeout bounds the request of a health check.
	healthTimeout = 3 * time.Second
	// retryFor is how long a request is repeated that the service refuses for
	// now.
	retryFor = time.Minute
)

// errNoService: no connection to the listener could be opened.
var errNoService = errors.New("no service listens")

// ringBusy is a refusal for a change of the ring.
type ringBusy string

func (b ringBusy) Error() string { return string(b) }

// client sends requests to a listener of this machine's service.
type client struct {
	setting  string
	http     *resty.Client
	reached  *atomic.Bool // a service has answered, or a connection to it was open
	out, err io.Writer
}

// adminCommand returns a command that uses the admin listener.
func (o *Options) adminCommand(use, help string, run func(context.Context, client, []string) error) *cobra.Command {
	return newCommand(use, help, func(cmd *cobra.Command, args []string) error {
		c, err := o.newClient("admin-listen")
		if err != nil {
			return err
		}
		c.http.SetHeader("User-Agent", cmd.CommandPath()) // the service logs which command has changed something
		c.http.SetAuthToken(o.Settings.Lookup("admin-token").Value.String())
		return run(cmd.Context(), c, args)
	})
}

// newClient returns a client of the listener whose address is a setting.
func (o *Options) newClient(setting string) (client, error) {
	addr := o.Settings.Lookup(setting).Value.String()
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return client{}, fmt.Errorf("%s=%q: want host:port or :port", Variable(setting), addr)
	}
	if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() {
		host = "localhost"
	}
	service := resty.New().SetBaseURL("http://"+net.JoinHostPort(host, port)).SetHeader("Content-Type", "application/json").SetTimeout(callTimeout)
	return client{setting: setting, http: service, reached: new(atomic.Bool), out: o.Stdout, err: o.Stderr}, nil
}

// Variable is the environment variable of a setting.
func Variable(setting string) string {
	return "FOOTFALL_" + strings.ToUpper(strings.ReplaceAll(setting, "-", "_"))
}

// checkHealth returns an error unless the admin listener says that the service is ready.
// Callers can use up the connections of the public one.
func (o *Options) checkHealth(ctx context.Context) error {
	c, err := o.newClient("admin-listen")
	if err != nil {
		return err
	}
	c.http.SetTimeout(healthTimeout)
	if _, err = c.call(ctx, http.MethodGet, "/readyz", nil); err != nil {
		return fmt.Errorf("not ready: %w", err)
	}
	return nil
}

// call sends a request and returns the body of a 200. Any other answer is an
// error, which is permanent (package backoff) if a repetition changes nothing.
// errNoService is wrapped when no connection could be opened.
func (c client) call(ctx context.Context, method, path string, body any) ([]byte, error) {
	resp, err := c.http.R().SetContext(ctx).SetBody(body).Execute(method, path)
	if err != nil {
		return nil, c.unanswered(err)
	}
	c.reached.Store(true)
	if resp.StatusCode() == http.StatusOK {
		return resp.Body(), nil
	}
	return nil, refusal(resp.Status(), resp.StatusCode(), resp.Body(), c.at())
}

// at names the listener and its setting.
func (c client) at() string {
	return fmt.Sprintf("at %s (%s)", strings.TrimPrefix(c.http.BaseURL, "http://"), Variable(c.setting))
}

// unanswered is the error of a request without an answer. It wraps errNoService when no
// connection could be opened.
func (c client) unanswered(err error) error {
	if op, isOp := errors.AsType[*net.OpError](err); isOp && op.Op == "dial" {
		return fmt.Errorf("%w %s: %w; start it, or correct the setting", errNoService, c.at(), op.Err)
	}
	c.reached.Store(true)
	return fmt.Errorf("no answer %s: %w", c.at(), withoutURL(err))
}

// withoutURL is an error of net/http without method and URL, which the command implies.
func withoutURL(err error) error {
	if outer, ok := errors.AsType[*url.Error](err); ok {
		return outer.Err
	}
	return err
}

// refusal is the error for an answer that is no 200, with what an operator can do about a
// listener that is not the one that is meant.
func refusal(text string, status int, body []byte, at string) error {
	var problem struct{ Detail, Code string }
	known := json.Unmarshal(body, &problem) == nil && problem.Detail != ""
	if known {
		text += ": " + problem.Detail
	}
	switch {
	case status == http.StatusUnauthorized:
		text = "401 Unauthorized: the service " + at + " wants the token of its admin listener: set FOOTFALL_ADMIN_TOKEN, or FOOTFALL_ADMIN_TOKEN_FILE, as the service has it"
	case problem.Code == "no_history":
		text += " footfall history status shows what each node keeps; without --history, the counts are exported"
	case status == http.StatusNotFound && (!known || problem.Code == "no_such_route"):
		text = "404 Not Found: what listens " + at + " is another listener: correct the setting"
	}
	if problem.Code == "ring_busy" {
		return backoff.Permanent(ringBusy(text))
	}
	if status < 500 || problem.Code == "corrupt" {
		return backoff.Permanent(errors.New(text))
	}
	return errors.New(text)
}

// retry repeats an idempotent request for retryFor while the service can't be
// reached or refuses it for now. A command does not wait for a service that was
// never there.
func (c client) retry(ctx context.Context, method, path string, body any) ([]byte, error) {
	attempt := func() ([]byte, error) {
		answer, err := c.call(ctx, method, path, body)
		if !c.reached.Load() && errors.Is(err, errNoService) {
			err = backoff.Permanent(err)
		}
		return answer, err
	}
	noted := ""
	note := func(err error, _ time.Duration) {
		if err.Error() != noted {
			noted = err.Error()
			c.note(fmt.Sprintf("%s; trying again for up to %v", noted, retryFor))
		}
	}
	return backoff.Retry(ctx, attempt, backoff.WithBackOff(pauses()), backoff.WithMaxElapsedTime(retryFor), backoff.WithNotify(note))
}

// pauses are those between two attempts of anything, about half of them random.
func pauses() backoff.BackOff {
	return &backoff.ExponentialBackOff{InitialInterval: 100 * time.Millisecond, RandomizationFactor: 0.5, Multiplier: 2, MaxInterval: 5 * time.Second}
}

// print writes the answer of a call to stdout.
func (c client) print(answer []byte, err error) error {
	if err != nil {
		return err
	}
	_, err = fmt.Fprintln(c.out, string(answer))
	return err
}

// note writes a line to stderr. On a terminal it replaces the progress bar.
func (c client) note(line string) {
	c.bar("")
	_, _ = fmt.Fprintln(c.err, "footfall:", line)
}

// bar replaces the last line of a terminal; it writes nothing elsewhere.
func (c client) bar(line string) {
	if IsTerminal(c.err) {
		_, _ = fmt.Fprint(c.err, "\r\x1b[K", line)
	}
}

const barWidth = 40

// hashes draws the part of a bar that is done.
func hashes(done, total int64) string {
	n := int64(barWidth)
	if total > 0 {
		n = min(barWidth, barWidth*done/total)
	}
	return strings.Repeat("#", int(n)) + strings.Repeat(".", int(barWidth-n))
}

// IsTerminal reports whether w is a terminal.
func IsTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}
