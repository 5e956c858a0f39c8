package problem_test

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"footfall/adapters/httpapi/problem"
	"footfall/domain/counting"
	"footfall/test/check"
)

func TestEveryFaultHasAStatusOfHTTP(t *testing.T) {
	for _, f := range []problem.Fault{
		problem.BadRequest("a", ""), problem.NotFound("a", ""), problem.TooLarge(""), problem.Unavailable("a", "", 1), problem.RateLimited(1500),
		problem.Of(counting.ErrInDoubt, true), problem.Of(counting.KeyReused, true), problem.Of(counting.Overflow, true), problem.Of(errors.New("x"), false),
	} {
		if title := http.StatusText(f.Status); title == "" || !strings.Contains(string(f.JSON()), `"title":"`+title+`"`) {
			t.Errorf("%+v: %s", f, f.JSON())
		}
	}
	known := 0
	for status := 400; status < 600; status++ {
		if title := problem.New(status, "a", "").Title(); title != "" {
			known++
			check.Equal(t, title, http.StatusText(status), "the title of %d", status)
		}
	}
	check.Equal(t, known, 15, "statuses that have a title")
}

// An error that is in doubt stays in doubt, whatever else it wraps.
func TestDoubtWins(t *testing.T) {
	for _, err := range []error{
		fmt.Errorf("%w: %w", counting.ErrUnavailable, counting.ErrInDoubt), errors.Join(counting.Overflow, counting.ErrInDoubt), errors.New("anything else"),
	} {
		if f := problem.Of(err, true); !f.InDoubt() {
			t.Errorf("%v: %+v", err, f)
		}
	}
}

func TestAllRefusedIsAboutAllItems(t *testing.T) {
	gone := fmt.Errorf("node: %w", counting.ErrUnavailable)
	for want, errs := range map[error][]error{gone: {gone, counting.Moving}, nil: {gone, nil}} {
		check.Is(t, problem.AllRefused(errs, true), want, "%v", errs)
	}
	check.OK(t, problem.AllRefused(nil, true))
}
