package bootstrap

import (
	"bufio"
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

// export writes all pages to a file, which is there under its name when it is
// whole.
func (r ringClient) export(ctx context.Context, name string, anew bool) error {
	// It is renamed to that in the end, which would take the place of what is
	// no file: a device, or a link.
	if about, err := os.Lstat(name); err == nil && !about.Mode().IsRegular() {
		return fmt.Errorf("%s is no regular file", name)
	}
	part, noted := name+".part", name+".part.state"
	var st exportState
	text, err := os.ReadFile(noted)
	switch {
	case anew || errors.Is(err, fs.ErrNotExist):
	case err != nil:
		return err
	case json.Unmarshal(text, &st) != nil:
		return fmt.Errorf("%s is damaged: begin again with --anew", noted)
	}
	f, err := os.OpenFile(part, os.O_CREATE|os.O_WRONLY, 0o640)
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }() // it is synced before
	if err := f.Truncate(st.Bytes); err != nil {
		return err
	}
	if _, err := f.Seek(st.Bytes, io.SeekStart); err != nil {
		return err
	}
	begin, before := time.Now(), st.Pages
	for begun := false; !begun || st.Cursor != ""; begun = true {
		if err := r.exportSome(ctx, begun, f, &st); err != nil {
			return fmt.Errorf("%w (the same command goes on behind page %d; --anew begins again)", err, st.Pages)
		}
		text, err := json.Marshal(st)
		if err == nil {
			err = os.WriteFile(noted, text, 0o640)
		}
		if err != nil {
			return err
		}
		if isTerminal(r.err) {
			_, _ = fmt.Fprintf(r.err, "\r%d pages, %.0f/s ", st.Pages, float64(st.Pages-before)/time.Since(begin).Seconds())
		}
	}
	if isTerminal(r.err) {
		_, _ = fmt.Fprintln(r.err)
	}
	if err := errors.Join(f.Sync(), os.Rename(part, name), os.Remove(noted)); err != nil {
		return err
	}
	if _, err := fmt.Fprintf(r.out, "{\"pages\":%d,\"unreadable\":%d}\n", st.Pages, st.Broken); err != nil {
		return err
	}
	if st.Broken > 0 {
		return fmt.Errorf("%d pages can't be read; they are in the file with the count null", st.Broken)
	}
	return nil
}

// exportSome writes the next pages and syncs them.
func (r ringClient) exportSome(ctx context.Context, begun bool, f *os.File, st *exportState) error {
	answer, err := r.insist(ctx, begun, http.MethodGet, "/pages?cursor="+url.QueryEscape(st.Cursor), nil)
	if err != nil {
		return err
	}
	var some struct {
		Pages []exportLine
		Next  string
	}
	if err := json.Unmarshal(answer, &some); err != nil {
		return err
	}
	w := bufio.NewWriter(f)
	lines := json.NewEncoder(w)
	lines.SetEscapeHTML(false)
	for _, p := range some.Pages {
		if err := lines.Encode(p); err != nil {
			return err
		}
		st.Pages++
		if p.Count == nil {
			st.Broken++
		}
	}
	if err := errors.Join(w.Flush(), f.Sync()); err != nil {
		return err
	}
	st.Cursor = some.Next
	st.Bytes, err = f.Seek(0, io.SeekCurrent)
	return err
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
		case err == nil, ctx.Err() != nil, errors.As(err, &refused) && refused.status < 500,
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

// tell writes a line for people, below a bar where there may be one.
func (r ringClient) tell(line string) {
	if isTerminal(r.err) {
		_, _ = fmt.Fprintln(r.err)
	}
	_, _ = fmt.Fprintln(r.err, "footfall:", line)
}
