package bootstrap

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/url"
	"os"
	"time"
)

// exportLine is a line of an export: a page with its count, null where it
// can't be read.
type exportLine struct {
	PageID string `json:"page_id"`
	Count  *int64 `json:"count"`
}

// exportState is what an export that was broken off goes on from; it lies
// beside the file that is being written.
type exportState struct {
	Cursor string `json:"cursor"`
	Bytes  int64  `json:"bytes"`
	Pages  int64  `json:"pages"`
	Broken int64  `json:"broken"`
}

// pageExport is an export under way.
type pageExport struct {
	ringClient
	exportState
	to io.Writer
	// keep makes sure of what was written.
	keep func() error
}

// export writes all pages to a file, which is there under its name when it is
// whole, or, where the name is -, to stdout.
func (r ringClient) export(ctx context.Context, name string, anew bool) error {
	if name == "-" {
		x := pageExport{ringClient: r, to: r.out, keep: func() error { return nil }}
		if err := x.run(ctx); err != nil {
			return fmt.Errorf("%w (it ends behind page %d)", err, x.Pages)
		}
		return x.end(r.err)
	}
	// It is renamed to that in the end, which would take the place of what is
	// no file: a device, or a link.
	if about, err := os.Lstat(name); err == nil && !about.Mode().IsRegular() {
		return fmt.Errorf("%s is no regular file", name)
	}
	part, noted := name+".part", name+".part.state"
	x := pageExport{ringClient: r}
	if anew {
		if err := os.Remove(noted); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	if err := x.recall(part, noted); err != nil {
		return err
	}
	f, err := x.open(part)
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }() // it is synced before
	x.to, x.keep = f, func() error { return errors.Join(f.Sync(), x.note(noted)) }
	if !x.whole() {
		err = x.run(ctx)
	}
	switch {
	case err != nil && x.exportState == (exportState{}): // there is nothing to go on from
		return errors.Join(err, os.Remove(part))
	case err != nil:
		return fmt.Errorf("%w (the same command goes on behind page %d; --anew begins again)", err, x.Pages)
	}
	// What is noted stays until the file has its name, so that it can be given again.
	if err := os.Rename(part, name); err != nil {
		return err
	}
	if err := os.Remove(noted); err != nil {
		return err
	}
	return x.end(r.out)
}

// whole: there are pages, and all of them are written.
func (s exportState) whole() bool { return s.Cursor == "" && s.Bytes > 0 }

// recall reads what is noted about an export that was broken off.
func (x *pageExport) recall(part, noted string) error {
	text, err := os.ReadFile(noted)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return err
	case json.Unmarshal(text, &x.exportState) != nil:
		return fmt.Errorf("%s is damaged: begin again with --anew", noted)
	}
	if _, err := os.Lstat(part); x.whole() && errors.Is(err, fs.ErrNotExist) {
		x.exportState = exportState{} // that file has its name
		return os.Remove(noted)
	}
	return nil
}

// note replaces what is noted at once: a disk that is full, or a crash, leaves
// what was there before.
func (x *pageExport) note(noted string) error {
	text, err := json.Marshal(x.exportState)
	if err != nil {
		return err
	}
	next := noted + ".new"
	f, err := os.OpenFile(next, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o640)
	if err != nil {
		return err
	}
	_, err = f.Write(text)
	if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
		return errors.Join(err, os.Remove(next))
	}
	return os.Rename(next, noted)
}

// open opens the file that is being written, behind what was kept of it.
func (x *pageExport) open(name string) (*os.File, error) {
	f, err := os.OpenFile(name, os.O_CREATE|os.O_WRONLY, 0o640)
	if err != nil {
		return nil, err
	}
	info, err := f.Stat()
	if err == nil && info.Size() < x.Bytes {
		err = fmt.Errorf("%s lacks what was written: begin again with --anew", name)
	}
	if err == nil {
		err = f.Truncate(x.Bytes)
	}
	if err == nil {
		_, err = f.Seek(x.Bytes, io.SeekStart)
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

// run writes what is left.
func (x *pageExport) run(ctx context.Context) error {
	begin, before := time.Now(), x.Pages
	bar := !isTerminal(x.to)
	defer x.bar("")
	for begun := false; !begun || x.Cursor != ""; begun = true {
		if err := x.some(ctx, begun); err != nil {
			return err
		}
		if bar {
			x.bar(fmt.Sprintf("%d pages, %.0f/s", x.Pages, float64(x.Pages-before)/time.Since(begin).Seconds()))
		}
	}
	return nil
}

// some writes the next pages and keeps them.
func (x *pageExport) some(ctx context.Context, begun bool) error {
	answer, err := x.insist(ctx, begun, http.MethodGet, "/pages?cursor="+url.QueryEscape(x.Cursor), nil)
	if err != nil {
		return err
	}
	var listed struct {
		Pages []exportLine
		Next  string
	}
	if err := json.Unmarshal(answer, &listed); err != nil {
		return err
	}
	var text bytes.Buffer
	lines := json.NewEncoder(&text)
	lines.SetEscapeHTML(false)
	for _, p := range listed.Pages {
		if err := lines.Encode(p); err != nil {
			return err
		}
		if p.Count == nil {
			x.Broken++
		}
	}
	if _, err := x.to.Write(text.Bytes()); err != nil {
		return err
	}
	x.Cursor, x.Bytes, x.Pages = listed.Next, x.Bytes+int64(text.Len()), x.Pages+int64(len(listed.Pages))
	return x.keep()
}

// end tells how it went.
func (x *pageExport) end(to io.Writer) error {
	if _, err := fmt.Fprintf(to, "{\"pages\":%d,\"unreadable\":%d}\n", x.Pages, x.Broken); err != nil {
		return err
	}
	if x.Broken > 0 {
		return fmt.Errorf("%d pages can't be read; they are there with the count null", x.Broken)
	}
	return nil
}

// insistFor is how long a call is repeated that the service refuses for now.
const insistFor = time.Minute

// insist repeats a call while the service can't be reached or refuses for now:
// the calls that it is for may be made any number of times. One that isn't
// there at all when a command begins is not waited for.
func (r ringClient) insist(ctx context.Context, begun bool, method, path string, body any) ([]byte, error) {
	pause := 100 * time.Millisecond
	for begin := time.Now(); ; pause = min(2*pause, 5*time.Second) {
		answer, err := r.call(ctx, method, path, body)
		var refused statusError
		switch {
		case err == nil, ctx.Err() != nil, errors.As(err, &refused) && refused.lasts(),
			!begun && errors.Is(err, errNobody), time.Since(begin) > insistFor:
			return answer, err
		case pause == 100*time.Millisecond:
			r.tell(fmt.Sprintf("%v; trying again for up to %v", err, insistFor))
		}
		select {
		case <-time.After(pause):
		case <-ctx.Done():
		}
	}
}

// tell writes a line for people, in the place of a bar where there is one.
func (r ringClient) tell(line string) {
	r.bar("")
	_, _ = fmt.Fprintln(r.err, "footfall:", line)
}
