package process_test

import (
	"strconv"
	"strings"
	"testing"

	"footfall/test/check"
	"footfall/test/integration/service"
	"footfall/test/servers"
)

// F23: a start that can't succeed does not wait for what will not heal. It ends at once and
// says what to do, without a password.
func TestF23AStartThatCanNotSucceedEndsAtOnceAndSaysWhy(t *testing.T) {
	t.Parallel()
	primary := servers.StartRedis(t)
	for _, c := range []struct {
		name, user string
		args       []string
		says       string
	}{
		{"a member of a cluster", "", []string{"--cluster-enabled", "yes"}, "is a member of a Redis Cluster"},
		{"a replica", "", []string{"--replicaof", "127.0.0.1", strconv.Itoa(primary.Port())}, "is a replica of " + primary.Addr + "; name the primary: redis://" + primary.Addr},
		{"no password", "", []string{"--requirepass", "right"}, "NOAUTH"},
		{"a wrong password", ":wr0ng@", []string{"--requirepass", "right"}, "WRONGPASS"},
		{"a missing right", "ff:wr0ng@", []string{"--user", "ff", "on", ">wr0ng", "~ff:*", "+@all", "-@dangerous", "+info", "-hincrby"}, "the user may not run HINCRBY"},
		{"no INFO", "ff:wr0ng@", []string{"--user", "ff", "on", ">wr0ng", "~ff:*", "+@all", "-@dangerous"}, "INFO is needed"},
		{"eviction", "", []string{"--maxmemory", "100mb", "--maxmemory-policy", "allkeys-lru"}, "want noeviction"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			in := service.NewDeployment(t, "FOOTFALL_STORE=redis://"+c.user+servers.StartRedis(t, c.args...).Addr).Launch()
			service.Await(t, "the end", in.Done)
			log := in.Logged()
			if in.Cmd.ProcessState.Success() || !strings.Contains(log, c.says) || strings.Contains(log, "no ring yet") {
				t.Errorf("it ended with %v, and said:\n%s\nwant %q", in.Cmd.ProcessState, log, c.says)
			}
			check.Equal(t, strings.Contains(log, "wr0ng"), false, "the log shows the password")
		})
	}
}

// F38: so does one whose FOOTFALL_STORE names Sentinels or a server of another kind. It says
// which URL is right.
func TestF38AStartThatNamesAnotherKindOfServerSaysWhichURLIsRight(t *testing.T) {
	t.Parallel()
	redis := servers.StartRedis(t)
	open, locked := servers.StartSentinels(t, 1, ""), servers.StartSentinels(t, 1, "sesame")
	open.Watch(t, "first", redis)
	open.Watch(t, "second", redis)
	for name, c := range map[string]struct{ store, says string }{
		"redis:// of a Sentinel":           {"redis://" + open.Addrs(), "want FOOTFALL_STORE=redis+sentinel://" + open.Addrs() + "/first,second"},
		"redis+sentinel:// of a server":    {"redis+sentinel://" + redis.Addr + "/first", "want FOOTFALL_STORE=redis://" + redis.Addr},
		"an unknown name":                  {"redis+sentinel://" + open.Addrs() + "/third", "knows no master third; it knows first, second"},
		"a Sentinel that wants a password": {"redis+sentinel://" + locked.Addrs() + "/first?sentinel_password=wr0ng", "WRONGPASS"},
		"two names of one server":          {"redis+sentinel://" + open.Addrs() + "/first,second", "are the same server"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			in := service.NewDeployment(t, "FOOTFALL_STORE="+c.store).Launch()
			service.Await(t, "the end", in.Done)
			log := in.Logged()
			if in.Cmd.ProcessState.Success() || !strings.Contains(log, c.says) || strings.Contains(log, "waiting for nodes") {
				t.Errorf("it ended with %v, and said:\n%s\nwant %q", in.Cmd.ProcessState, log, c.says)
			}
			check.Equal(t, strings.Contains(log, "wr0ng"), false, "the log shows the password")
		})
	}
}

// X4: a start that reaches no node says so while it waits. It goes on when the node is
// there, and ends with the reason when it never is.
func TestX4AStartThatReachesNoNodeSaysSo(t *testing.T) {
	t.Parallel()
	for name, comes := range map[string]bool{"the node comes": true, "it never comes": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			redis := servers.StartRedis(t)
			redis.Kill()
			in := service.NewDeployment(t, "FOOTFALL_STORE=redis://"+redis.Addr).Launch()
			service.WaitFor(t, "it says that it waits, or ends", func() bool {
				select {
				case <-in.Done:
					return true
				default:
					return strings.Contains(in.Logged(), "waiting for nodes of the first start")
				}
			})
			if comes {
				check.Must(t, redis.Start())
				in.AwaitReady()
				return
			}
			service.Await(t, "the end", in.Done)
			log := in.Logged()
			if in.Cmd.ProcessState.Success() || !strings.Contains(log, "waiting for nodes") || !strings.Contains(log, "connection refused") {
				t.Errorf("it ended with %v, and said:\n%s", in.Cmd.ProcessState, log)
			}
		})
	}
}
