package test_test

import (
	"math"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"footfall/test/check"
)

var (
	calculation = regexp.MustCompile(`[0-9][0-9.,]*(?: [-+×/] [0-9][0-9.,]*)+ = (?:\*\*)?[0-9](?:[0-9.,]*[0-9])?`)
	operand     = regexp.MustCompile(`([-+×/=]) (?:\*\*)?([0-9][0-9.,]*)`)
)

// All numbers of docs/capacity.md follow from the table at its top, which a run of a benchmark replaces.
// So each calculation has to be right, up to what its result is rounded to.
func TestCalculationsAboutCapacityAreRight(t *testing.T) {
	t.Parallel()
	all := calculation.FindAllString(read(t, "docs/capacity.md"), -1)
	if len(all) < 30 {
		t.Fatalf("found %d calculations: %q", len(all), all)
	}
	number := func(text string) float64 {
		return check.Value(strconv.ParseFloat(strings.ReplaceAll(strings.TrimRight(text, ",."), ",", ""), 64))(t)
	}
	for _, c := range all {
		first, _, _ := strings.Cut(c, " ")
		is := number(first)
		for _, m := range operand.FindAllStringSubmatch(c, -1) {
			switch n := number(m[2]); m[1] {
			case "+":
				is += n
			case "-":
				is -= n
			case "×":
				is *= n
			case "/":
				is /= n
			case "=":
				_, decimals, _ := strings.Cut(m[2], ".")
				if math.Abs(is-n) > 0.501*math.Pow10(-len(decimals)) {
					t.Errorf("%s: it is %v", c, is)
				}
			}
		}
	}
}
