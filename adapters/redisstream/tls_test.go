package redisstream_test

import (
	"os"
	"strings"
	"testing"

	"footfall/test/check"
	"footfall/test/servers"
	"footfall/test/sinktest"
)

// The files are read at each connection, so that renewed ones need no restart.
func TestTLSChecksBothEnds(t *testing.T) {
	t.Parallel()
	a, other := servers.NewAuthority(t), servers.NewAuthority(t)
	s := servers.StartRedisTLS(t, a)
	cert, key := a.Issue(t, "footfall")
	base := strings.Replace(url(s.Addr), "redis-", "rediss-", 1) + "?ca="
	for url, why := range map[string]string{
		base + a.File: "remote error: tls: certificate required",
		base + a.File + "&server_name=elsewhere&cert=" + cert + "&key=" + key: "elsewhere",
	} {
		p, _ := started(t, url)
		sinktest.MustRefuse(t, sinktest.Publish(t, p, 1), "publisher refused: redisstream: ", why)
	}
	p, log := started(t, base+other.File+"&cert="+cert+"&key="+key)
	sinktest.MustRefuse(t, sinktest.Publish(t, p, 1), "unknown authority")
	check.Must(t, os.WriteFile(other.File, check.Value(os.ReadFile(a.File))(t), 0o600))
	sinktest.Recovers(t, p, 2)
	wantReports(t, s, "footfall_2")
	check.Equal(t, log.Lines("redis stream is away"), 1, "lines of the log")
}
