package process_test

import (
	"fmt"
	"net"
	"os"
	"strings"
	"testing"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"footfall/test/check"
	"footfall/test/integration/service"
	"footfall/test/kafkatest"
	"footfall/test/servers"
)

// checked is what footfall check prints, and its exit code.
func checked(t *testing.T, env ...string) (lines string, code int) {
	t.Helper()
	cmd := service.NewDeployment(t, env...).Command(t.Context(), "check")
	begin := time.Now()
	out, _ := cmd.CombinedOutput()
	t.Logf("%v\n%s", time.Since(begin), out)
	left := check.Value(os.ReadDir(cmd.Dir))(t)
	check.Equal(t, len(left), 0, "files that the check has made")
	return string(out), cmd.ProcessState.ExitCode()
}

// finds fails the test unless a check with these settings ends with a code, and prints a
// line of a level with all parts.
func finds(t *testing.T, code int, level string, parts []string, env ...string) {
	t.Helper()
	all, got := checked(t, env...)
	check.Equal(t, got, code, "the exit code")
	for line := range strings.Lines(all) {
		missing := !strings.HasPrefix(line, level)
		for _, part := range parts {
			missing = missing || !strings.Contains(line, part)
		}
		if !missing {
			return
		}
	}
	t.Errorf("no line is %s with %q:\n%s", level, parts, all)
}

// A sound deployment has no failure. The check makes no ring, and no queue.
func TestACheckChangesNothing(t *testing.T) {
	t.Parallel()
	r, broker := servers.StartRedis(t, "--appendonly", "yes", "--appendfsync", "always"), service.SharedBroker(t)
	const queue = "checked"
	env := []string{"FOOTFALL_STORE=redis://" + r.Addr + "/0", "FOOTFALL_PUBLISHER=" + broker.URL(broker.Addr, queue)}
	all, code := checked(t, env...)
	if code != 0 || strings.Contains(all, "fail") || strings.Count(all, "warn") != 1 || !strings.Contains(all, `warn  rabbitmq at `+broker.Addr+`: queue "checked" is not there`) {
		t.Errorf("exit code %d:\n%s", code, all)
	}
	check.Equal(t, check.Value(r.Client().DBSize(t.Context()).Result())(t), 0, "keys")
	check.Equal(t, broker.HasQueue(t, queue), false, "whether there is a queue")
	in := service.NewDeployment(t, env...).Start()
	service.WaitFor(t, "the service has declared the queue", func() bool { return broker.HasQueue(t, queue) })
	all, code = checked(t, env...) // beside it
	if code != 0 || strings.Contains(all, "fail") || strings.Contains(all, "warn") {
		t.Errorf("exit code %d beside a service:\n%s", code, all)
	}
	in.Record("home").Want(t, 200)
}

func TestACheckFindsWhatIsWrongWithRedis(t *testing.T) {
	t.Parallel()
	t.Run("password", func(t *testing.T) {
		r := servers.StartRedis(t)
		check.Must(t, r.Client().ConfigSet(t.Context(), "requirepass", "right-one").Err())
		finds(t, 1, "fail", []string{r.Addr, "WRONGPASS", "FOOTFALL_STORE"}, "FOOTFALL_STORE=redis://:wrong-one@"+r.Addr+"/0")
	})
	t.Run("eviction", func(t *testing.T) {
		r := servers.StartRedis(t, "--maxmemory", "100mb", "--maxmemory-policy", "allkeys-lru")
		finds(t, 1, "fail", []string{r.Addr, "allkeys-lru", "want noeviction"}, "FOOTFALL_STORE=redis://"+r.Addr+"/0")
	})
	t.Run("right", func(t *testing.T) {
		r := servers.StartRedis(t)
		check.Must(t, r.Client().Do(t.Context(), "ACL", "SETUSER", "counter", "on", ">some-password", "~*", "+@all", "-hincrby").Err())
		finds(t, 1, "fail", []string{r.Addr, "the user may not run HINCRBY"}, "FOOTFALL_STORE=redis://counter:some-password@"+r.Addr+"/0")
	})
	t.Run("clock", func(t *testing.T) {
		r := servers.StartRedisWithClock(t)
		r.Clock.Shift(t, 30*time.Second)
		finds(t, 1, "fail", []string{r.Addr, "clock is off by", "NTP"}, "FOOTFALL_STORE=redis://"+r.Addr+"/0")
		r.Clock.Shift(t, 0)
		finds(t, 0, "ok", []string{r.Addr, "clock agrees"}, "FOOTFALL_STORE=redis://"+r.Addr+"/0")
	})
	t.Run("away", func(t *testing.T) {
		addr := servers.FreeAddr(t)
		finds(t, 1, "fail", []string{addr}, "FOOTFALL_STORE=redis://"+addr+"/0")
	})
	t.Run("no append-only file", func(t *testing.T) {
		r := servers.StartRedis(t, "--appendonly", "no")
		finds(t, 0, "warn", []string{r.Addr, "append-only file", "appendonly to yes"}, "FOOTFALL_STORE=redis://"+r.Addr+"/0")
	})
}

// A node that only the ring has is looked at, and one that only the settings have is no failure.
// The ring is that of any node of the settings, also of one that it has left.
func TestACheckLooksAtNodesOfTheRing(t *testing.T) {
	t.Parallel()
	r := service.NewRing(t, 2, "--appendfsync", "everysec")
	in := r.Start()
	added := r.AddServer("--appendfsync", "everysec")
	in.Add(added)
	in.Moved()
	env := []string{"FOOTFALL_STORE=redis://" + strings.Join(r.Seeds[:2], ",") + "/0"}
	id := in.Ring().ID(added.Addr)
	finds(t, 0, "ok", []string{id + " at " + added.Addr, "no count can be evicted"}, env...)
	check.Must(t, r.Do(2, "config", "set", "maxmemory", "100mb", "maxmemory-policy", "allkeys-lru").Err())
	finds(t, 1, "fail", []string{id + " at " + added.Addr, "allkeys-lru", "want noeviction"}, env...)
	check.Must(t, r.Do(2, "config", "set", "maxmemory-policy", "noeviction").Err())

	in.Remove(in.Ring().ID(r.Seeds[0]), "")
	in.Moved()
	service.WaitFor(t, "the node has left", func() bool { return in.Ring().ID(r.Seeds[0]) == "" })
	in.Stop()
	before := fmt.Sprint(changes(t, r, 0), changes(t, r, 1), changes(t, r, 2))
	alone := []string{"FOOTFALL_STORE=redis://" + r.Seeds[0] + "/0"}
	for _, addr := range []string{r.Seeds[1], added.Addr} {
		finds(t, 0, "ok", []string{addr, "no count can be evicted"}, alone...)
	}
	finds(t, 0, "warn", []string{r.Seeds[0], "the stored ring does not have it", "FOOTFALL_STORE"}, env...)
	check.Equal(t, fmt.Sprint(changes(t, r, 0), changes(t, r, 1), changes(t, r, 2)), before, "changes of keys")
	r.Servers[0].Kill()
	finds(t, 0, "warn", []string{r.Seeds[0], "the stored ring does not have it", "FOOTFALL_STORE"}, env...)
}

// A node that a command has moved is looked at where it is now.
func TestACheckLooksAtANodeWhereItHasMoved(t *testing.T) {
	t.Parallel()
	r := service.NewRing(t, 2, "--appendfsync", "everysec")
	in := r.Start()
	id := in.Ring().ID(r.Seeds[0])
	r.Servers[0].Kill()
	moved := r.Servers[0].Copy(t)
	in.MustTool("ring", "move-address", id, "redis://"+moved.Addr)
	env := "FOOTFALL_STORE=redis://" + strings.Join(r.Seeds, ",") + "/0"
	finds(t, 0, "ok", []string{id + " at " + moved.Addr, "no count can be evicted"}, env)
	finds(t, 0, "warn", []string{r.Seeds[0], "the stored ring does not have it there"}, env)
}

// changes is the number of changes that a server has made to its keys.
func changes(t *testing.T, r *service.Ring, server int) string {
	t.Helper()
	info := check.Value(r.Do(server, "info", "persistence").Text())(t)
	_, after, _ := strings.Cut(info, "rdb_changes_since_last_save:")
	n, _, _ := strings.Cut(after, "\r\n")
	if n == "" {
		t.Fatalf("no number of changes in %s", info)
	}
	return n
}

// Two addresses of one server stop a start.
func TestACheckFindsAServerUnderTwoAddresses(t *testing.T) {
	t.Parallel()
	r := servers.StartRedis(t)
	_, port, _ := net.SplitHostPort(r.Addr)
	finds(t, 1, "fail", []string{"are the same server", "FOOTFALL_STORE"}, "FOOTFALL_STORE=redis://"+r.Addr+",localhost:"+port+"/0")
}

func TestACheckFindsAQueueWithOtherArguments(t *testing.T) {
	t.Parallel()
	broker := service.SharedBroker(t)
	broker.DeclareQueue(t, "other-arguments", amqp.Table{"x-queue-type": "classic"})
	finds(t, 1, "fail", []string{broker.Addr, "other-arguments", "PRECONDITION_FAILED", "FOOTFALL_PUBLISHER"},
		"FOOTFALL_STORE=memory://", "FOOTFALL_PUBLISHER="+broker.URL(broker.Addr, "other-arguments"))
}

func TestACheckFindsWhatIsWrongWithOtherPublishers(t *testing.T) {
	t.Parallel()
	r := servers.StartRedis(t)
	check.Must(t, r.Client().Set(t.Context(), "counts", 1, 0).Err())
	finds(t, 1, "fail", []string{r.Addr, "the key counts is a string, want a stream"}, "FOOTFALL_STORE=memory://", "FOOTFALL_PUBLISHER=redis-stream://"+r.Addr+"/counts")
	n := servers.StartNATS(t)
	finds(t, 1, "fail", []string{`no stream takes the subject "counts.minutes"`, "create one"}, "FOOTFALL_STORE=memory://", "FOOTFALL_PUBLISHER="+n.URL(n.Addr, "counts.minutes"))
	k := kafkatest.Start(t, kafkatest.Options{})
	finds(t, 1, "fail", []string{k.Addr, `topic "counts" does not exist`}, "FOOTFALL_STORE=memory://", "FOOTFALL_PUBLISHER="+k.URL("counts"))
}

func TestACheckFindsSettings(t *testing.T) {
	t.Parallel()
	finds(t, 0, "warn", []string{"no endpoint may be called back", "FOOTFALL_CALLBACK_ALLOW"}, "FOOTFALL_CALLBACK_ALLOW=none")
	finds(t, 0, "ok", []string{"embedded store", "first start makes it"})
	finds(t, 1, "fail", []string{"embedded store", "are free", "FOOTFALL_DISK_RESERVE"}, "FOOTFALL_DISK_RESERVE=1000000GiB")
	finds(t, 2, "footfall:", []string{"FOOTFALL_WINDOW"}, "FOOTFALL_WINDOW=1x")
}

// An embedded store that a service has open is no failure.
func TestACheckWorksBesideAnEmbeddedStore(t *testing.T) {
	t.Parallel()
	d := service.NewDeployment(t)
	in := d.Start()
	says := func(want string) {
		t.Helper()
		out, err := d.Command(t.Context(), "check").CombinedOutput()
		if err != nil || !strings.Contains(string(out), want) {
			t.Errorf("%v, want %q:\n%s", err, want, out)
		}
	}
	says("a service has it open")
	in.Record("home").Want(t, 200)
	in.Stop()
	says("its format is one of this version")
}
