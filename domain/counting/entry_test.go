package counting_test

import (
	"testing"

	"footfall/domain/counting"
	"footfall/test/check"
)

func TestTheEntryThatSaysMoreIsFurther(t *testing.T) {
	order := []counting.State{counting.Open, counting.Damaged, counting.Lost, counting.Sealed, counting.Published, counting.Done}
	for i, a := range order {
		for j, b := range order {
			check.Equal(t, (counting.Entry{State: a}).Supersedes(counting.Entry{State: b}), i > j, "%s supersedes %s", a, b)
		}
	}
}
