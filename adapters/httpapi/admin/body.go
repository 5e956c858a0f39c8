package admin

import (
	"net/http"

	"footfall/adapters/httpapi"
	"footfall/adapters/httpapi/problem"
	"footfall/adapters/httpapi/request"
)

// maxChange is the largest body of a change that has one object, in bytes.
const maxChange = 4096

// readJSON reads a body of a type that no page of another origin can send
// without a preflight.
func readJSON(w http.ResponseWriter, r *http.Request, limit int64) ([]byte, error) {
	if !request.IsJSON(r.Header.Get("Content-Type")) {
		return nil, notJSON()
	}
	return httpapi.ReadBody(w, r, limit)
}

// readChange reads a body that is one object into the struct at to.
func readChange(w http.ResponseWriter, r *http.Request, to any) error {
	body, err := readJSON(w, r, maxChange)
	if err != nil {
		return err
	}
	return request.Object(body, to)
}

// readOptional is readChange where the body may be missing. It then needs no
// type.
func readOptional(w http.ResponseWriter, r *http.Request, to any) error {
	body, err := httpapi.ReadBody(w, r, maxChange)
	kind := r.Header.Get("Content-Type")
	switch {
	case err != nil:
		return err
	case (kind != "" || len(body) > 0) && !request.IsJSON(kind):
		return notJSON()
	case len(body) == 0:
		return nil
	}
	return request.Object(body, to)
}

// maxAgent bounds what a log line has of a User-Agent, in bytes.
const maxAgent = 64

// changed is what a log line says of a change, with what tells who sent the request.
// request_id is in the answer as well, so it is called before the answer begins.
func changed(w http.ResponseWriter, r *http.Request, what ...any) []any {
	agent := r.UserAgent()
	what = append(append(what, "request", r.Method+" "+r.URL.Path), request.LogIDs(w.Header(), r.Header)...)
	return append(what, "client", r.RemoteAddr, "user_agent", agent[:min(len(agent), maxAgent)])
}

func notJSON() error {
	return problem.New(http.StatusUnsupportedMediaType, "not_json", "A change is sent as application/json.")
}
