// Package check has the checks that tests make most often, each in one line.
package check

import (
	"errors"
	"fmt"
	"testing"
)

// Must ends the test when err is not nil.
func Must(tb testing.TB, err error) {
	tb.Helper()
	if err != nil {
		tb.Fatal(err)
	}
}

// OK fails the test when err is not nil. The test goes on.
func OK(tb testing.TB, err error) {
	tb.Helper()
	if err != nil {
		tb.Error(err)
	}
}

// Value returns what a call has returned, as in check.Value(os.Open(name))(t).
// It ends the test when the call has failed.
func Value[T any](v T, err error) func(testing.TB) T {
	return func(tb testing.TB) T {
		tb.Helper()
		Must(tb, err)
		return v
	}
}

// Is fails the test unless err is, or wraps, want. The test goes on.
func Is(tb testing.TB, err, want error, what string, args ...any) {
	tb.Helper()
	if !errors.Is(err, want) {
		tb.Errorf("%s: got the error %v, want %v", fmt.Sprintf(what, args...), err, want)
	}
}

// Equal fails the test unless got is want. The test goes on.
func Equal[T comparable](tb testing.TB, got, want T, what string, args ...any) {
	tb.Helper()
	if got != want {
		tb.Errorf("%s: got %v, want %v", fmt.Sprintf(what, args...), got, want)
	}
}
