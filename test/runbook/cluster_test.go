package runbook_test

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"footfall/test/check"
	"footfall/test/integration/service"
	"footfall/test/servers"
)

// parted is a cluster in which a failover has ended the migration of a slot.
type parted struct {
	*servers.Cluster
	t  *testing.T
	in *service.Instance
	// owner has the slot, and other has some of its keys.
	owner, other *servers.Redis
	busy         string            // a key that both have
	names        *strings.Replacer // of the page
}

// X10: keys that a failover left at another master come back by the commands of the page,
// whichever of the two masters died, and no visit is lost.
func TestX10KeysThatAFailoverLeftBehindComeBackAsThePageSays(t *testing.T) {
	t.Parallel()
	for name, ofOwner := range map[string]bool{"the old owner dies": true, "the new owner dies": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cluster := servers.StartCluster(t, 3, 1)
			in := service.NewClusterRing(t, cluster, "").Start()
			p := &parted{Cluster: cluster, t: t, in: in}
			pages := service.PageNames(400)
			for _, page := range pages {
				in.Record(page).Want(t, http.StatusOK)
			}
			lost := p.part(pages, ofOwner)
			if ofOwner {
				in.Get("/visits/"+lost).Want(t, http.StatusServiceUnavailable, `"missing"`)
				check.Says(t, fmt.Errorf("%s", in.Logged()), "docs/redis-cluster.md#pages-are-missing")
			}
			p.repair()
			service.WaitFor(t, "the partition serves", func() bool { return in.Record(lost).Status == http.StatusOK })
			for _, page := range pages {
				want := int64(1)
				if page == lost {
					want = 2
				}
				check.Equal(t, in.Visits(page), want, "visits of %s", page)
			}
		})
	}
}

// slot is that of the first partition.
const slot = 32

// part moves half of the keys of a slot, and kills the owner or the server that they move
// to. It returns a page that can't be read.
func (p *parted) part(pages []string, ofOwner bool) (lost string) {
	p.t.Helper()
	from := p.Master(slot)
	to := p.Servers[0]
	if to == from {
		to = p.Servers[1]
	}
	p.owner = from
	window := p.prefix() + "win:1"
	p.Do(from, "hset", window, "state", "done", "count", 1)
	p.OpenSlot(slot, from, to)
	var moved []string
	for i, key := range p.Do(from, "cluster", "getkeysinslot", slot, 10_000).([]any) {
		// Without the state, the partition would not say which page is missing.
		text := fmt.Sprint(key)
		if i%2 == 0 && (strings.Contains(text, ":c:") || !ofOwner) || ofOwner && strings.HasSuffix(text, ":win:1") {
			moved = append(moved, text)
		}
	}
	p.Migrate(slot, from, to, moved...)
	dies := to
	if ofOwner {
		dies = from
	}
	replica := p.Replicas(dies)[0]
	if p.owner, p.other = from, replica; ofOwner {
		p.owner, p.other = replica, to
	}
	p.AwaitReplicas(dies)
	dies.Kill()
	p.AwaitTakeover(replica)
	if ofOwner {
		p.EndMigration(slot, replica)
	}
	service.WaitFor(p.t, "a page can't be read, and others can", func() bool {
		lost = ""
		read := 0
		for _, page := range pages {
			switch got := p.in.Get("/visits/" + page); {
			case got.Status == http.StatusOK:
				read++
			case !ofOwner || strings.Contains(got.Body, `"missing"`):
				lost = page
			}
		}
		return lost != "" && read > len(pages)/2
	})
	if ofOwner {
		p.busy = window // as an instance that claims it again makes it
		p.Do(p.owner, "hset", p.busy, "state", "open")
	}
	return lost
}

// prefix begins the keys of the partition.
func (p *parted) prefix() string {
	key := fmt.Sprint(p.Do(p.owner, "cluster", "getkeysinslot", slot, 1).([]any)[0])
	return key[:strings.Index(key, "}:")+2]
}

// repair runs the commands of the page.
func (p *parted) repair() {
	p.t.Helper()
	text := string(check.Value(os.ReadFile("../../docs/redis-cluster.md"))(p.t))
	_, text, _ = strings.Cut(text, "\n## Pages are missing\n")
	text, _, _ = strings.Cut(text, "\n## ")
	var steps [][]string
	for _, block := range regexp.MustCompile("(?ms)^ *```sh\n(.*?)^ *```").FindAllStringSubmatch(text, -1) {
		var lines []string
		for line := range strings.Lines(block[1]) {
			lines = append(lines, strings.TrimSpace(line))
		}
		steps = append(steps, lines)
	}
	check.Equal(p.t, len(steps), 5, "steps")

	tag := "0" // of the slot that redis-cli --cluster check would name
	if key := regexp.MustCompile(`ff:\{(\d+)\}:c:`).FindStringSubmatch(p.in.Logged()); key != nil {
		tag = key[1]
	}
	p.names = strings.NewReplacer("TAG", tag, "-h HOST ", "-h 127.0.0.1 ", "HOST:PORT", p.owner.Addr, "-p PORT", "-p "+strconv.Itoa(p.owner.Port()), " SLOT ", fmt.Sprint(" ", slot, " "))
	first := p.run(steps[0])
	if tag != "0" {
		check.Equal(p.t, strings.TrimSpace(first[0]), strconv.Itoa(slot), "slot")
	}
	if !regexp.MustCompile(regexp.QuoteMeta(p.other.Addr)+": [1-9]").MatchString(first[1]) ||
		!regexp.MustCompile(p.ID(p.owner)+` .* connected .*\b(0-|32)`).MatchString(first[2]) {
		p.t.Fatalf("the page finds the two servers by:\n%s", strings.Join(first, "\n"))
	}
	names := []string{" SLOT ", fmt.Sprint(" ", slot, " "), `"KEY`, `"` + p.busy}
	for name, s := range map[string]*servers.Redis{"OWNER": p.owner, "OTHER": p.other} {
		names = append(names, "-h "+name+" ", "-h 127.0.0.1 ", name+"_PORT", strconv.Itoa(s.Port()), "MIGRATE "+name+" ", "MIGRATE 127.0.0.1 ", name+"_ID", p.ID(s))
	}
	p.names = strings.NewReplacer(names...)
	p.run(steps[1])
	for end := time.Now().Add(time.Minute); strings.TrimSpace(p.run(steps[2][:1])[0]) != p.busy; {
		if out, err := p.try(steps[2][1]); err != nil && (p.busy == "" || !strings.Contains(out, "BUSYKEY")) {
			p.t.Fatalf("%v: %s", err, out)
		}
		if time.Now().After(end) {
			p.t.Fatal("keys are left")
		}
	}
	if p.busy != "" {
		p.run(steps[3])
	}
	p.run(steps[4])
	if p.busy != "" {
		check.Equal(p.t, fmt.Sprint(p.Do(p.other, "hget", p.busy, "count")), "1", "count of a window that was made again")
	}
}

// run runs the lines of a step, and returns what each prints.
func (p *parted) run(lines []string) (out []string) {
	p.t.Helper()
	for _, line := range lines {
		text, err := p.try(line)
		if err != nil {
			p.t.Fatalf("%s: %v\n%s", line, err, text)
		}
		out = append(out, text)
	}
	return out
}

func (p *parted) try(line string) (string, error) {
	ctx, cancel := context.WithTimeout(p.t.Context(), time.Minute)
	defer cancel()
	line = strings.ReplaceAll(p.names.Replace(line), "redis-cli -h", "redis-cli -e -h")
	out, err := exec.CommandContext(ctx, "sh", "-c", line).CombinedOutput()
	return string(out), err
}
