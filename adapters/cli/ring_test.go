package cli_test

import (
	"net/http"
	"strings"
	"testing"
)

// reads starts an admin listener that makes a change to epoch 2, and then gives
// the answers to the reads of the ring in turn. It repeats the last.
func reads(t *testing.T, answers ...func(http.ResponseWriter)) (flag string) {
	t.Helper()
	read := 0
	return adminAt(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodGet {
			_, _ = w.Write([]byte(`{"epoch":2}`))
			return
		}
		answers[min(read, len(answers)-1)](w)
		read++
	})
}

func answer(text string) func(http.ResponseWriter) {
	return func(w http.ResponseWriter) { _, _ = w.Write([]byte(text)) }
}

func status(code int) func(http.ResponseWriter) {
	return func(w http.ResponseWriter) { w.WriteHeader(code) }
}

// A command does not wait for a change that can't end by itself, and says why.
func TestAChangeWhoseArcsAreStuckIsNotWaitedFor(t *testing.T) {
	t.Parallel()
	stuck := `{"epoch":2,"moves":{"left":1,"total":9,"stuck":[{"arc":5,"from":"a","to":"b","at":"b","reason":"corrupt","why":"it is no count"}]}}`
	code, _, stderr := run(t, "ring", "weight", "b", "2", reads(t, answer(`{"epoch":2,"moves":{"left":9,"total":9}}`), answer(stuck)))
	if want := `footfall: stuck: arc 5 from a to b, corrupt at b: "it is no count"
footfall: 1 arcs can't be moved for now; the change was made and continues: see footfall ring status
`; code != 1 || stderr != want {
		t.Errorf("exit code %d, %q, want 1, %q", code, stderr, want)
	}
}

// A read that fails does not end the wait.
func TestAChangeIsWaitedForThoughAReadFails(t *testing.T) {
	t.Parallel()
	done := `{"epoch":2,"moves":{"left":0,"total":9}}`
	code, stdout, stderr := run(t, "ring", "weight", "b", "2", reads(t, status(http.StatusServiceUnavailable), answer(done)))
	if code != 0 || stdout != `{"epoch":2}`+"\n"+done+"\n" || strings.Count(stderr, "; trying again for up to ") != 1 {
		t.Errorf("exit code %d, %q, %q", code, stdout, stderr)
	}
	code, _, stderr = run(t, "ring", "weight", "b", "2", reads(t, status(http.StatusUnauthorized)))
	if code != 1 || !strings.HasPrefix(stderr, "footfall: 401 Unauthorized: ") || !strings.HasSuffix(stderr, "; the change was made and continues: see footfall ring status\n") {
		t.Errorf("exit code %d, %q", code, stderr)
	}
}
