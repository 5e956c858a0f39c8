package cli

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"footfall/domain/publishing"
)

// retryTimeout bounds one request that retries callbacks: the service takes 45 s for the
// attempts, and a few more to record them.
const retryTimeout = 75 * time.Second

// callbackFlags say which failed callbacks are meant.
type callbackFlags struct {
	failed           bool
	since            time.Duration
	window, endpoint string
}

func (f callbackFlags) isEmpty() bool {
	return !f.failed && f.since == 0 && f.window == "" && f.endpoint == ""
}

// check refuses a time to come: without it, all callbacks would be meant.
func (f callbackFlags) check() error {
	if f.since < 0 {
		return fmt.Errorf("--since is %v, want how long ago, such as 24h", f.since)
	}
	return nil
}

// selection are the parameters of the routes.
func (f callbackFlags) selection() map[string]string {
	s := map[string]string{"state": "failed", "window": f.window, "endpoint": f.endpoint}
	if f.since > 0 {
		s["since"] = time.Now().Add(-f.since).UTC().Format(time.RFC3339)
	}
	return s
}

// callbacksCommand has a subcommand for each route below /callbacks.
func (o *Options) callbacksCommand() *cobra.Command {
	callbacks := &cobra.Command{
		Use: "callbacks", Short: "List and retry callbacks that failed, through the admin listener of this machine's service.", Args: checkWords,
		RunE: func(c *cobra.Command, _ []string) error {
			return fmt.Errorf("%s: want one of %s", c.CommandPath(), subcommands(c))
		},
	}
	var f callbackFlags
	list := o.adminCommand("list", "List the endpoints that did not take their count: a table on a terminal, a JSON object a line elsewhere.", func(ctx context.Context, c client, _ []string) error {
		return interruptibly(ctx, func(ctx context.Context) error { return c.listCallbacks(ctx, f) })
	})
	retry := o.adminCommand("retry", "Send the count again to endpoints that did not take it, with the same webhook-id, one attempt each.", func(ctx context.Context, c client, _ []string) error {
		c.http.SetTimeout(retryTimeout)
		return interruptibly(ctx, func(ctx context.Context) error { return c.retryCallbacks(ctx, f) })
	})
	list.PreRunE = func(*cobra.Command, []string) error { return f.check() }
	retry.PreRunE = func(*cobra.Command, []string) error {
		if f.isEmpty() {
			return errors.New("say which callbacks: --failed for all, or --since, --window or --endpoint")
		}
		return f.check()
	}
	for _, c := range []*cobra.Command{list, retry} {
		c.Flags().BoolVar(&f.failed, "failed", false, "All that are on record.")
		c.Flags().DurationVar(&f.since, "since", 0, "Those that failed in the last time, such as 24h.")
		c.Flags().StringVar(&f.window, "window", "", "Those of a window, by its id.")
		c.Flags().StringVar(&f.endpoint, "endpoint", "", "Those of an endpoint.")
	}
	callbacks.AddCommand(list, retry)
	return callbacks
}

// callbackPage is the answer of both routes.
type callbackPage struct {
	Callbacks []publishing.RetriedCallback `json:"callbacks"`
	Next      string                       `json:"next_cursor"`
}

// eachPage follows the cursor of a route to its end.
func eachPage(selection map[string]string, call func(selection map[string]string) ([]byte, error), use func([]publishing.RetriedCallback) error) error {
	for {
		answer, err := call(selection)
		if err != nil {
			return err
		}
		var page callbackPage
		if err := json.Unmarshal(answer, &page); err != nil {
			return err
		}
		if err := use(page.Callbacks); err != nil || page.Next == "" {
			return err
		}
		selection["cursor"] = page.Next
	}
}

func (c client) listCallbacks(ctx context.Context, f callbackFlags) error {
	get := func(selection map[string]string) ([]byte, error) {
		query := make(url.Values)
		for name, value := range selection {
			if value != "" {
				query.Set(name, value)
			}
		}
		return c.retry(ctx, http.MethodGet, "/callbacks?"+query.Encode(), nil)
	}
	return eachPage(f.selection(), get, func(some []publishing.RetriedCallback) error {
		if IsTerminal(c.out) {
			return writeCallbacks(c.out, some)
		}
		return writeLines(c.out, some, func(r publishing.RetriedCallback) any { return r.FailedCallback })
	})
}

// retryCallbacks fails unless all callbacks were delivered.
func (c client) retryCallbacks(ctx context.Context, f callbackFlags) error {
	number := make(map[publishing.Outcome]int)
	post := func(selection map[string]string) ([]byte, error) {
		return c.retry(ctx, http.MethodPost, "/callbacks/retry", selection)
	}
	total := 0
	err := eachPage(f.selection(), post, func(some []publishing.RetriedCallback) error {
		for _, r := range some {
			number[r.Result]++
			total++
		}
		if IsTerminal(c.out) {
			return writeCallbacks(c.out, some)
		}
		return writeLines(c.out, some, func(r publishing.RetriedCallback) any { return r })
	})
	if err != nil {
		return fmt.Errorf("%w (after %d callbacks; run the command again for the rest)", err, total)
	}
	if n := number[publishing.Limited]; n > 0 {
		c.note(fmt.Sprintf("%d callbacks were left out, because their address has had as many as it may have for now: run the command again", n))
	}
	if n := number[publishing.Busy]; n > 0 {
		c.note(fmt.Sprintf("%d callbacks are being retried by another call, or its instance has died: see footfall callbacks list in a minute", n))
	}
	if delivered := number[publishing.Delivered]; delivered < total {
		return fmt.Errorf("%d of %d callbacks were delivered; the others stay on record", delivered, total)
	}
	c.note(fmt.Sprintf("%d callbacks were delivered", total))
	return nil
}

// writeLines writes a JSON object a line.
func writeLines(w io.Writer, some []publishing.RetriedCallback, of func(publishing.RetriedCallback) any) error {
	lines := json.NewEncoder(w)
	lines.SetEscapeHTML(false)
	for _, r := range some {
		if err := lines.Encode(of(r)); err != nil {
			return err
		}
	}
	return nil
}

// writeCallbacks writes a table: what came of each callback, or why it was not sent again.
func writeCallbacks(w io.Writer, some []publishing.RetriedCallback) error {
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, r := range some {
		outcome, endpoint := cmp.Or(r.Result, publishing.Outcome(r.Reason), publishing.Failed), string(r.Endpoint)
		if r.Error != "" {
			endpoint += ": " + r.Error
		}
		_, _ = fmt.Fprintf(table, "%s\t%s\t%d\t%d attempts\tstatus %d\t%s\t%s\n", // Flush writes
			r.FailedAt.Format(time.RFC3339), r.Window, r.Count, r.Attempts, r.Status, outcome, endpoint)
	}
	return table.Flush()
}
