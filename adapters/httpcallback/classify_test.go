package httpcallback_test

import (
	"errors"
	"fmt"
	"testing"

	"footfall/adapters/httpcallback"
	"footfall/domain/publishing"
)

// The rule for every status that there is.
func TestEveryStatusHasItsOutcome(t *testing.T) {
	for status := 100; status <= 599; status++ {
		want := publishing.Failed
		switch {
		case status >= 200 && status <= 299:
			want = publishing.Delivered
		case status == 410:
			want = publishing.Refused
		}
		if got, host := httpcallback.Classify(status, nil); got != want || host != (status >= 500) {
			t.Errorf("%d: %s, host failed: %v; want %s", status, got, host, want)
		}
	}
}

func TestEveryFailureWithoutAnAnswerHasItsOutcome(t *testing.T) {
	for err, want := range map[error]publishing.Outcome{
		errors.New("no answer in time"):                                 publishing.Failed,
		fmt.Errorf("connect: %w", publishing.ErrForbidden):              publishing.Refused,
		fmt.Errorf("%w: look-up", errors.New("no such host is around")): publishing.Failed,
	} {
		if got, host := httpcallback.Classify(0, err); got != want || host != (want == publishing.Failed) {
			t.Errorf("%v: %s, host failed: %v; want %s", err, got, host, want)
		}
	}
}
