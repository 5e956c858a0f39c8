package redisnode_test

import (
	"context"
	"testing"
	"time"

	"footfall/domain/counting"
	"footfall/test/check"
	"footfall/test/servers"
)

// N4: the words for a server that is gone and for one that hangs differ, to a node that is
// connected and to one that is not. A server that answers is not silent.
func TestN4AServerThatIsGoneDiffersFromOneThatHangs(t *testing.T) {
	t.Parallel()
	const refused, hangs = "connection refused", "connected, but no answer in time"
	s := servers.StartRedis(t)
	connected := joined(t, s)
	why := func(n node) string {
		ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
		defer cancel()
		_, err := n.Read(ctx, counting.Expected{Epoch: 1}, nil)
		return counting.WhySilent(err)
	}
	check.Equal(t, why(connected), "", "why a server that answers is silent")

	s.Freeze()
	check.Equal(t, why(connected), hangs, "why a server that hangs is silent")
	check.Equal(t, why(connected), hangs, "why it is the second time")
	check.Equal(t, why(open(t, "redis_7070", s)), hangs, "why it is to a new node")
	s.Thaw()
	eventually(t, func() bool { return check.Err(connected.Read(t.Context(), counting.Expected{Epoch: 1}, nil)) == nil })

	s.Kill()
	eventually(t, func() bool { return why(connected) == refused })
	check.Equal(t, why(open(t, "redis_7070", s)), refused, "why a server that is gone is silent to a new node")
	nowhere := openURL(t, s, "redis://footfall.invalid:6379")
	check.Equal(t, why(nowhere), "no address is found for its name", "why a server without an address is silent")
}
