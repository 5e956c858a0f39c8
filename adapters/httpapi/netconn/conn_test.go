package netconn_test

import (
	"io"
	"net"
	"os"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"footfall/adapters/httpapi/netconn"
	"footfall/test/check"
)

// counted is a connection that counts how often its deadlines are set and how
// often it is read.
type counted struct {
	net.Conn
	deadlines, reads atomic.Int64
}

func (c *counted) SetReadDeadline(t time.Time) error {
	c.deadlines.Add(1)
	return c.Conn.SetReadDeadline(t)
}

func (c *counted) SetWriteDeadline(t time.Time) error {
	c.deadlines.Add(1)
	return c.Conn.SetWriteDeadline(t)
}

func (c *counted) Read(p []byte) (int, error) {
	c.reads.Add(1)
	return c.Conn.Read(p)
}

// pair is a connection with its other end, in a bubble of virtual time.
func pair(t *testing.T) (c *netconn.Conn, inner *counted, far net.Conn) {
	near, far := net.Pipe()
	inner = &counted{Conn: near}
	c = netconn.Wrap(inner)
	t.Cleanup(func() {
		_ = c.Close()
		_ = far.Close()
	})
	return c, inner, far
}

type (
	call   = func([]byte) (int, error)
	setter = func(time.Time) error
)

// wait is how long a call takes until its deadline ends it.
func wait(t *testing.T, do call) time.Duration {
	t.Helper()
	begin := time.Now()
	check.Is(t, check.Err(do(make([]byte, 8))), os.ErrDeadlineExceeded, "a call without an answer")
	return time.Since(begin)
}

// long is a deadline that lies far behind those that are asked for.
const long = time.Hour

func TestDeadlinesOfConnectionsComeInTime(t *testing.T) {
	for name, of := range map[string]func(*netconn.Conn, net.Conn) (do call, set setter, answer call){
		"read":  func(c *netconn.Conn, far net.Conn) (call, setter, call) { return c.Read, c.SetReadDeadline, far.Write },
		"write": func(c *netconn.Conn, far net.Conn) (call, setter, call) { return c.Write, c.SetWriteDeadline, far.Read },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c, _, far := pair(t)
				do, set, answer := of(c, far)
				for _, after := range []time.Duration{5 * time.Second, long, 2 * time.Second, 2500 * time.Millisecond} {
					_ = set(time.Now().Add(long))
					go func() { _, _ = answer(make([]byte, 1)) }()
					check.Value(do(make([]byte, 1)))(t)
					_ = set(time.Now().Add(after))
					if took := wait(t, do); took < after || took > after+time.Second {
						t.Errorf("a deadline after %v came after %v", after, took)
					}
				}
				_ = set(time.Now().Add(time.Second))
				_ = set(time.Now().Add(5 * time.Second)) // it replaces the first one
				if took := wait(t, do); took < 5*time.Second || took > 6*time.Second {
					t.Errorf("a deadline that was postponed to 5 s came after %v", took)
				}
			})
		})
	}
}

func TestADeadlineCanBeSetWhileTheCallIsUnderWay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, _, _ := pair(t)
		time.AfterFunc(time.Minute, func() { _ = c.SetReadDeadline(time.Unix(1, 0)) })
		check.Equal(t, wait(t, c.Read), time.Minute, "a read was ended after")
		_ = c.SetReadDeadline(time.Time{})
		time.AfterFunc(long, func() { _ = c.SetReadDeadline(time.Now().Add(5 * time.Second)) })
		check.Equal(t, wait(t, c.Read), long+5*time.Second, "a read was ended after")
	})
}

// A deadline that is postponed with each request is set about once in the time
// that it leaves.
func TestADeadlineThatIsPostponedIsSetSeldom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, inner, far := pair(t)
		go func() { _, _ = io.Copy(far, far) }()
		const requests, every, leaves = 10_000, 10 * time.Millisecond, 5 * time.Second
		for range requests {
			_ = c.SetReadDeadline(time.Now().Add(leaves))
			_ = c.SetWriteDeadline(time.Now().Add(leaves))
			time.Sleep(every)
			check.Value(c.Write([]byte("x")))(t)
			check.Value(c.Read(make([]byte, 1)))(t)
		}
		if most := int64(2 * (requests*every/leaves + 1)); inner.deadlines.Load() > most {
			t.Errorf("%d requests set %d deadlines, want at most %d", requests, inner.deadlines.Load(), most)
		}
	})
}

// A write whose deadline was postponed meanwhile resumes where it was.
func TestAWriteResumesWhenItsDeadlineWasPostponed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, _, far := pair(t)
		_ = c.SetWriteDeadline(time.Now().Add(2 * time.Second))
		go func() { _, _ = io.ReadFull(far, make([]byte, 1)) }()
		if _, err := c.Write([]byte("a")); err != nil { // the real deadline is set now
			t.Fatal(err)
		}
		_ = c.SetWriteDeadline(time.Now().Add(long))
		got := make([]byte, 6)
		go func() {
			_, _ = io.ReadFull(far, got[:3])
			time.Sleep(time.Minute)
			_, _ = io.ReadFull(far, got[3:])
		}()
		if n, err := c.Write([]byte("abcdef")); n != 6 || err != nil || string(got) != "abcdef" {
			t.Errorf("wrote %d of 6 bytes, and %q arrived: %v", n, got, err)
		}
	})
}

func TestPausedReadsReachNoConnection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, inner, far := pair(t)
		c.PauseBackgroundRead()
		go func() { _, _ = far.Write([]byte("next")) }()
		got := make([]byte, 8)
		if n, err := c.Read(got); n != 0 || err != nil || inner.reads.Load() > 0 {
			t.Errorf("a background read gave %d bytes, %v, and %d reads", n, err, inner.reads.Load())
		}
		c.ResumeBackgroundRead()
		if n, err := c.Read(got); string(got[:n]) != "next" || err != nil {
			t.Errorf("read %q, %v", got[:n], err)
		}
	})
}
