package redisnode_test

import (
	"bytes"
	"errors"
	"log/slog"
	"strings"
	"testing"

	"footfall/adapters/redisnode"
	"footfall/domain/counting"
	"footfall/test/check"
	"footfall/test/servers"
)

// X1: a server that loads its append-only file writes none meanwhile. That is not taken for
// its setting: no warning is logged, and its disk is waited for afterwards.
func TestX1AServerThatLoadsIsNotTakenForOneWithoutAFile(t *testing.T) {
	t.Parallel()
	server := servers.StartRedis(t, "--key-load-delay", "100", "--appendfsync", "everysec")
	y := startYounger(t, server.Addr)
	m := atSource(t, &servers.Redis{Addr: y.addr})
	m.do(t, moving.fence, moving.open)
	c := server.Client()
	defer func() { _ = c.Close() }()
	fill := c.Pipeline()
	for range 100_000 {
		fill.Incr(t.Context(), "filler")
	}
	check.Value(fill.Exec(t.Context()))(t)
	server.Kill()
	loaded := make(chan error, 1)
	go func() { loaded <- server.Start() }()

	var log bytes.Buffer
	n := redisnode.New(redisnode.Options{ID: m.ID(), Addr: y.addr, Log: slog.New(slog.NewTextHandler(&log, nil))})
	defer func() { _ = n.Close() }()
	for range 8 {
		eventually(t, func() bool {
			_, err := n.RingState(t.Context())
			return errors.Is(err, counting.ErrNotApplied) && strings.HasPrefix(counting.ServerSays(err), "LOADING") && m.claim(t.Context()) != nil
		})
	}
	check.Must(t, c.ConfigSet(t.Context(), "key-load-delay", "0").Err())
	check.Must(t, <-loaded)
	check.Equal(t, log.String(), "", "what is logged")
	y.synced.Store(true)
	m.do(t, moving.claim)
	if y.asked.Load() == 0 {
		t.Error("the disk is not waited for")
	}
	eventually(t, func() bool { _, err := n.RingState(t.Context()); return err == nil })
	check.Equal(t, log.String(), "", "what is logged")
}
