package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"

	"github.com/spf13/cobra"
)

func (o *Options) exportCommand() *cobra.Command {
	var history bool
	c := o.adminCommand("export FILE", "Write all pages with their counts to a file, or to stdout for -, one JSON object per line, through the admin listener of this machine's service.",
		func(ctx context.Context, c client, args []string) error {
			return interruptibly(ctx, func(ctx context.Context) error { return c.export(ctx, args[0], history) })
		})
	c.Flags().BoolVar(&history, "history", false, "Write also when the visits of each page came.")
	// Every export starts from the beginning, so these have no effect. The
	// second goes in the next release.
	for _, name := range []string{"restart", "anew"} {
		c.Flags().Bool(name, false, "Start from the beginning, as every export does.")
		_ = c.Flags().MarkHidden(name)
	}
	return c
}

// pageExport writes pages to a file or to stdout.
type pageExport struct {
	client
	to                io.Writer
	history           bool
	pages, unreadable int64
	lost              int64 // pages whose history can't be read
}

// export writes all pages to stdout if the name is -, or to a file.
func (c client) export(ctx context.Context, name string, history bool) error {
	x := pageExport{client: c, history: history}
	result, err := c.toFile(name, 0o640, func(to io.Writer) error {
		x.to = to
		return x.run(ctx)
	})
	if err != nil {
		return err
	}
	return x.summary(result)
}

// run writes all pages.
func (x *pageExport) run(ctx context.Context) error {
	begin := time.Now()
	defer x.bar("")
	for cursor, begun := "", false; !begun || cursor != ""; begun = true {
		next, err := x.some(ctx, cursor)
		if err != nil && begun {
			err = fmt.Errorf("%w (after %d pages; run the command again to start over)", err, x.pages)
		}
		if err != nil {
			return err
		}
		cursor = next
		if !IsTerminal(x.to) {
			x.bar(fmt.Sprintf("%d pages, %.0f/s", x.pages, float64(x.pages)/time.Since(begin).Seconds()))
		}
	}
	return nil
}

// some writes the pages at a cursor, and returns the next cursor.
func (x *pageExport) some(ctx context.Context, cursor string) (next string, err error) {
	answer, err := x.retry(ctx, http.MethodGet, "/pages?cursor="+url.QueryEscape(cursor), nil)
	if err != nil {
		return "", err
	}
	var listed struct {
		Pages []exportLine
		Next  string
	}
	if err := json.Unmarshal(answer, &listed); err != nil {
		return "", err
	}
	if !x.history {
		return listed.Next, x.write(listed.Pages)
	}
	for left := listed.Pages; len(left) > 0; {
		some, err := x.withHistories(ctx, left)
		if err == nil {
			err = x.write(some)
		}
		if err != nil {
			return "", err
		}
		left = left[len(some):]
	}
	return listed.Next, nil
}

// withHistories returns the first of some pages, at least one, with their histories. One whose history can't be
// read stays as it was listed.
func (x *pageExport) withHistories(ctx context.Context, pages []exportLine) ([]exportLine, error) {
	var names struct {
		PageIDs []string `json:"page_ids"`
	}
	for _, p := range pages {
		names.PageIDs = append(names.PageIDs, p.PageID)
	}
	answer, err := x.retry(ctx, http.MethodPost, "/pages/history", names)
	if err != nil {
		return nil, err
	}
	var saved struct{ Pages []exportLine }
	if err := json.Unmarshal(answer, &saved); err != nil {
		return nil, err
	}
	if len(saved.Pages) == 0 || len(saved.Pages) > len(pages) {
		return nil, fmt.Errorf("the service has answered %d of %d pages", len(saved.Pages), len(pages))
	}
	for i, p := range saved.Pages {
		if p.History == nil {
			saved.Pages[i] = pages[i]
			x.lost++
		}
	}
	return saved.Pages, nil
}

func (x *pageExport) write(pages []exportLine) error {
	var text bytes.Buffer
	lines := json.NewEncoder(&text)
	lines.SetEscapeHTML(false)
	for _, p := range pages {
		_ = lines.Encode(p) // strings and numbers, to memory
		if p.Count == nil {
			x.unreadable++
		}
	}
	x.pages += int64(len(pages))
	_, err := x.to.Write(text.Bytes())
	return err
}

// summary prints the number of pages, and fails if some could not be read.
func (x *pageExport) summary(to io.Writer) error {
	if _, err := fmt.Fprintf(to, "{\"pages\":%d,\"unreadable\":%d}\n", x.pages, x.unreadable); err != nil {
		return err
	}
	var failed []error
	if x.unreadable > 0 {
		failed = append(failed, fmt.Errorf("%d pages can't be read; the export has them with the count null", x.unreadable))
	}
	if x.lost > 0 {
		failed = append(failed, fmt.Errorf("the history of %d pages can't be read; the export has them without it", x.lost))
	}
	return errors.Join(failed...)
}
