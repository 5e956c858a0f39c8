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
	"os"
	"time"

	"github.com/spf13/cobra"
)

func (o *Options) exportCommand() *cobra.Command {
	c := o.adminCommand("export FILE", "Write all pages with their counts to a file, or to stdout for -, one JSON object per line, through the admin listener of this machine's service.",
		func(ctx context.Context, c client, args []string) error {
			return interruptibly(ctx, func(ctx context.Context) error { return c.export(ctx, args[0]) })
		})
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
	pages, unreadable int64
}

// export writes all pages to stdout if the name is -, or to a file. The file
// gets its name when it is complete and synced: an export that fails leaves what
// was there before.
func (c client) export(ctx context.Context, name string) error {
	if name == "-" {
		x := pageExport{client: c, to: c.out}
		if err := x.run(ctx); err != nil {
			return err
		}
		return x.summary(c.err)
	}
	// The file is renamed to that name at the end, which would replace a link or
	// a device.
	if info, err := os.Lstat(name); err == nil && !info.Mode().IsRegular() {
		return fmt.Errorf("%s is no regular file", name)
	}
	part := name + ".part"
	f, err := os.OpenFile(part, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o640)
	if err != nil {
		return err
	}
	x := pageExport{client: c, to: f}
	err = x.run(ctx)
	if err == nil {
		err = f.Sync()
	}
	if err := errors.Join(err, f.Close()); err != nil {
		return errors.Join(err, os.Remove(part))
	}
	if err := os.Rename(part, name); err != nil {
		return err // it names the part, which is complete
	}
	return x.summary(c.out)
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
	var text bytes.Buffer
	lines := json.NewEncoder(&text)
	lines.SetEscapeHTML(false)
	for _, p := range listed.Pages {
		_ = lines.Encode(p) // a string and a number, to memory
		if p.Count == nil {
			x.unreadable++
		}
	}
	x.pages += int64(len(listed.Pages))
	_, err = x.to.Write(text.Bytes())
	return listed.Next, err
}

// summary prints the number of pages, and fails if some could not be read.
func (x *pageExport) summary(to io.Writer) error {
	if _, err := fmt.Fprintf(to, "{\"pages\":%d,\"unreadable\":%d}\n", x.pages, x.unreadable); err != nil {
		return err
	}
	if x.unreadable > 0 {
		return fmt.Errorf("%d pages can't be read; the export has them with the count null", x.unreadable)
	}
	return nil
}
