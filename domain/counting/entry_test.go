package counting_test

import (
	"testing"

	"footfall/domain/counting"
)

func TestTheEntryThatSaysMoreIsFurther(t *testing.T) {
	order := []counting.State{counting.Open, counting.Damaged, counting.Lost, counting.Sealed, counting.Published, counting.Done}
	for i, a := range order {
		for j, b := range order {
			if got := (counting.Entry{State: a}).Supersedes(counting.Entry{State: b}); got != (i > j) {
				t.Errorf("%s is further than %s: %v", a, b, got)
			}
		}
	}
}
