package counting

import (
	"errors"
	"fmt"
	"strconv"
)

// ErrBadID is wrapped by every error of ParseID.
var ErrBadID = errors.New("bad id")

// ID is an id whose distinct values are counted per window.
type ID int64

// ParseID reads a decimal integer without a plus sign; 007 is 7.
func ParseID(s string) (ID, error) {
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil || s[0] == '+' {
		return 0, fmt.Errorf("%w: want a decimal integer of at most 64 bits", ErrBadID)
	}
	return ID(n), nil
}
