package rabbitmq_test

import (
	"strings"
	"testing"
	"time"

	"footfall/test/check"
	"footfall/test/servers"
)

// N4: a publisher says where its broker is, since when it is away and why, for as long as it
// is. The time is that of the loss, and not of the last attempt.
func TestN4APublisherSaysSinceWhenItsBrokerIsAway(t *testing.T) {
	t.Parallel()
	s, name := server(t), queue(t)
	proxy := servers.StartProxy(t, s.Addr)
	p, log := started(t, s.URL(proxy.Addr, name))
	mustPublish(t, p, 1)
	if away := p.Away(); away != nil {
		t.Errorf("it says %+v while the broker takes counts", away)
	}

	before := time.Now()
	proxy.Refuse()
	waitFor(t, "the reason is that no connection comes about", func() bool {
		away := p.Away()
		return away != nil && strings.Contains(away.Err.Error(), "connection refused")
	})
	first := p.Away()
	err := refusal(t, p)
	mustRefuse(t, err, "rabbitmq: not reached: dial tcp")
	check.Equal(t, strings.Contains(err.Error(), "refused: "), false, "an error says that a broker which was not reached has refused")
	check.Equal(t, first.Addr, proxy.Addr, "where it is")
	if first.Since.Before(before) || time.Since(first.Since) < 0 {
		t.Errorf("it is away since %v, want a time after %v", first.Since, before)
	}
	waitFor(t, "it has tried again", func() bool { return p.Away() != first })
	check.Equal(t, p.Away().Since, first.Since, "the time of the loss")

	check.Must(t, proxy.Accept())
	waitFor(t, "it is not away any more", func() bool { return p.Away() == nil })
	mustPublish(t, p, 2)
	if strings.Contains(log.String()+first.Err.Error(), s.Secret()) {
		t.Error("the password is in the log or in the reason")
	}
}
