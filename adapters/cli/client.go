package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"
)

const (
	// callTimeout bounds one request to the admin listener.
	callTimeout = 15 * time.Second
	// healthTimeout bounds the request of a health check.
	healthTimeout = 3 * time.Second
	// retryFor is how long a request is repeated that the service refuses for
	// now.
	retryFor = time.Minute
	// The pause between two attempts doubles from firstPause to longestPause.
	firstPause, longestPause = 100 * time.Millisecond, 5 * time.Second
)

// errNoService: no connection to the listener could be opened.
var errNoService = errors.New("no service is at the address")

// client sends requests to a listener of this machine's service.
type client struct {
	setting, base, token string
	out, err             io.Writer
}

// adminCommand returns a command that uses the admin listener.
func (o *Options) adminCommand(use, help string, run func(context.Context, client, []string) error) *cobra.Command {
	return newCommand(use, help, func(cmd *cobra.Command, args []string) error {
		c, err := o.newClient("admin-listen")
		if err != nil {
			return err
		}
		c.token = o.Settings.Lookup("admin-token").Value.String()
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
	return client{setting: setting, base: "http://" + net.JoinHostPort(host, port), out: o.Stdout, err: o.Stderr}, nil
}

// Variable is the environment variable of a setting.
func Variable(setting string) string {
	return "FOOTFALL_" + strings.ToUpper(strings.ReplaceAll(setting, "-", "_"))
}

// checkHealth returns an error unless the public listener says that the service
// is ready.
func (o *Options) checkHealth(ctx context.Context) error {
	c, err := o.newClient("listen")
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, healthTimeout)
	defer cancel()
	if _, err = c.call(ctx, http.MethodGet, "/readyz", nil); err != nil {
		return fmt.Errorf("not ready: %w", err)
	}
	return nil
}

// call sends a request and returns the body of a 200. Any other answer is an
// error, which is a permanentError if a repetition changes nothing. errNoService
// is wrapped when no connection could be opened.
func (c client) call(ctx context.Context, method, path string, body any) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	var content []byte
	if body != nil {
		var err error
		if content, err = json.Marshal(body); err != nil {
			return nil, err
		}
	}
	req, err := http.NewRequestWithContext(ctx, method, c.base+path, bytes.NewReader(content))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Content-Type", "application/json")
	if c.token != "" {
		req.Header.Set("Authorization", "Bearer "+c.token)
	}
	resp, err := http.DefaultClient.Do(req)
	var dial *net.OpError
	switch {
	case errors.As(err, &dial) && dial.Op == "dial":
		return nil, fmt.Errorf("%w in %s: %w", errNoService, Variable(c.setting), dial)
	case err != nil:
		return nil, err
	}
	answer, err := io.ReadAll(resp.Body)
	if err := errors.Join(err, resp.Body.Close()); err != nil {
		return nil, err
	}
	if resp.StatusCode != http.StatusOK {
		var problem struct{ Detail, Code string }
		text := resp.Status
		if json.Unmarshal(answer, &problem) == nil && problem.Detail != "" {
			text += ": " + problem.Detail
		}
		if resp.StatusCode < 500 || problem.Code == "corrupt" {
			return nil, permanentError{errors.New(text)}
		}
		return nil, errors.New(text)
	}
	return answer, nil
}

type permanentError struct{ error }

// retry repeats an idempotent request for retryFor while the service can't be
// reached or refuses it for now. The first request of a command, begun false,
// does not wait for a service that isn't there.
func (c client) retry(ctx context.Context, begun bool, method, path string, body any) (answer []byte, err error) {
	noted := false
	repeat(ctx, retryFor, func() (again bool) {
		answer, err = c.call(ctx, method, path, body)
		again = err != nil && ctx.Err() == nil && (begun || !errors.Is(err, errNoService)) && !errors.As(err, new(permanentError))
		if again && !noted {
			c.note(fmt.Sprintf("%v; trying again for up to %v", err, retryFor))
			noted = true
		}
		return again
	})
	return answer, err
}

// repeat calls attempt until it wants no repetition, or the time is over. When
// ctx ends it calls it immediately, without a pause.
func repeat(ctx context.Context, within time.Duration, attempt func() (again bool)) {
	begin, pause := time.Now(), firstPause
	for attempt() && time.Since(begin) < within {
		select {
		case <-time.After(pause):
		case <-ctx.Done():
		}
		pause = min(2*pause, longestPause)
	}
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
	if !ok {
		return false
	}
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}
