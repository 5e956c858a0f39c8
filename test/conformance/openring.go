package conformance

import (
	"errors"
	"net"
	"testing"
	"time"

	"footfall/domain/sharding"
	"footfall/test/check"
)

// OpenRing lets a node fence and open a ring. A call without an answer in time is repeated: the
// first one connects, which takes long on a busy machine.
func OpenRing(tb testing.TB, n sharding.RingStore, r *sharding.Ring) {
	tb.Helper()
	insist(tb, func() error { return check.Err(n.Fence(tb.Context(), r)) })
	insist(tb, func() error { return n.Open(tb.Context(), r) })
}

// insist repeats a call without an answer in time.
func insist(tb testing.TB, call func() error) {
	tb.Helper()
	err := call()
	var late net.Error
	for end := time.Now().Add(time.Minute); errors.As(err, &late) && late.Timeout() && time.Now().Before(end); {
		err = call()
	}
	check.Must(tb, err)
}
