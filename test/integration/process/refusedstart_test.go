package process_test

import (
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

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
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			refusesStart(t, c.store, c.says)
		})
	}
	t.Run("two names of one server", func(t *testing.T) {
		t.Parallel()
		// A node that gives no answer in time isn't compared. The store knows one name only.
		refusesStart(t, "redis+sentinel://"+open.Addrs()+"/first,second", "are the same server", "the store belongs to another node: it is redis_")
	})
}

// F38: so does one that names a server of another kind than a cluster, or a cluster by
// another URL, or as a user who may not ask for its slots.
func TestF38AStartOnAClusterOrNoneSaysWhichURLIsRight(t *testing.T) {
	t.Parallel()
	single, cluster := servers.StartRedis(t), servers.StartCluster(t, 1, 0)
	sentinels := servers.StartSentinels(t, 1, "")
	sentinels.Watch(t, "first", single)
	member, sentinel := cluster.Servers[0].Addr, sentinels.Addrs()
	cluster.Do(cluster.Servers[0], "acl", "setuser", "ff", "on", ">wr0ng", "~ff:*", "+@all", "-cluster")
	for store, says := range map[string]string{
		"redis://" + member:                   "want FOOTFALL_STORE=redis+cluster://" + member,
		"redis+cluster://" + single.Addr:      "want FOOTFALL_STORE=redis://" + single.Addr,
		"redis+cluster://" + sentinel:         "want FOOTFALL_STORE=redis+sentinel://" + sentinel + "/first",
		"redis+cluster://ff:wr0ng@" + member:  "'cluster|slots' command",
		"redis+cluster://ff:other0@" + member: "WRONGPASS",
	} {
		t.Run(store, func(t *testing.T) { t.Parallel(); refusesStart(t, store, says) })
	}
}

// F38: the number of partitions is part of the store. A start with another one says which.
func TestF38AStartWithAnotherNumberOfPartitionsSaysWhichIsRight(t *testing.T) {
	t.Parallel()
	for _, stored := range []int{1, 16} {
		t.Run(fmt.Sprint(stored), func(t *testing.T) {
			t.Parallel()
			cluster := servers.StartCluster(t, 2, 0)
			r := service.NewClusterRing(t, cluster, fmt.Sprintf("?partitions=%d", stored))
			in := r.Start()
			in.Record("home").Want(t, http.StatusOK)
			in.Kill()
			for _, set := range []int{1, 8, 16, 32} {
				if set != stored {
					refusesStart(t, cluster.URL(fmt.Sprintf("?partitions=%d", set)), fmt.Sprintf("set ?partitions=%d in FOOTFALL_STORE", stored))
				}
			}
			check.Equal(t, r.Start().Visits("home"), 1, "visits")
		})
	}
}

// refusesStart checks that a start ends soon, and that it says one of some texts.
func refusesStart(t *testing.T, store string, says ...string) {
	t.Helper()
	began := time.Now()
	in := service.NewDeployment(t, "FOOTFALL_STORE="+store).Launch()
	service.Await(t, "the end", in.Done)
	log := in.Logged()
	said := slices.ContainsFunc(says, func(what string) bool { return strings.Contains(log, what) })
	if in.Cmd.ProcessState.Success() || !said || strings.Contains(log, "waiting for nodes") {
		t.Errorf("%s: it ended with %v after %v, and said:\n%s\nwant %q", store, in.Cmd.ProcessState, time.Since(began), log, says)
	}
	if strings.Contains(log, "wr0ng") || strings.Contains(log, "other0") {
		t.Errorf("the log shows the password:\n%s", log)
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
