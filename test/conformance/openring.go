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
	for _, call := range []func() error{
		func() error { return check.Err(n.Fence(tb.Context(), r)) },
		func() error { return n.Open(tb.Context(), r) },
	} {
		err := call()
		var late net.Error
		for end := time.Now().Add(time.Minute); errors.As(err, &late) && late.Timeout() && time.Now().Before(end); {
			err = call()
		}
		check.Must(tb, err)
	}
}
