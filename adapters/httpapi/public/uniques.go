package public

import (
	"net/http"

	"footfall/adapters/httpapi"
	"footfall/adapters/httpapi/request"
	"footfall/domain/publishing"
)

// uniqueRoutes serves ids and windows.
type uniqueRoutes struct {
	httpapi.Replies
	uniques Uniques
	ok      []byte
}

// accept serves GET /api/verve/accept.
func (u *uniqueRoutes) accept(w http.ResponseWriter, r *http.Request, _ string) error {
	id, endpoint, err := request.IDEvent(r.URL.RawQuery)
	if err != nil {
		return err
	}
	if err := u.uniques.Accept(r.Context(), id, endpoint); err != nil {
		return err
	}
	u.Text(w, http.StatusOK, u.ok)
	return nil
}

// windows serves GET /api/verve/windows.
func (u *uniqueRoutes) windows(w http.ResponseWriter, r *http.Request, _ string) error {
	limit, err := request.Limit(r.URL.RawQuery)
	if err != nil {
		return err
	}
	summaries, err := u.uniques.Windows(r.Context(), limit)
	if err != nil {
		return err
	}
	return u.JSON(w, windowsOf(summaries))
}

type windowsJSON struct {
	Windows []publishing.Summary `json:"windows"`
}

func windowsOf(summaries []publishing.Summary) windowsJSON {
	windows := make([]publishing.Summary, len(summaries))
	for i, s := range summaries {
		windows[i] = s.UTC()
	}
	return windowsJSON{windows}
}
