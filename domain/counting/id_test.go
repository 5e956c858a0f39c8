package counting_test

import (
	"errors"
	"math"
	"math/big"
	"regexp"
	"strings"
	"testing"

	"footfall/domain/counting"
	"footfall/test/check"
)

func TestParseIDReadsDecimals(t *testing.T) {
	for s, want := range map[string]counting.ID{
		"0": 0, "-0": 0, "7": 7, "007": 7, "-007": -7, "123": 123, "-1": -1,
		"9223372036854775807":                       math.MaxInt64,
		"-9223372036854775808":                      math.MinInt64,
		strings.Repeat("0", 1000) + "1":             1,
		"-" + strings.Repeat("0", 1000) + "42":      -42,
		"00000000000000000000009223372036854775807": math.MaxInt64,
	} {
		check.Equal(t, check.Value(counting.ParseID(s))(t), want, "%.40q", s)
	}
}

func TestParseIDRefuses(t *testing.T) {
	for _, s := range []string{
		"", " ", "abc", "1a", "a1", " 1", "1 ", "1\n", "1.0", "1.", ".1", "1e3", "0x10", "0b1", "0o7", "1_000", "1,000",
		"-", "+", "+0", "+7", "--1", "+-1", "-+1", "1-", "9223372036854775808", "-9223372036854775809", "18446744073709551615",
		"99999999999999999999999999", "٣", "１", "−1", "\x00", "\xff", "NaN", "Inf", "null", "true",
	} {
		got, err := counting.ParseID(s)
		if !errors.Is(err, counting.ErrBadID) || got != 0 {
			t.Errorf("%q: got (%d, %v), want ErrBadID", s, got, err)
		}
	}
}

func TestTheErrorOfAnIDDoesNotRepeatIt(t *testing.T) {
	if _, err := counting.ParseID("secret\n"); err == nil || strings.Contains(err.Error(), "secret") {
		t.Errorf("got %v", err)
	}
}

func FuzzParseID(f *testing.F) {
	decimal := regexp.MustCompile(`^-?[0-9]+$`)
	f.Fuzz(func(t *testing.T, s string) {
		got, err := counting.ParseID(s)
		want, isInteger := new(big.Int), decimal.MatchString(s)
		if isInteger {
			want, isInteger = want.SetString(s, 10)
		}
		switch {
		case isInteger && want.IsInt64():
			if err != nil || int64(got) != want.Int64() {
				t.Fatalf("%q: got (%d, %v), want %v", s, got, err, want)
			}
		case !errors.Is(err, counting.ErrBadID) || got != 0:
			t.Fatalf("%q: got (%d, %v), want ErrBadID", s, got, err)
		}
	})
}
