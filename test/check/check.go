// Package check has the checks that tests make most often, each in one line.
package check

import (
	"errors"
	"fmt"
	"strings"
	"testing"
)

// Must ends the test when err is not nil. what, here and below, is a format and its
// arguments, and says what was checked.
func Must(tb testing.TB, err error, what ...any) {
	tb.Helper()
	if err != nil {
		tb.Fatal(text(what) + err.Error())
	}
}

// OK fails the test when err is not nil, as Must does, but the test goes on.
func OK(tb testing.TB, err error, what ...any) {
	tb.Helper()
	if err != nil {
		tb.Error(text(what) + err.Error())
	}
}

func text(what []any) string {
	if len(what) == 0 {
		return ""
	}
	return fmt.Sprintf(what[0].(string), what[1:]...) + ": "
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

// Err returns the error of a call that returns more, as in check.Err(os.Open(name)).
func Err(results ...any) error {
	err, _ := results[len(results)-1].(error)
	return err
}

// Is fails the test unless err is, or wraps, want. The test goes on.
func Is(tb testing.TB, err, want error, what ...any) {
	tb.Helper()
	if !errors.Is(err, want) {
		tb.Errorf("%sgot the error %v, want %v", text(what), err, want)
	}
}

// Fails fails the test when err is nil. The test goes on.
func Fails(tb testing.TB, err error, what ...any) {
	tb.Helper()
	if err == nil {
		tb.Errorf("%sgot no error", text(what))
	}
}

// Says fails the test unless err is an error whose text has all of these parts. The
// test goes on.
func Says(tb testing.TB, err error, parts ...string) {
	tb.Helper()
	for _, part := range parts {
		if err == nil || !strings.Contains(err.Error(), part) {
			tb.Errorf("got the error %v, want one that says %q", err, part)
		}
	}
}

// Equal fails the test unless got is want. The test goes on.
func Equal[T comparable](tb testing.TB, got, want T, what string, args ...any) {
	tb.Helper()
	if got != want {
		tb.Errorf("%s: got %v, want %v", fmt.Sprintf(what, args...), got, want)
	}
}
