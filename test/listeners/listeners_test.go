package listeners_test

import (
	"io"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"footfall/test/check"
)

// exchange sends a row and returns the answers, as many as are wanted, and whether the
// connection has ended then.
func (l *listener) exchange(t *testing.T, r row, want string) (answers []answer, got string) {
	t.Helper()
	c := l.dial(t)
	sent := make(chan struct{})
	go func() { // an answer may come before all is sent
		defer close(sent)
		_, _ = io.WriteString(c, r.send)
	}()
	method, _, _ := strings.Cut(r.send, " ")
	var statuses []string
	for range strings.Fields(strings.TrimSuffix(want, ".")) {
		a, ok := c.next(t, method)
		if !ok {
			break
		}
		answers, statuses = append(answers, a), append(statuses, strconv.Itoa(a.status))
	}
	last := len(answers) == 0 || answers[len(answers)-1].closes
	if last {
		_, _ = io.Copy(io.Discard, c.answers)
		_ = c.Close()
		statuses = append(statuses, ".")
	}
	<-sent
	if !last && !c.goesOn(t) {
		statuses = append(statuses, "!")
	}
	return answers, strings.Join(statuses, " ")
}

// inWords reports whether an answer is one that a library has written by itself. Its words
// do not matter.
func (a answer) inWords() bool {
	return a.status >= 400 && strings.HasPrefix(a.header.Get("Content-Type"), "text/plain") && a.header.Get("X-Footfall-Error") == ""
}

// TestBothListenersAnswerAlike: I1.
func TestBothListenersAnswerAlike(t *testing.T) {
	rows := slices.Concat(names(), targets(), bulks(), fields(), framings())
	if len(rows) < 200 {
		t.Errorf("the table has %d rows", len(rows))
	}
	all := both(t, options{})
	seen := make(map[string]bool)
	for _, r := range rows {
		if seen[r.name] {
			t.Errorf("two rows are called %q", r.name)
		}
		seen[r.name] = true
		wants := [2]string{r.want, r.want}
		if r.ingest != "" {
			wants[1] = r.ingest
		}
		var answers [2][]answer
		var counted [2]string
		for i, l := range all {
			var got string
			answers[i], got = l.exchange(t, r, wants[i])
			check.Equal(t, got, wants[i], "%s: what the %s listener answers to %.200q", r.name, l.name, r.send)
			counted[i] = strings.ReplaceAll(l.store.noted(), `; read "last"`, "")
			counted[i] = strings.TrimPrefix(counted[i], `read "last"`)
		}
		for i := range all {
			if strings.Trim(strings.ReplaceAll(wants[i], "400", ""), " .") == "" {
				check.Equal(t, counted[i], "", "%s: what the %s listener counts of what it refuses", r.name, all[i].name)
			}
		}
		if r.why != "" {
			continue
		}
		check.Equal(t, counted[1], counted[0], "%s: what is counted", r.name)
		for i := range min(len(answers[0]), len(answers[1])) {
			a, b := answers[0][i], answers[1][i]
			if a.inWords() && b.inWords() {
				continue
			}
			if diff := cmp.Diff(a, b, cmp.AllowUnexported(answer{})); diff != "" {
				t.Errorf("%s: answer %d (-public +ingest):\n%s", r.name, i, diff)
			}
		}
	}
}
