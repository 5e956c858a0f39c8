package bootstrap

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"unicode/utf8"

	"footfall/domain/counting"
)

const (
	// importPages is how many pages are set at once.
	importPages = 1000
	// maxLine is longer than any line of an export.
	maxLine = 16 << 10
)

// pageImport is how far an import is.
type pageImport struct {
	ringClient
	skip, size        int64
	done, read, bytes int64 // lines that are set, that were read, and their length
	uncounted         int64 // of those, lines whose page has no count
	some              []exportLine
}

// importAll gives every page of a file, or of stdin where the name is -, the
// count that it has there. A page whose count export could not read is told and
// left as it is; when all else is done, they make it fail.
func (r ringClient) importAll(ctx context.Context, name string, skip int64) error {
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
	in := pageImport{ringClient: r, skip: skip, size: info.Size()}
	defer in.bar("")
	texts := make(chan []byte, 1)
	var reading error
	go func() { // a read of a pipe ends by no signal
		defer close(texts)
		reading = readLines(f, func(line []byte) { texts <- line })
	}()
	for {
		select {
		case <-ctx.Done():
			return in.broken(context.Cause(ctx))
		case text, more := <-texts:
			if !more {
				return in.end(ctx, reading)
			}
			if err := in.take(ctx, text); err != nil {
				return err
			}
		}
	}
}

// readLines gives each line of a file to take; of one that is longer than any
// of an export only the beginning, which is no page.
func readLines(f io.Reader, take func([]byte)) error {
	for lines := bufio.NewReaderSize(f, maxLine); ; {
		line, more, err := lines.ReadLine()
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return err
		}
		line = bytes.Clone(line)
		for more && err == nil {
			_, more, err = lines.ReadLine()
		}
		take(line)
	}
}

// end sets what is left, and tells how it went; err is that of reading.
func (in *pageImport) end(ctx context.Context, err error) error {
	if err := errors.Join(err, in.set(ctx)); err != nil {
		return err
	}
	in.bar("")
	if _, err := fmt.Fprintf(in.out, "{\"lines\":%d,\"without_count\":%d}\n", in.read, in.uncounted); err != nil {
		return err
	}
	if in.uncounted > 0 {
		return fmt.Errorf("%d pages have no count in the file, and were left as they are; all others were set", in.uncounted)
	}
	return nil
}

// broken says how to go on.
func (in *pageImport) broken(err error) error {
	return fmt.Errorf("%w (go on with --skip=%d)", err, max(in.done, in.skip))
}

// take reads a line, and sets the pages of those before when they are enough.
func (in *pageImport) take(ctx context.Context, text []byte) error {
	in.read, in.bytes = in.read+1, in.bytes+int64(len(text))+1
	if in.read <= in.skip || len(text) == 0 {
		return nil
	}
	var line exportLine
	if err := json.Unmarshal(text, &line); err != nil || !utf8.Valid(text) || !line.good() {
		return errors.Join(in.set(ctx), fmt.Errorf("line %d is no page with a count (--skip=%d leaves it out)", in.read, in.read))
	}
	if line.Count == nil {
		in.uncounted++
		in.tell(fmt.Sprintf("line %d: page %q has no count", in.read, line.PageID))
		return nil
	}
	if in.some = append(in.some, line); len(in.some) < importPages {
		return nil
	}
	return in.set(ctx)
}

// good: the service takes it, or it has no count. One that it refuses would
// keep all those of its call from being set.
func (l exportLine) good() bool {
	if l.Count == nil {
		return l.PageID != ""
	}
	_, err := counting.ParsePage(l.PageID)
	return err == nil && *l.Count >= 0
}

// set gives the pages that were read their counts.
func (in *pageImport) set(ctx context.Context) error {
	if len(in.some) == 0 {
		return nil
	}
	if _, err := in.insist(ctx, in.done > 0, http.MethodPost, "/pages", in.some); err != nil {
		return in.broken(err)
	}
	in.some, in.done = in.some[:0], in.read
	in.bar(importBar(in.bytes, in.size, in.read))
	return nil
}

// importBar is one line. A pipe has no size.
func importBar(done, total, lines int64) string {
	if total == 0 {
		return fmt.Sprintf("%d lines", lines)
	}
	return fmt.Sprintf("[%s] %d%%, %d lines", hashes(int(done), int(total)), 100*min(done, total)/total, lines)
}
