package redisnode

import (
	"fmt"
	"strconv"
)

// answer is what a script has answered, without its first word. An element that is
// missing, or of another type, reads as zero.
type answer []any

func (a answer) text(i int) string {
	if i >= len(a) {
		return ""
	}
	text, _ := a[i].(string)
	return text
}

// int64 reads a number, which is text in every answer.
func (a answer) int64(i int) int64 {
	v, _ := strconv.ParseInt(a.text(i), 10, 64)
	return v
}

func (a answer) int(i int) int { return int(a.int64(i)) }

func (a answer) list(i int) answer {
	if i >= len(a) {
		return nil
	}
	list, _ := a[i].([]any)
	return list
}

// count reads the stored count of a page, 0 where there is none. ok is false if it is
// no count.
func (a answer) count(i int) (count int64, ok bool) {
	text, ok := a[i].(string)
	if !ok {
		return 0, true // never visited
	}
	v, err := strconv.ParseInt(text, 10, 64)
	return v, err == nil && v >= 0
}

// check returns err, or an error unless the answer has n elements.
func (a answer) check(n int, err error) error {
	if err == nil && len(a) != n {
		err = fmt.Errorf("%d elements in an answer, want %d", len(a), n)
	}
	return err
}
