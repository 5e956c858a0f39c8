package cli

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"

	"github.com/spf13/cobra"
)

const (
	// importPages is how many pages one request sets, and importHistories how many with their history. Nodes take those
	// in batches of a few, and a request has to be answered in a second.
	importPages, importHistories = 1000, 100
	// importBytes bounds the lines of a request that has several.
	importBytes = 1 << 19
)

func (o *Options) importCommand() *cobra.Command {
	var skip number
	var skipInvalid bool
	c := o.adminCommand("import FILE", "Set every page of a file that export has written, or of a CSV file with the header page,count, or of stdin for -, to its count there, whatever it was before; repeating it changes nothing.",
		func(ctx context.Context, c client, args []string) error {
			return interruptibly(ctx, func(ctx context.Context) error {
				return c.importAll(ctx, args[0], pageImport{client: c, skip: int64(skip), skipInvalid: skipInvalid})
			})
		})
	c.Flags().Var(&skip, "skip", "The number of lines to skip at the beginning.")
	c.Flags().BoolVar(&skipInvalid, "skip-invalid", false, "Report each line that the service would refuse, and set all others.")
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
	skipInvalid       bool
	done, read, bytes int64       // lines that are set, lines that were read, and their length
	set               int64       // pages that were set
	uncounted         int64       // lines whose page has no count
	invalid           int64       // lines that the service would refuse
	columns           *csvColumns // nil if the file is not CSV
	pending           []exportLine
	pendingHistories  int
	pendingBytes      int // length of their lines
}

// importAll sets every page of a file, or of stdin if the name is -, to its
// count there. A page without a count is reported and not changed; after all
// others are set, such pages make the import fail. So do invalid lines with
// skipInvalid; without, the first of them ends the import.
func (c client) importAll(ctx context.Context, name string, in pageImport) error {
	file, err := openInput(ctx, name)
	if err != nil {
		return err
	}
	defer func() { _ = file.Close() }()
	in.size = file.size
	defer in.bar("")
	lines := bufio.NewReaderSize(file, maxLine)
	for {
		text, err := nextLine(lines)
		switch {
		case ctx.Err() != nil:
			return in.interrupted(context.Cause(ctx))
		case errors.Is(err, io.EOF):
			return in.finish(ctx)
		case err != nil && !errors.Is(err, errTooLong):
			return errors.Join(fmt.Errorf("line %d: %w", in.read+1, err), in.send(ctx))
		}
		if err := in.take(ctx, text, err); err != nil {
			return err
		}
	}
}

// take takes a line, or why it can't be read, and sends the pending pages when they
// fill a request.
func (in *pageImport) take(ctx context.Context, text []byte, bad error) error {
	in.read, in.bytes = in.read+1, in.bytes+int64(len(text))+1
	if in.read == 1 && bad == nil {
		var err error
		if text, err = withoutMark(text); err != nil {
			return err
		}
		if in.columns = csvHeader(text); in.columns != nil {
			return nil
		}
	}
	if in.read <= in.skip && in.columns != nil && bad == nil {
		_, _ = in.columns.parse(text) // it notes the page
	}
	if in.read <= in.skip || bad == nil && len(bytes.TrimSpace(text)) == 0 {
		return nil
	}
	var line exportLine
	switch {
	case bad != nil:
	case in.columns != nil:
		line, bad = in.columns.parse(text)
	default:
		if line, bad = parseLine(text); in.read == 1 && errors.Is(bad, errNotLine) {
			bad = fmt.Errorf("%w%s", bad, otherColumns())
		}
	}
	switch {
	case bad != nil && in.skipInvalid:
		in.invalid++
		in.note(fmt.Sprintf("line %d: %v", in.read, bad))
		return nil
	case bad != nil:
		return errors.Join(in.send(ctx), fmt.Errorf("line %d: %w (--skip=%d skips it, --skip-invalid all such lines)", in.read, bad, in.read))
	case line.Count == nil:
		in.uncounted++
		in.note(fmt.Sprintf("line %d: page %q has no count", in.read, line.PageID))
		return nil
	}
	return in.add(ctx, line, len(text))
}

// add adds a page to those that are pending, whose line has some length. It sends those before it if both do not fit
// a request, and all of them if they fill it.
func (in *pageImport) add(ctx context.Context, line exportLine, length int) error {
	if len(in.pending) > 0 && in.pendingBytes+length > importBytes {
		if err := in.sendUntil(ctx, in.read-1); err != nil {
			return err
		}
	}
	in.pending, in.pendingBytes = append(in.pending, line), in.pendingBytes+length
	if line.History != nil {
		in.pendingHistories++
	}
	if len(in.pending) < importPages && in.pendingHistories < importHistories {
		return nil
	}
	return in.send(ctx)
}

// send sets the pending pages.
func (in *pageImport) send(ctx context.Context) error { return in.sendUntil(ctx, in.read) }

// sendUntil sets the pending pages, which are those of the lines up to one.
func (in *pageImport) sendUntil(ctx context.Context, line int64) error {
	if len(in.pending) == 0 {
		return nil
	}
	if _, err := in.retry(ctx, http.MethodPost, "/pages", in.pending); err != nil {
		return in.interrupted(err)
	}
	in.set += int64(len(in.pending))
	in.pending, in.pendingHistories, in.pendingBytes, in.done = in.pending[:0], 0, 0, line
	in.bar(importBar(in.bytes, in.size, in.read))
	return nil
}

// interrupted adds how to continue to an error, if some pages were set.
func (in *pageImport) interrupted(err error) error {
	if skip := max(in.done, in.skip); skip > 0 {
		return fmt.Errorf("%w (continue with --skip=%d)", err, skip)
	}
	return err
}

// finish sets the remaining pages and prints a summary.
func (in *pageImport) finish(ctx context.Context) error {
	if err := in.send(ctx); err != nil {
		return err
	}
	in.bar("")
	if _, err := fmt.Fprintf(in.out, "{\"lines\":%d,\"pages\":%d,\"without_count\":%d,\"invalid\":%d}\n", in.read, in.set, in.uncounted, in.invalid); err != nil {
		return err
	}
	var left []error
	if in.skip > in.read {
		left = append(left, fmt.Errorf("--skip is %d, and the file has %d lines: no page was set", in.skip, in.read))
	}
	if in.uncounted > 0 {
		left = append(left, fmt.Errorf("%d pages have no count in the file and were not changed; all others were set", in.uncounted))
	}
	if in.invalid > 0 {
		left = append(left, fmt.Errorf("%d lines are invalid and were skipped; all others were set", in.invalid))
	}
	return errors.Join(left...)
}

// importBar is the progress in one line. A pipe has no size.
func importBar(done, total, lines int64) string {
	if total == 0 {
		return fmt.Sprintf("%d lines", lines)
	}
	return fmt.Sprintf("[%s] %d%%, %d lines", hashes(done, total), 100*min(done, total)/total, lines)
}
