package cli

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"unicode/utf8"

	"github.com/spf13/cobra"

	"footfall/domain/counting"
)

const (
	// importPages is how many pages one request sets.
	importPages = 1000
	// maxLine bounds a line, in bytes; a longer one ends the import. Lines of an
	// export are much shorter.
	maxLine = 1 << 20
)

func (o *Options) importCommand() *cobra.Command {
	var skip int64
	c := o.adminCommand("import FILE", "Set every page of a file that export has written, or of stdin for -, to its count there, whatever it was before; repeating it changes nothing.",
		func(ctx context.Context, c client, args []string) error {
			return interruptibly(ctx, func(ctx context.Context) error { return c.importAll(ctx, args[0], skip) })
		})
	c.Flags().Int64Var(&skip, "skip", 0, "The number of lines to skip at the beginning.")
	c.PreRunE = func(*cobra.Command, []string) error {
		if skip < 0 {
			return fmt.Errorf("--skip is %d, want a number of lines", skip)
		}
		return nil
	}
	return c
}

// pageImport is the progress of an import.
type pageImport struct {
	client
	skip, size        int64
	done, read, bytes int64 // lines that are set, lines that were read, and their length
	uncounted         int64 // lines whose page has no count
	pending           []exportLine
}

// importAll sets every page of a file, or of stdin if the name is -, to its
// count there. A page without a count is reported and not changed; after all
// others are set, such pages make the import fail.
func (c client) importAll(ctx context.Context, name string, skip int64) error {
	f := os.Stdin
	if name != "-" {
		var err error
		if f, err = os.Open(name); err != nil {
			return err
		}
		defer func() { _ = f.Close() }() // it is only read
	}
	info, err := f.Stat()
	if err != nil {
		return err
	}
	in := pageImport{client: c, skip: skip, size: info.Size()}
	defer in.bar("")
	piped, pipe := io.Pipe()
	defer func() { _ = piped.Close() }()
	go func() { // no signal ends a read of stdin
		_, err := io.Copy(pipe, f)
		_ = pipe.CloseWithError(err)
	}()
	defer context.AfterFunc(ctx, func() { _ = pipe.Close() })()
	lines := bufio.NewScanner(piped)
	lines.Buffer(nil, maxLine)
	for lines.Scan() && ctx.Err() == nil {
		if err := in.take(ctx, lines.Bytes()); err != nil {
			return err
		}
	}
	if ctx.Err() != nil {
		return in.interrupted(context.Cause(ctx))
	}
	return in.finish(ctx, lines.Err())
}

// take reads a line, and sends the pending pages when they fill a request.
func (in *pageImport) take(ctx context.Context, text []byte) error {
	in.read, in.bytes = in.read+1, in.bytes+int64(len(text))+1
	if in.read <= in.skip || len(text) == 0 {
		return nil
	}
	var line exportLine
	if err := json.Unmarshal(text, &line); err != nil || !utf8.Valid(text) || !line.valid() {
		return errors.Join(in.send(ctx), fmt.Errorf("line %d is not a page with a count (--skip=%d skips it)", in.read, in.read))
	}
	if line.Count == nil {
		in.uncounted++
		in.note(fmt.Sprintf("line %d: page %q has no count", in.read, line.PageID))
		return nil
	}
	if in.pending = append(in.pending, line); len(in.pending) < importPages {
		return nil
	}
	return in.send(ctx)
}

// valid: the service accepts the line, or it has no count. One line that the
// service refuses would make it refuse all lines of the request.
func (l exportLine) valid() bool {
	if l.Count == nil {
		return l.PageID != ""
	}
	_, err := counting.ParsePage(l.PageID)
	return err == nil && *l.Count >= 0
}

// send sets the pending pages.
func (in *pageImport) send(ctx context.Context) error {
	if len(in.pending) == 0 {
		return nil
	}
	if _, err := in.retry(ctx, in.done > 0, http.MethodPost, "/pages", in.pending); err != nil {
		return in.interrupted(err)
	}
	in.pending, in.done = in.pending[:0], in.read
	in.bar(importBar(in.bytes, in.size, in.read))
	return nil
}

// interrupted adds how to continue to an error.
func (in *pageImport) interrupted(err error) error {
	return fmt.Errorf("%w (continue with --skip=%d)", err, max(in.done, in.skip))
}

// finish sets the remaining pages and prints a summary. err is that of reading.
func (in *pageImport) finish(ctx context.Context, err error) error {
	if err != nil {
		err = fmt.Errorf("line %d: %w", in.read+1, err)
	}
	if err := errors.Join(err, in.send(ctx)); err != nil {
		return err
	}
	in.bar("")
	if _, err := fmt.Fprintf(in.out, "{\"lines\":%d,\"without_count\":%d}\n", in.read, in.uncounted); err != nil {
		return err
	}
	if in.uncounted > 0 {
		return fmt.Errorf("%d pages have no count in the file and were not changed; all others were set", in.uncounted)
	}
	return nil
}

// importBar is the progress in one line. A pipe has no size.
func importBar(done, total, lines int64) string {
	if total == 0 {
		return fmt.Sprintf("%d lines", lines)
	}
	return fmt.Sprintf("[%s] %d%%, %d lines", hashes(done, total), 100*min(done, total)/total, lines)
}
