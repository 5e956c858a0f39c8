package redisnode_test

import (
	"context"
	"errors"
	"log/slog"
	"net/url"
	"os"
	"sync"
	"testing"

	"footfall/adapters/redisnode"
	"footfall/domain/counting"
	"footfall/test/check"
	"footfall/test/servers"
)

// openURL opens the only node of a URL.
func openURL(t *testing.T, server *servers.Redis, text string) node {
	t.Helper()
	options := check.Value(redisnode.ParseURL(text))(t)
	options[0].Log = slog.New(slog.DiscardHandler)
	n := redisnode.New(options[0])
	t.Cleanup(func() { _ = n.Close() })
	return node{n, server}
}

// wantUnusable checks that a node can't be used until an operator has mended it.
func wantUnusable(t *testing.T, n node, why string) {
	t.Helper()
	_, err := n.RingState(t.Context())
	for errors.Is(err, context.DeadlineExceeded) { // a busy machine
		_, err = n.RingState(t.Context())
	}
	check.Is(t, err, counting.ErrUnusable)
	check.Says(t, err, why)
}

func TestRedisAndItsClientsKnowEachOtherByTheirCertificates(t *testing.T) {
	t.Parallel()
	a := servers.NewAuthority(t)
	s := servers.StartRedisTLS(t, a)
	cert, key := a.Issue(t, "footfall")
	base := "rediss://" + s.Addr
	joined := join(t, openURL(t, s, base+"?ca="+a.File+"&cert="+cert+"&key="+key))
	check.Value(joined.Apply(t.Context(), visits(1)))(t)
	joined.wantVisits(t, 1)

	wantUnusable(t, openURL(t, s, base+"?cert="+cert+"&key="+key), "unknown authority")
	wantUnusable(t, openURL(t, s, base+"?ca="+a.File), "certificate")
	wantUnusable(t, openURL(t, s, base+"?ca="+a.File+"&cert="+cert+"&key="+key+"&server_name=another"), "another")
	other := servers.NewAuthority(t)
	cert, key = other.Issue(t, "footfall")
	wantUnusable(t, openURL(t, s, base+"?ca="+a.File+"&cert="+cert+"&key="+key), "unknown certificate authority")
}

func TestTheNameInTheServersCertificateCanBeSet(t *testing.T) {
	t.Parallel()
	a := servers.NewAuthority(t)
	cert, key := a.Issue(t, "redis.internal")
	s := servers.StartRedisTLS(t, a, "--tls-auth-clients", "no", "--tls-cert-file", cert, "--tls-key-file", key)
	base := "rediss://" + s.Addr + "?ca=" + url.QueryEscape(a.File)
	wantUnusable(t, openURL(t, s, base), "127.0.0.1")
	_, err := openURL(t, s, base+"&server_name=redis.internal").RingState(t.Context())
	check.Is(t, err, counting.ErrUninitialized)
}

func TestRenewedFilesOfTLSNeedNoRestart(t *testing.T) {
	t.Parallel()
	before := servers.NewAuthority(t)
	s := servers.StartRedisTLS(t, before)
	cert, key := before.Issue(t, "footfall")
	n := join(t, openURL(t, s, "rediss://"+s.Addr+"?ca="+before.File+"&cert="+cert+"&key="+key))
	check.Value(n.Apply(t.Context(), visits(1)))(t)

	s.Kill()
	after := servers.NewAuthority(t)
	s.Renew(t, after)
	check.Must(t, s.Start())
	_, _ = n.RingState(t.Context()) // meets the connection that the server closed
	wantUnusable(t, n, "unknown authority")
	replace(t, before.File, after.File)
	wantUnusable(t, n, "unknown certificate authority")
	newCert, newKey := after.Issue(t, "footfall")
	replace(t, cert, newCert)
	_, err := n.RingState(t.Context())
	wantNotApplied(t, err, "does not match") // the files are replaced one by one
	replace(t, key, newKey)
	n.wantVisits(t, 1)
	check.Must(t, os.Remove(cert))
	n.wantVisits(t, 1) // the connection lives
}

// replace gives a file the content of another one.
func replace(t *testing.T, file, by string) {
	t.Helper()
	check.Must(t, os.WriteFile(file, check.Value(os.ReadFile(by))(t), 0o600))
}

// F5: the server closes the connection on which a read is under way.
func TestF5AReadThatMeetsAClosedConnectionIsRepeatedOnce(t *testing.T) {
	t.Parallel()
	server := servers.StartRedis(t)
	check.Value(joined(t, server).Apply(t.Context(), visits(1)))(t)
	proxy := servers.StartProxy(t, server.Addr)
	n := openURL(t, server, "redis://"+proxy.Addr)
	_, err := n.RingSummary(t.Context()) // wants another id
	check.Is(t, err, counting.ErrWrongNode)
	once, _ := proxy.DropReply("WRONGNODE")
	_, err = n.RingSummary(t.Context())
	check.Is(t, err, counting.ErrWrongNode)
	<-once
	twice, _ := proxy.DropReply("WRONGNODE")
	again, _ := proxy.DropReply("WRONGNODE")
	_, err = n.RingSummary(t.Context())
	if err == nil || errors.Is(err, counting.ErrWrongNode) {
		t.Errorf("%v, want that the connection was closed", err)
	}
	<-twice
	<-again
}

// V27: pool_size, a parameter of the URL.
func TestPoolSizeBoundsTheConnections(t *testing.T) {
	t.Parallel()
	server := servers.StartRedis(t)
	n := openURL(t, server, "redis://"+server.Addr+"?pool_size=2")
	var calls sync.WaitGroup
	for range 50 {
		calls.Go(func() { _, _ = n.RingState(t.Context()) })
	}
	calls.Wait()
	own := server.Client()
	defer func() { _ = own.Close() }()
	info := check.Value(own.InfoMap(t.Context(), "stats").Result())(t)
	check.Equal(t, info["Stats"]["total_connections_received"], "3", "connections, with that of the test")
}
