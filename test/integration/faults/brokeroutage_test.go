package faults_test

import (
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"footfall/test/check"
	"footfall/test/integration/service"
	"footfall/test/servers"
)

// U3, U4, U6, in one life of the service: the broker
// is not there at the start, comes, raises a memory alarm, is killed under it
// and away for two windows and more, comes back, freezes, and goes on. While
// it takes nothing the counts are in the log, and when it is well they are in
// the queue. None is lost, and only the broker is started again.
func TestABrokerThatComesAndGoesLosesNoCount(t *testing.T) {
	t.Parallel()
	broker := check.Value(servers.OpenRabbitMQ())(t)
	t.Cleanup(broker.Close)
	p := newPublication(t, broker)
	in, f := p.feeds()

	p.logGrows(2) // absent
	p.isReady(in)
	p.recovers("its first start", broker.Start)

	check.Must(t, broker.SetMemoryLimit(0))
	p.logGrows(1)
	p.isReady(in)
	broker.Kill()
	p.logGrows(3) // one of them may have been on its way at the kill
	p.recovers("its return after two windows", broker.Start)

	broker.Freeze()
	p.logGrows(2)
	p.recovers("its thaw", func() error { broker.Thaw(); return nil })
	p.resolve(f)
	p.hidesPassword(in)
}

// recovers waits until a window's count is in the queue after the broker is
// well again.
func (p *publication) recovers(what string, heal func() error) {
	p.T.Helper()
	check.Must(p.T, heal())
	well := time.Now()
	p.sinkGrows(1)
	// 15 s and a window are promised; a machine that is busy adds to that.
	p.T.Logf("a count is in the queue %v after %s", time.Since(well).Round(100*time.Millisecond), what)
}

// U18: neither the broker nor the log takes a count.
// The window waits, and is published when one of them is back.
func TestACountThatNothingTakesWaits(t *testing.T) {
	t.Parallel()
	for name, heal := range map[string]func(*publication, *servers.Proxy) error{
		"until the broker is back": func(_ *publication, proxy *servers.Proxy) error { return proxy.Accept() },
		"until the log is back":    func(p *publication, _ *servers.Proxy) error { return syscall.Rmdir(p.CaptureLog()) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := newPublication(t, nil)
			proxy := p.through()
			in, f := p.feeds()
			p.sinkGrows(1)
			// A folder in its place: it can't be opened again.
			check.Must(t, os.Remove(p.CaptureLog()))
			check.Must(t, os.Mkdir(p.CaptureLog(), 0o750))
			proxy.Refuse()
			waits := func() bool { return strings.Contains(in.Get("/api/verve/windows").Body, `"state":"sealed"`) }
			service.WaitFor(t, "a window waits", waits)
			check.Must(t, heal(p, proxy))
			service.WaitFor(t, "none waits", func() bool { return !waits() })
			_ = syscall.Rmdir(p.CaptureLog()) // if it is still one
			p.resolve(f)
		})
	}
}
