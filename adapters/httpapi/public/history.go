package public

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"time"

	"footfall/adapters/httpapi/request"
	"footfall/domain/counting"
	"footfall/domain/timeline"
)

type bucketJSON struct {
	Start  string `json:"start"`
	Visits int64  `json:"visits"`
}

type historyJSON struct {
	PageID        counting.Page `json:"page_id"`
	Step          timeline.Step `json:"step"`
	Zone          string        `json:"tz"`
	From          string        `json:"from"`
	To            string        `json:"to"`
	Buckets       []bucketJSON  `json:"buckets"`
	Sum           int64         `json:"sum"`
	Total         int64         `json:"total"`
	BeforeHistory int64         `json:"before_history"`
	HistorySince  string        `json:"history_since"`
}

// history serves GET /visits/{page_id}/history.
func (a *api) history(_ http.ResponseWriter, r *http.Request, name string) ([]byte, error) {
	page, err := request.Page(name)
	if err != nil {
		return nil, err
	}
	asked, err := request.History(r.URL.RawQuery, time.Now())
	if err != nil {
		return nil, err
	}
	t := a.History.Timelines(r.Context(), []counting.Page{page}, asked)[0]
	if t.Err != nil {
		return nil, t.Err
	}
	text := func(t time.Time) string { return t.Format(time.RFC3339) }
	answer := historyJSON{
		PageID: page, Step: t.Step, Zone: t.From().Location().String(), From: text(t.From()), To: text(t.To()), Buckets: make([]bucketJSON, len(t.Visits)),
		Sum: t.Sum, Total: t.Total, BeforeHistory: t.Before, HistorySince: text(t.Since),
	}
	for i, visits := range t.Visits {
		answer.Buckets[i] = bucketJSON{text(t.Start(i)), visits}
	}
	return json.Marshal(answer)
}

// readResults reads pages, with those of the last time unless length is 0. An error is about
// all of them.
func (a *api) readResults(ctx context.Context, pages []counting.Page, length time.Duration) (results []readingResult, errs []error, err error) {
	results, errs = make([]readingResult, len(pages)), make([]error, len(pages))
	if length > 0 {
		rolled := a.History.Rolling(ctx, pages, length)
		for i, page := range pages {
			if err := rolled[i].Err; errors.Is(err, timeline.ErrNoHistory) || errors.Is(err, timeline.ErrResolution) {
				return nil, nil, err
			}
			results[i] = readingResult{string(page), rolled[i], true}
		}
	} else {
		readings := a.Visits.Read(ctx, pages)
		for i, page := range pages {
			results[i] = readingResult{string(page), timeline.Rolled{Reading: readings[i]}, false}
		}
	}
	for i := range results {
		errs[i] = results[i].Err
	}
	return results, errs, nil
}
