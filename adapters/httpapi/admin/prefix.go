package admin

import (
	"cmp"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"unicode/utf8"

	"footfall/adapters/httpapi/problem"
	"footfall/domain/counting"
)

// maxDeleted is how many pages are deleted together.
const maxDeleted = 1000

// deletePages serves POST /pages/delete: of the pages that a listing has from a cursor on, it
// deletes those whose names begin with a prefix, at most about maxDeleted. A listing that
// is followed to its end finds every page that was there all the time.
func (h *Handler) deletePages(w http.ResponseWriter, r *http.Request, _ string) ([]byte, error) {
	var step struct {
		Prefix string `json:"prefix"`
		Cursor string `json:"cursor"`
		DryRun bool   `json:"dry_run"`
	}
	if err := readChange(w, r, &step); err != nil {
		return nil, err
	}
	if step.Prefix == "" || len(step.Prefix) > counting.MaxPageBytes || !utf8.ValidString(step.Prefix) {
		return nil, problem.BadRequest("bad_prefix", "A prefix is 1 to 256 bytes of UTF-8.")
	}
	pages, next, err := h.Pages.List(r.Context(), step.Cursor)
	if err != nil {
		return nil, awayFault("The pages can't be listed", err)
	}
	var matching []counting.SetCount
	for _, p := range pages {
		if strings.HasPrefix(string(p.Page), step.Prefix) {
			matching = append(matching, counting.SetCount{Page: p.Page, Delete: true})
		}
	}
	deleted := 0
	if !step.DryRun {
		if deleted, err = h.deleteAll(w, r, step.Prefix, matching); err != nil {
			return nil, awayFault(fmt.Sprintf("%d of %d pages were deleted", deleted, len(matching)), err)
		}
	}
	return json.Marshal(struct {
		Pages   int    `json:"pages"`
		Deleted int    `json:"deleted"`
		Next    string `json:"next"`
	}{len(matching), deleted, next})
}

// deleteAll deletes pages and logs that. After an error others may be deleted: to repeat
// the step does no harm.
func (h *Handler) deleteAll(w http.ResponseWriter, r *http.Request, prefix string, pages []counting.SetCount) (deleted int, failed error) {
	for some := range slices.Chunk(pages, maxDeleted) {
		for _, err := range h.Pages.SetAll(r.Context(), some) {
			if err == nil {
				deleted++
			}
			failed = cmp.Or(failed, err)
		}
	}
	if deleted > 0 || failed != nil && problem.Of(failed, true).InDoubt() {
		h.Log.Info("pages were deleted", changed(w, r, "prefix", prefix, "pages", deleted, "of", len(pages))...)
	}
	return deleted, failed
}
