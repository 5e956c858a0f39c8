package cli

import (
	"bytes"
	"cmp"
	"context"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"footfall/domain/publishing"
	"footfall/domain/timeline"
)

// windowsAPage is how many windows one request lists, the most that it may.
const windowsAPage = "1000"

func (o *Options) windowsCommand() *cobra.Command {
	var from, to, format string
	formats := []string{"table", "csv", "ndjson"}
	c := o.adminCommand("windows", "List all windows that are kept, newest first, through the admin listener of this machine's service.",
		func(ctx context.Context, c client, _ []string) error {
			return interruptibly(ctx, func(ctx context.Context) error { return c.listWindows(ctx, from, to, format) })
		})
	c.Flags().StringVar(&from, "from", "", "Only windows that start then or later: such as 2026-11-28T10:00:00Z, or a date, which begins in UTC.")
	c.Flags().StringVar(&to, "to", "", "Only windows that start before.")
	c.Flags().StringVar(&format, "format", "", strings.Join(formats, ", ")+"; if it isn't set, a table on a terminal and ndjson elsewhere.")
	_ = c.RegisterFlagCompletionFunc("format", cobra.FixedCompletions(formats, cobra.ShellCompDirectiveNoFileComp))
	c.PreRunE = func(*cobra.Command, []string) error {
		if format != "" && !slices.Contains(formats, format) {
			return fmt.Errorf("--format is %q, want one of %s", format, strings.Join(formats, ", "))
		}
		for name, text := range map[string]string{"--from": from, "--to": to} {
			if text == "" {
				continue
			}
			if _, err := timeline.ParseTime(name, text, time.UTC); err != nil {
				return err
			}
		}
		return nil
	}
	return c
}

// listWindows writes the windows of a range. Each request continues where the last window
// begins, whatever has changed meanwhile.
func (c client) listWindows(ctx context.Context, from, to, format string) error {
	list := newWindowList(c.out, format)
	query, oldest := url.Values{"limit": {windowsAPage}, "from": {from}, "to": {to}}, time.Time{}
	for {
		page, err := c.windowPage(ctx, query)
		if err != nil && !oldest.IsZero() {
			err = fmt.Errorf("%w (go on with --to %s)", err, oldest.Format(time.RFC3339))
		}
		for _, raw := range page.Windows {
			var w publishing.Summary
			if err = json.Unmarshal(raw, &w); err == nil {
				err = list.add(raw, w)
			}
			if err != nil {
				break
			}
			oldest = w.Start
		}
		if err != nil || page.NextCursor == "" {
			return errors.Join(err, list.flush())
		}
		query.Set("cursor", page.NextCursor)
	}
}

type windowPage struct {
	Windows    []json.RawMessage `json:"windows"`
	NextCursor string            `json:"next_cursor"`
}

func (c client) windowPage(ctx context.Context, query url.Values) (page windowPage, err error) {
	answer, err := c.retry(ctx, http.MethodGet, "/windows?"+query.Encode(), nil)
	if err != nil {
		return page, err
	}
	return page, json.Unmarshal(answer, &page)
}

// windowList writes windows in a format.
type windowList struct {
	add   func(raw json.RawMessage, w publishing.Summary) error
	flush func() error
}

func newWindowList(to io.Writer, format string) windowList {
	if format == "" && IsTerminal(to) {
		format = "table"
	}
	switch format {
	case "table":
		return windowTable(to)
	case "csv":
		return windowCSV(to)
	}
	return windowList{
		add: func(raw json.RawMessage, _ publishing.Summary) error {
			_, err := to.Write(append(bytes.TrimSpace(raw), '\n'))
			return err
		},
		flush: func() error { return nil },
	}
}

func windowTable(to io.Writer) windowList {
	table := tabwriter.NewWriter(to, 0, 0, 2, ' ', 0)
	_, _ = fmt.Fprintln(table, "WINDOW\tSTART\tCOUNT\tSTATE\tPUBLISHED TO\tCALLBACKS") // flush writes
	return windowList{
		add: func(_ json.RawMessage, w publishing.Summary) error {
			d := w.Deliveries
			callbacks := "-"
			if d.Endpoints > 0 {
				callbacks = fmt.Sprintf("%d of %d delivered, %d failed", d.Delivered, d.Endpoints, d.Failed)
			}
			_, err := fmt.Fprintf(table, "%s\t%s\t%d\t%s\t%s\t%s\n", w.ID, w.Start.Format(time.RFC3339), w.Count, w.State, cmp.Or(w.Sink, "-"), callbacks)
			return err
		},
		flush: table.Flush,
	}
}

func windowCSV(to io.Writer) windowList {
	lines := csv.NewWriter(to)
	_ = lines.Write([]string{"id", "window_start", "window_end", "count", "state", "published_to", "endpoints", "delivered", "failed"}) // flush writes
	return windowList{
		add: func(_ json.RawMessage, w publishing.Summary) error {
			d := w.Deliveries
			return lines.Write([]string{
				w.ID, w.Start.Format(time.RFC3339), w.End.Format(time.RFC3339), strconv.FormatInt(w.Count, 10), string(w.State), w.Sink,
				strconv.Itoa(d.Endpoints), strconv.Itoa(d.Delivered), strconv.Itoa(d.Failed),
			})
		},
		flush: func() error {
			lines.Flush()
			return lines.Error()
		},
	}
}
