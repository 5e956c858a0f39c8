package public

import (
	"net/http"

	"footfall/adapters/httpapi/problem"
	"footfall/adapters/httpapi/request"
	"footfall/domain/counting"
)

// readMany serves GET /visits?page_id=a&page_id=b[&period=24h]. A page that can't be read
// spoils only itself, unless none can be read for now.
func (a *api) readMany(w http.ResponseWriter, r *http.Request, _ string) ([]byte, error) {
	names, err := request.Params(r.URL.RawQuery, "page_id", request.MaxReadPages)
	if err != nil {
		return nil, err
	}
	if len(names) == 0 {
		return nil, problem.BadRequest("missing_parameter", "The parameter page_id is missing.")
	}
	_, length, err := request.Period(r.URL.RawQuery)
	if err != nil {
		return nil, err
	}
	asked := a.received(w, r)
	if err := a.CheckItems(asked, len(names)); err != nil {
		for range names {
			a.NoteRead(err)
		}
		return nil, err
	}
	results := make([]readingResult, len(names))
	pages := make([]counting.Page, 0, len(names))
	origin := make([]int, 0, len(names)) // index of each page in names
	for i, name := range names {
		page, err := request.Page(name)
		if err != nil {
			a.NoteRead(err)
			results[i].name, results[i].Err = request.Echo(name), err
			continue
		}
		pages, origin = append(pages, page), append(origin, i)
	}
	var errs []error
	if len(pages) > 0 {
		var read []readingResult
		if read, errs, err = a.readResults(r.Context(), pages, length); err != nil {
			for range pages {
				a.NoteRead(err)
			}
			return nil, err
		}
		for i, err := range errs {
			a.NoteRead(err)
			results[origin[i]] = read[i]
			a.LogUnexpected(asked, err, false)
		}
	}
	if err := problem.AllRefused(errs, false); err != nil {
		return nil, err
	}
	return appendReadings(make([]byte, 0, len(r.URL.RawQuery)+readingBytes*len(results)), results), nil
}
