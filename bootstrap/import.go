package bootstrap

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
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
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, maxLine)
	texts := make(chan []byte, 1)
	go func() { // a read of a pipe ends by no signal
		defer close(texts)
		for lines.Scan() {
			texts <- bytes.Clone(lines.Bytes())
		}
	}()
	for {
		select {
		case <-ctx.Done():
			return in.broken(context.Cause(ctx))
		case text, more := <-texts:
			if !more {
				return in.end(ctx, lines.Err())
			}
			if err := in.take(ctx, text); err != nil {
				return err
			}
		}
	}
}

// end sets what is left, and tells how it went; err is that of reading.
func (in *pageImport) end(ctx context.Context, err error) error {
	if err := errors.Join(err, in.set(ctx)); err != nil {
		return err
	}
	if isTerminal(in.err) {
		_, _ = fmt.Fprintln(in.err)
	}
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
	if err := json.Unmarshal(text, &line); err != nil || line.PageID == "" {
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

// set gives the pages that were read their counts.
func (in *pageImport) set(ctx context.Context) error {
	if len(in.some) == 0 {
		return nil
	}
	if _, err := in.insist(ctx, in.done > 0, http.MethodPost, "/pages", in.some); err != nil {
		return in.broken(err)
	}
	in.some, in.done = in.some[:0], in.read
	if isTerminal(in.err) {
		_, _ = fmt.Fprint(in.err, importBar(in.bytes, in.size, in.read))
	}
	return nil
}

// importBar is one line that replaces the one before it. A pipe has no size.
func importBar(done, total, lines int64) string {
	if total == 0 {
		return fmt.Sprintf("\r%d lines ", lines)
	}
	return fmt.Sprintf("\r[%s] %d%%, %d lines ", hashes(int(done), int(total)), 100*min(done, total)/total, lines)
}
