package bootstrap_test

import (
	"net/http"
	"strings"
	"testing"
)

// looks is an admin listener that makes a change to epoch 2, and then answers
// each look at the ring in turn; the last for ever.
func looks(t *testing.T, answers ...func(http.ResponseWriter)) (flag string) {
	t.Helper()
	look := 0
	return adminAt(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodGet {
			_, _ = w.Write([]byte(`{"epoch":2}`))
			return
		}
		answers[min(look, len(answers)-1)](w)
		look++
	})
}

func answer(text string) func(http.ResponseWriter) {
	return func(w http.ResponseWriter) { _, _ = w.Write([]byte(text)) }
}

func status(code int) func(http.ResponseWriter) {
	return func(w http.ResponseWriter) { w.WriteHeader(code) }
}

// A change that can't end by itself keeps nobody waiting, and says why.
func TestAChangeWhoseArcsAreStuckIsNotWaitedFor(t *testing.T) {
	t.Parallel()
	stuck := `{"epoch":2,"moves":{"left":1,"total":9,"stuck":[{"arc":5,"from":"a","to":"b","at":"b","reason":"corrupt","why":"it is no count"}]}}`
	code, _, stderr := run(t, "ring", "weight", "b", "2", looks(t, answer(`{"epoch":2,"moves":{"left":9,"total":9}}`), answer(stuck)))
	if want := `footfall: stuck: arc 5 from a to b, corrupt at b: "it is no count"
footfall: 1 arcs can't be moved for now; the change was made and goes on: see footfall ring status
`; code != 1 || stderr != want {
		t.Errorf("exit code %d, %q, want 1, %q", code, stderr, want)
	}
}

// One look that fails says nothing about the change.
func TestAChangeIsWaitedForThoughALookFails(t *testing.T) {
	t.Parallel()
	done := `{"epoch":2,"moves":{"left":0,"total":9}}`
	code, stdout, stderr := run(t, "ring", "weight", "b", "2", looks(t, status(http.StatusServiceUnavailable), answer(done)))
	if code != 0 || stdout != `{"epoch":2}`+"\n"+done+"\n" || strings.Count(stderr, "; trying again for up to ") != 1 {
		t.Errorf("exit code %d, %q, %q", code, stdout, stderr)
	}
	code, _, stderr = run(t, "ring", "weight", "b", "2", looks(t, status(http.StatusUnauthorized)))
	if code != 1 || stderr != "footfall: 401 Unauthorized: ; the change was made and goes on: see footfall ring status\n" {
		t.Errorf("exit code %d, %q", code, stderr)
	}
}
